"""The runs in a folder, and the best of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from nextbar.arguments import strict_arguments
from nextbar.errors import RunError, Unreachable
from nextbar.runs.copies import Cards, local_cards, local_run
from nextbar.runs.info import RunInfo, describe
from nextbar.runs.kinds import is_backtest, is_run
from nextbar.storage.address import named, origin_of, told_by_address

NEARBY, NEARBY_DEPTH = 10, 3
"""runs that a message lists, and how many levels down they are looked for"""


@strict_arguments
def list_runs(folder: str | Path) -> list[RunInfo]:
    """Every run in a folder and the folders inside it, by path; under an address in object storage, copies of their
    records.

    Folders whose names begin with a dot are passed over, and so are backtests: the runs of their folds are listed only
    for the folder of a backtest itself.

    Raises:
        RunError: no such folder.
    """
    return runs_in(local_cards(folder))


def runs_in(cards: Cards) -> list[RunInfo]:
    """As ``list_runs``, by the cards of a folder."""
    folder, sizes = cards
    if folder.is_file():
        raise RunError(f"{folder} is a file, should be a folder that holds runs{nearby(folder)}")
    if not folder.is_dir():
        raise RunError(f"no folder {folder}{nearby(folder)}")
    runs = [describe(path) for path in _find(folder)]
    return runs if sizes is None else [replace(info, bytes=sizes.get(info.path, info.bytes)) for info in runs]


def runs_below(log_dir: str | Path) -> list[RunInfo]:
    """As ``list_runs``; none where there is no such folder yet.

    Raises:
        Unreachable: it is in object storage, which does not answer.
    """
    try:
        return list_runs(log_dir)
    except Unreachable:
        raise
    except RunError:
        return []


@strict_arguments
@told_by_address()
def best_run(folder: str | Path) -> Path:
    """The run with the best validation score relative to its baseline's, among those on the newest bars; a run folder
    is its own best. Of an address in object storage it is copied.

    Chosen among the runs that lie directly in the folder, as an experiment's do; where there are none, among all
    inside it. Runs without metrics (unfinished, failed, refitted on all bars) are passed over.

    Raises:
        RunError: no run to choose from, or runs that cannot be compared, because output mode or scored bars differ.
    """
    if origin_of(folder) is None:
        return best_run_in(Path(folder))
    cards = local_cards(folder).folder
    return local_run(named(best_run_in(cards)))


def best_run_in(folder: Path) -> Path:
    """As ``best_run``, in a folder on a disk.

    Raises:
        RunError: as ``best_run``.
    """
    if is_run(folder):
        return folder
    if folder.is_file():
        raise RunError(f"{folder} is a file, should be the folder of a run or of an experiment{nearby(folder)}")
    if not folder.is_dir():
        raise RunError(f"no run {folder}{nearby(folder)}")
    if is_backtest(folder):
        raise RunError(f"{folder} is a backtest and not a run; its folds' runs lie in {folder / 'folds'}")
    return best_among(folder, runs_in(Cards(folder, None))).path


def best_among(folder: Path, runs: Sequence[RunInfo]) -> RunInfo:
    """As ``best_run``, among the runs in a folder and inside it.

    Raises:
        RunError: as ``best_run``.
    """
    if not runs:
        raise RunError(f"{folder} is no run folder and holds none{nearby(folder)}")
    candidates = [info for info in runs if info.path.parent == folder] or list(runs)
    newest = max((info.until or "" for info in candidates if info.ranking is not None), default="")
    best = leaders([info for info in candidates if (info.until or "") == newest])
    if not best:
        statuses = "\n".join(f"  {info.path}: {info.status}" for info in candidates[:NEARBY])
        raise RunError(f"{folder} holds no run with metrics to choose by; there are\n{statuses}")
    if len(best) > 1:
        raise RunError(
            f"the runs in {folder} cannot be ranked together: their output modes or scored bars differ. "
            "Give a run itself; the best of each kind are\n" + "\n".join(_kind(info, candidates) for info in best)
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


def _score(info: RunInfo) -> float:
    assert info.ranking is not None
    return info.ranking


def _kind(info: RunInfo, runs: Sequence[RunInfo]) -> str:
    """A run and its group, for a message."""
    alike = sum(other.group == info.group and other.ranking is not None for other in runs)
    bars = f"scored bars {info.scored_bars[:10]}" if info.scored_bars else "scored bars unknown"
    return f"  {info.path}: {info.output_mode}, {bars}, best of {alike}"


def _find(folder: Path, depth: int | None = None) -> Iterator[Path]:
    """Run folders, in order of their paths, at most ``depth`` levels down; not those inside a run."""
    open_folders = [(folder, 0)]
    while open_folders:
        path, level = open_folders.pop()
        if is_run(path):
            yield path
        elif level != depth and (level == 0 or not is_backtest(path)):
            try:
                names = sorted(e.name for e in os.scandir(path) if e.is_dir(follow_symlinks=False) and e.name[0] != ".")
            except OSError:  # not ours to read, gone, or a path too long for the system
                continue
            open_folders += [(path / name, level + 1) for name in reversed(names)]


def nearby(path: Path) -> str:
    """Runs in the nearest folder that exists, for the message about a path that is no run."""
    parent = next((parent for parent in path.absolute().parents if parent.is_dir()), Path.cwd())
    runs = list(islice(_find(parent, NEARBY_DEPTH), NEARBY))
    if not runs:
        return f"; there is no run in {parent} either"
    return "; runs nearby:\n" + "\n".join(f"  {os.path.relpath(run)}" for run in runs)
