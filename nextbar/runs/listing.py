"""The runs in a folder: what became of each, and which is the best."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from nextbar.arguments import strict_arguments
from nextbar.config.choices import OUTPUT_MODES
from nextbar.config.yaml_file import read_yaml
from nextbar.errors import NextbarError, RunError
from nextbar.metrics.comparison import ranking_score
from nextbar.metrics.task import LEADING
from nextbar.resolution import seconds
from nextbar.runs.records import NORMALISATION, SUMMARY, read_summary

PARTS = frozenset({"config.yaml", SUMMARY, NORMALISATION, "checkpoints"})
STUDY = "study.yaml"
"""what makes a folder that of a search"""
NEARBY, NEARBY_DEPTH = 10, 3


@dataclass(frozen=True)
class RunInfo:
    """One run folder at a glance."""

    path: Path
    status: str
    """as in ``summary.json``; ``damaged`` where the folder cannot be understood"""
    output_mode: str = ""
    epochs: int | None = None
    best_epoch: int | None = None
    ranking: float | None = None
    """what runs of a group are ranked by, lower is better, from validation; None for a run without metrics"""
    skill: float | None = None
    """of the leading metric on the test span; above 0: better than the baseline"""
    scored_bars: str | None = None
    """hash of the bars that validation and test score; None where the run does not say"""
    until: str | None = None
    """when its last bar closed, ISO 8601; None where the run does not say"""
    refit_of: str | None = None
    """name of the run that this one repeats on all bars"""
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


def is_run(path: str | Path) -> bool:
    """True for a run folder, also for one that was half copied: it holds at least two of a run's four parts."""
    try:
        names = {entry.name for entry in os.scandir(path)}
    except OSError:
        return False
    return len(PARTS & names) >= 2 and not is_backtest(path)


def is_backtest(path: str | Path) -> bool:
    """True for the folder of a backtest, which may hold the runs of its folds."""
    try:
        return json.loads((Path(path) / SUMMARY).read_text()).get("kind") == "backtest"
    except (OSError, ValueError, AttributeError):
        return False


def is_study(path: str | Path) -> bool:
    """True for the folder of a search, which holds the runs of its trials."""
    return (Path(path) / STUDY).is_file()


@strict_arguments
def list_runs(folder: str | Path) -> list[RunInfo]:
    """Every run in a folder and the folders inside it, by path; those that begin with a dot are passed over, and
    so are backtests, whose folds' runs are found in their own folder only.

    Raises:
        RunError: no such folder.
    """
    if Path(folder).is_file():
        raise RunError(f"{folder} is a file, should be a folder that holds runs{nearby(Path(folder))}")
    if not Path(folder).is_dir():
        raise RunError(f"no folder {folder}{nearby(Path(folder))}")
    return [describe(path) for path in _find(Path(folder))]


def describe(path: Path) -> RunInfo:
    """What a run folder says of itself; one that cannot be understood is ``damaged``, and no error."""
    size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
    try:
        config = read_yaml(path / "config.yaml")
        mode = config["model_config"].get("output_mode", "mean")
        kind = OUTPUT_MODES[mode].kind
        summary = read_summary(path)
        metrics: dict[str, Any] = summary["metrics"]
        return RunInfo(
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
            bytes=size,
        )
    except NextbarError as error:
        return RunInfo(path, "damaged", bytes=size, problem=str(error))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        problem = f"{path}: config.yaml or summary.json lacks {error}; was the run folder copied whole?"
        return RunInfo(path, "damaged", bytes=size, problem=problem)


@strict_arguments
def best_run(folder: str | Path) -> Path:
    """The run with the best validation score relative to its baseline's, among those on the newest bars; a run folder
    is its own best.

    Chosen among the runs that lie directly in the folder, as an experiment's do; where there are none, among all
    inside it. Runs without metrics (unfinished, failed, refitted on all bars) are passed over.

    Raises:
        RunError: no run to choose from, or runs that cannot be compared, because output mode or scored bars differ.
    """
    folder = Path(folder)
    if is_run(folder):
        return folder
    if folder.is_file():
        raise RunError(f"{folder} is a file, should be the folder of a run or of an experiment{nearby(folder)}")
    if not folder.is_dir():
        raise RunError(f"no run {folder}{nearby(folder)}")
    if is_backtest(folder):
        raise RunError(f"{folder} is a backtest and not a run; its folds' runs lie in {folder / 'folds'}")
    return best_among(folder, list_runs(folder)).path


def best_among(folder: Path, runs: Sequence[RunInfo]) -> RunInfo:
    """As ``best_run``, among the runs in a folder and inside it.

    Raises:
        RunError: as ``best_run``.
    """
    if not runs:
        raise RunError(f"{folder} is no run folder and holds none{nearby(folder)}")
    found = [info for info in runs if info.path.parent == folder] or list(runs)
    newest = max((info.until or "" for info in found if info.ranking is not None), default="")
    best = leaders([info for info in found if (info.until or "") == newest])
    if not best:
        there = "\n".join(f"  {info.path}: {info.status}" for info in found[:NEARBY])
        raise RunError(f"{folder} holds no run with metrics to choose by; there are\n{there}")
    if len(best) > 1:
        raise RunError(
            f"the runs in {folder} cannot be ranked together: their output modes or scored bars differ. "
            "Give a run itself; the best of each kind are\n" + "\n".join(_kind(info, found) for info in best)
        )
    return best[0]


def leaders(runs: Sequence[RunInfo]) -> list[RunInfo]:
    """The best run of each group that has a ranked one, by path; of two equals the one whose path comes first."""
    best: dict[tuple[str, str | None], RunInfo] = {}
    for info in sorted(runs, key=lambda info: info.path):
        former = best.get(info.group)
        if info.ranking is not None and (former is None or info.ranking < _score(former)):
            best[info.group] = info
    return sorted(best.values(), key=lambda info: info.path)


def _until(summary: dict[str, Any], resolution: str | list[str]) -> str | None:
    """When the last bar of a run closed; an earlier version noted only when it opened."""
    data = summary.get("data") or {}
    if "until" in data or not data.get("series"):
        return data.get("until")
    step = min(seconds(one) for one in ([resolution] if isinstance(resolution, str) else resolution))
    opened = dt.datetime.fromisoformat(max(one["last"] for one in data["series"]))
    return f"{opened + dt.timedelta(seconds=step):%Y-%m-%dT%H:%M:%SZ}"


def _score(info: RunInfo) -> float:
    assert info.ranking is not None
    return info.ranking


def _kind(info: RunInfo, runs: Sequence[RunInfo]) -> str:
    alike = sum(other.group == info.group and other.ranking is not None for other in runs)
    bars = f"scored bars {info.scored_bars[:10]}" if info.scored_bars else "scored bars unknown"
    return f"  {info.path}: {info.output_mode}, {bars}, best of {alike}"


def _find(folder: Path, depth: int | None = None) -> Iterator[Path]:
    """Run folders, in order of their paths; nothing inside a run is looked at."""
    if is_run(folder):
        yield folder
    elif depth != 0:
        try:
            inside = sorted(e.name for e in os.scandir(folder) if e.is_dir(follow_symlinks=False) and e.name[0] != ".")
        except PermissionError:
            return
        for path in (folder / name for name in inside):
            if not is_backtest(path):
                yield from _find(path, None if depth is None else depth - 1)


def nearby(path: Path) -> str:
    """Where there are runs instead, for the message about a path that is none."""
    there = next((parent for parent in path.absolute().parents if parent.is_dir()), Path.cwd())
    runs = list(islice(_find(there, NEARBY_DEPTH), NEARBY))
    if not runs:
        return f"; there is no run in {there} either"
    return "; runs nearby:\n" + "\n".join(f"  {os.path.relpath(run)}" for run in runs)
