"""Files of a run folder beside its summary, written and read; one that is damaged is refused with a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.bars.record import SeriesRecord
from nextbar.checksums import digest, read_json, require_whole, write_json, write_text
from nextbar.config import ExperimentConfig
from nextbar.config.yaml_file import read_yaml, yaml_text
from nextbar.data.preparation import Preparation
from nextbar.data.splits import Cuts
from nextbar.errors import RunError
from nextbar.files import LARGEST, read_bytes, write_whole
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.reference import plain_record, reference_from
from nextbar.metrics.timeline import Timeline
from nextbar.runs.summary import has_checksums
from nextbar.types import Reference

CONFIG = "config.yaml"
NORMALISATION = "normalisation.json"
BARS = "bars.json"
REFERENCE = "reference.json"
RIVAL = "rival.json"
CONFORMAL = "conformal.json"
LOSSES = "validation_losses.npz"
METRICS = "metrics.csv"

BESIDE = (CONFIG, NORMALISATION, BARS, REFERENCE, RIVAL, CONFORMAL, LOSSES, METRICS)
"""files of a run that nothing changes after its end"""
FILES = "files"
"""key of the summary of a run that has ended: the checksums of the files beside it"""
TIME = "time"
"""array of the timestamps of the losses"""

EARLIER = {
    "dataset_config.time_feature": "span",
    "dataset_config.timezone": "UTC",
    "dataset_config.empty_values": "drop",
    "model_config.start": "constant",
}
"""fields that configurations of earlier runs do not have, and the values that these runs were trained with"""


def checksums(path: Path) -> dict[str, str]:
    """Checksums of the files beside the summary, by name, as far as a run has them."""
    return {name: digest((path / name).read_bytes()) for name in BESIDE if (path / name).is_file()}


def write_config(path: Path, config: ExperimentConfig) -> None:
    """Write ``config.yaml`` of a run folder."""
    write_text(path / CONFIG, yaml_text(config.to_dict()))


def read_config(path: Path) -> ExperimentConfig:
    """``config.yaml`` of a run folder; a field that the run is older than has the value that it was trained with.

    Raises:
        ConfigError: the file is missing, not YAML, or no configuration.
        Damaged: it is not as it was written.
    """
    with suppress(OSError):  # of which ``read_yaml`` tells
        require_whole(path / CONFIG, read_bytes(path / CONFIG, LARGEST), has_checksums(path))
    fields = read_yaml(path / CONFIG)
    absent = {name: value for name, value in EARLIER.items() if _lacks(fields, name)}
    return ExperimentConfig.load(path / CONFIG, [f"{name}={value}" for name, value in absent.items()])


def _lacks(data: Any, name: str) -> bool:
    """Whether a mapping of mappings has the section of a field, named with dots, but not the field."""
    section, _, leaf = name.rpartition(".")
    inside = data.get(section)
    return isinstance(inside, dict) and leaf not in inside


def write_preparation(path: Path, preparation: Preparation, cuts: Cuts) -> None:
    """Write what was learnt from the training span, and where the run's spans begin."""
    write_json(path / NORMALISATION, preparation.to_dict() | {"cuts": asdict(cuts)})


def read_preparation(path: Path) -> Preparation:
    """What the run learnt from its training span.

    Raises:
        RunError: the file is missing or damaged.
    """
    with _whole(path / NORMALISATION) as content:
        return Preparation.from_dict(content)


def read_cuts(path: Path) -> Cuts:
    """Where the run's validation and test began.

    Raises:
        RunError: the file is missing or damaged.
    """
    with _whole(path / NORMALISATION) as content:
        return Cuts.from_dict(content["cuts"])


def write_bars_record(path: Path, records: Sequence[SeriesRecord]) -> None:
    """Write the record of the bars that the run uses, with which other bars can be compared."""
    write_json(path / BARS, {"series": [record.to_dict() for record in records]})


def read_bars_record(path: Path) -> tuple[SeriesRecord, ...] | None:
    """The record of the run's bars; None where it has none, as of earlier versions.

    Raises:
        RunError: the file is damaged.
    """
    if not (path / BARS).is_file():
        return None
    with _whole(path / BARS) as content:
        return tuple(map(SeriesRecord.from_dict, content["series"]))


def write_reference(path: Path, names: Sequence[str], reference: Reference) -> None:
    """Write what the baselines were fitted on, so that new bars can be scored without the training bars."""
    write_json(path / REFERENCE, {"names": list(names)} | plain_record(reference))


def read_reference(path: Path) -> tuple[tuple[str, ...], Reference]:
    """Names of the run's series, and what its baselines were fitted on.

    Raises:
        RunError: the file is missing or damaged.
    """
    with _whole(path / REFERENCE) as content:
        return tuple(content.pop("names")), reference_from(content)


def write_rival(path: Path, rival: dict[str, Any]) -> None:
    """Write the simple rivals, their parameters and how the strongest was chosen, in plain values."""
    write_json(path / RIVAL, _jsonable(rival))


def read_rival(path: Path) -> dict[str, Any] | None:
    """What ``write_rival`` wrote; None where the run has none, as of earlier versions.

    Raises:
        RunError: the file is damaged.
    """
    if not (path / RIVAL).is_file():
        return None
    with _whole(path / RIVAL) as content:
        needed = {name: content[name] for name in ("name", "fitted", "validation", "left_out")}
        return needed | {name: content[name] for name in ("others", "own", "trained", "start") if name in content}


def _jsonable(value: Any) -> Any:
    """A value with None for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {name: _jsonable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def write_conformal(path: Path, epoch: int, conformal: Conformal) -> None:
    """Write the validation residuals of an epoch, by which its intervals can be adjusted."""
    write_json(path / CONFORMAL, {"epoch": epoch} | conformal.to_dict())


def read_conformal(path: Path) -> tuple[int, Conformal] | None:
    """Epoch and validation residuals; None where the run has none.

    Raises:
        RunError: the file is damaged.
    """
    if not (path / CONFORMAL).is_file():
        return None
    with _whole(path / CONFORMAL) as content:
        return content.pop("epoch"), Conformal.from_dict(content)


def write_losses(path: Path, timeline: Timeline) -> None:
    """Write the validation losses per timestamp, as float32, by which a search tells skill from luck."""
    buffer = BytesIO()
    losses = {name: loss_T.astype(np.float32) for name, loss_T in timeline.losses.items()}
    np.savez_compressed(buffer, allow_pickle=False, **{TIME: timeline.time_T, **losses})
    write_whole(path / LOSSES, buffer.getvalue())


def read_losses(path: Path) -> Timeline | None:
    """The validation losses per timestamp; None where the run has none, as of earlier versions.

    Raises:
        RunError: the file is damaged.
    """
    try:
        with np.load(path / LOSSES, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        return Timeline(arrays.pop(TIME), {name: loss_T.astype(np.float64) for name, loss_T in arrays.items()})
    except FileNotFoundError:
        return None
    except Exception as error:  # zipfile and zlib raise whatever they meet
        raise RunError(f"{path / LOSSES} cannot be read ({error}); was the run folder copied whole?") from None


@contextmanager
def _whole(path: Path) -> Iterator[dict[str, Any]]:
    """The content of a JSON file; errors while it is read, in or before the block, are raised as RunError."""
    try:
        yield read_json(path, has_checksums(path.parent))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise RunError(f"{path} cannot be read ({error}); was the run folder copied whole?") from None
