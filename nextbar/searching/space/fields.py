"""The fields of an experiment as a search names them: all by their dotted names, and those it may not vary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
from nextbar.config.check import field_names
from nextbar.errors import ConfigError, nearest, short

SECTIONS = {"model_config": ModelConfig, "dataset_config": DatasetConfig}
NAMES = tuple(name for name in field_names(ExperimentConfig) if name not in SECTIONS)

PLACES = ("log_dir", "experiment_name", "dataset_config.datapath")
"""fields that say where things lie; they decide nothing"""

JUDGES = (
    "model_config.output_mode", "dataset_config.output_mode", "dataset_config.resolution",
    "dataset_config.initial_date", "dataset_config.final_date", "test_split", "validation_split", "test_tickers",
)  # fmt: skip
"""fields that decide what is scored: trials that differ in them cannot be ranked together"""


def field_of(name: str) -> str:
    """The dotted field that a name means; the last part will do where it is the only one.

    Raises:
        ConfigError: no such field, the nearest is told; or two.
    """
    if name in NAMES:
        return name
    found = [known for known in NAMES if known.rpartition(".")[2] == name]
    if len(found) == 1:
        return found[0]
    # beside a last part alone, dotted names would all be far
    known = NAMES if found or "." in name else tuple(dict.fromkeys(known.rpartition(".")[2] for known in NAMES))
    raise ConfigError(f"no field {name!r}{nearest(name, known)}")


def flat(given: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values; sections may be nested, as in an experiment.

    Raises:
        ConfigError: a section that is no mapping.
    """
    for name, value in given.items():
        if not prefix and name in SECTIONS:
            if not isinstance(value, Mapping):
                raise ConfigError(f"search: {name}: found {short(value)}, should be a mapping of fields")
            yield from flat(value, f"{name}.")
        else:
            yield f"{prefix}{name}", value


def refuse_fixed(name: str) -> None:
    """Make sure that a search may vary a field.

    Raises:
        ConfigError: it may not; why.
    """
    if name in PLACES:
        raise ConfigError("says where things lie and changes no result; set it in the base")
    if name in JUDGES:
        raise ConfigError("decides what is scored: trials that differ in it cannot be ranked together; make it a study "
                          "each")  # fmt: skip


def default_of(name: str) -> Any:
    """The configuration's default; ``MISSING`` where a field must be given."""
    section, _, leaf = name.rpartition(".")
    cls: Any = SECTIONS.get(section, ExperimentConfig)
    return next(field.default for field in fields(cls) if field.name == leaf)


__all__ = ["MISSING", "NAMES", "PLACES", "SECTIONS", "default_of", "field_of", "flat", "refuse_fixed"]
