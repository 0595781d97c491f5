"""The fields of an experiment by their dotted names, and those that a search may not vary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
from nextbar.config.base import field_names
from nextbar.config.experiment import FOLLOWS, PLACES
from nextbar.errors import ConfigError, nearest, short

SECTIONS = {"model_config": ModelConfig, "dataset_config": DatasetConfig}
NAMES = tuple(name for name in field_names(ExperimentConfig) if name not in SECTIONS)

FOLLOWERS = {f"model_config.{own}": f"dataset_config.{of}" for own, of in FOLLOWS.items()}
"""fields that have another's value where they are not given"""

SCORING = (
    "model_config.output_mode", "dataset_config.output_mode", "dataset_config.resolution",
    "dataset_config.initial_date", "dataset_config.final_date", "test_split", "validation_split", "test_tickers",
)  # fmt: skip
"""fields that decide what is scored: trials that differ in them cannot be ranked together"""


def field_of(name: str) -> str:
    """The dotted field of a name; the last part is enough where no other field has it.

    Raises:
        ConfigError: no such field, and the message names the nearest; or several.
    """
    if name in NAMES:
        return name
    matches = [field for field in NAMES if field.rpartition(".")[2] == name]
    if len(matches) == 1:
        return matches[0]
    # a last part is compared with last parts: all dotted names would be far from it
    names = NAMES if matches or "." in name else tuple(dict.fromkeys(field.rpartition(".")[2] for field in NAMES))
    raise ConfigError(f"no field {name!r}{nearest(name, names)}")


def flat(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of fields; sections may be nested, as in an experiment.

    Raises:
        ConfigError: a section that is no mapping.
    """
    for name, value in values.items():
        if not prefix and name in SECTIONS:
            if not isinstance(value, Mapping):
                raise ConfigError(f"search: {name}: found {short(value)}, should be a mapping of fields")
            yield from flat(value, f"{name}.")
        else:
            yield f"{prefix}{name}", value


def refuse_fixed(name: str) -> None:
    """Make sure that a search may vary a field.

    Raises:
        ConfigError: it may not, and the message says why.
    """
    if name in PLACES:
        raise ConfigError("says where things lie and changes no result; set it in the base")
    if name in SCORING:
        raise ConfigError("decides what is scored: trials that differ in it cannot be ranked together; make it a study "
                          "each")  # fmt: skip


def default_of(name: str) -> Any:
    """The configuration's default; ``MISSING`` where a field must be given."""
    section, _, leaf = name.rpartition(".")
    cls: Any = SECTIONS.get(section, ExperimentConfig)
    return next(field.default for field in fields(cls) if field.name == leaf)


__all__ = ["MISSING", "NAMES", "PLACES", "SECTIONS", "default_of", "field_of", "flat", "refuse_fixed"]
