"""One run of a list: its status, scores and size, read from its folder."""

from __future__ import annotations

import datetime as dt
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nextbar.config.choices import OUTPUT_MODES
from nextbar.config.yaml_file import read_yaml
from nextbar.errors import NextbarError, short
from nextbar.metrics.comparison import ranking_score
from nextbar.metrics.task import LEADING
from nextbar.resolution import seconds
from nextbar.runs.records import CONFIG
from nextbar.runs.summary import read_summary
from nextbar.storage.address import by_address, named


@dataclass(frozen=True)
class RunInfo:
    """Status, scores and size of one run."""

    path: Path
    status: str
    """as in ``summary.json``; ``damaged`` where the folder cannot be read"""
    output_mode: str = ""
    epochs: int | None = None
    best_epoch: int | None = None
    ranking: float | None = None
    """validation score that runs of a group are ranked by, lower is better; None for a run without metrics"""
    skill: float | None = None
    """of the leading metric on the test span; above 0: better than the strongest simple rival, or than the baseline in
    runs of versions without rivals"""
    scored_bars: str | None = None
    """hash of the bars that validation and test score; None where the run does not say"""
    until: str | None = None
    """when its last bar closed, ISO 8601; None where the run does not say"""
    refit_of: str | None = None
    """name of the run that this one repeats on all bars"""
    final_fit: bool = False
    """whether it was trained once more on training and validation, which its skill is of"""
    bytes: int = 0
    """size of all its files"""
    problem: str = ""
    """why it is ``damaged``"""

    @property
    def experiment(self) -> str:
        """Name of the folder it lies in."""
        return self.path.parent.name

    @property
    def group(self) -> tuple[str, str | None]:
        """Only runs of one group can be ranked: the same output mode, scored on the same bars."""
        return self.output_mode, self.scored_bars


def describe(path: Path) -> RunInfo:
    """The run in a folder; one that cannot be read has the status ``damaged``, and raises nothing."""
    size = 0
    try:
        size = _size(path)
        config = read_yaml(path / CONFIG)
        mode = config["model_config"].get("output_mode", "mean")
        kind = OUTPUT_MODES[mode].kind
        summary = read_summary(path)
        metrics: dict[str, Any] = summary["metrics"]
        facts = RunInfo(
            path=path,
            status=summary["status"],
            output_mode=mode,
            epochs=summary.get("epochs"),
            best_epoch=summary["best_epoch"],
            ranking=ranking_score(metrics["validation"], kind) if "validation" in metrics else None,
            skill=metrics["test"]["skill"][LEADING[kind]] if "test" in metrics else None,
            scored_bars=summary.get("scored_bars"),
            until=_until(summary, config["dataset_config"]["resolution"]),
            refit_of=summary.get("refit_of"),
            final_fit="final_fit" in summary,
            bytes=size,
        )
        return TypeAdapter(RunInfo).validate_python(vars(facts))
    except ValidationError as error:
        wrong = error.errors()[0]
        problem = f"{named(path)}: of summary.json {wrong['loc'][0]} is {short(wrong['input'])}"
    except NextbarError as error:
        return RunInfo(path, "damaged", bytes=size, problem=by_address(str(error)))
    except OSError as error:  # deleted meanwhile
        problem = f"{named(path)} cannot be read: {error.strerror or error}"
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        problem = f"{named(path)}: config.yaml or summary.json lacks {error}"
    return RunInfo(path, "damaged", bytes=size, problem=f"{problem}; was the run folder copied whole?")


def _size(path: Path) -> int:
    """Bytes of all files in a folder; what is deleted meanwhile, as former checkpoints are, has none."""
    size = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                size += os.lstat(os.path.join(folder, name)).st_size
    return size


def _until(summary: dict[str, Any], resolution: str | list[str]) -> str | None:
    """When the last bar of a run closed; an earlier version recorded only when it opened."""
    data = summary.get("data") or {}
    if "until" in data or not data.get("series"):
        return data.get("until")
    step = min(map(seconds, [resolution] if isinstance(resolution, str) else resolution))
    opened = dt.datetime.fromisoformat(max(series["last"] for series in data["series"]))
    return f"{opened + dt.timedelta(seconds=step):%Y-%m-%dT%H:%M:%SZ}"
