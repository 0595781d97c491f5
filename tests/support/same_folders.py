"""Whether two folders of runs, studies and backtests say the same, bit by bit where they hold no times."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nextbar.backtesting.times import TIMES, read_times
from nextbar.runs.checkpoint_store import CheckpointStore
from nextbar.runs.kinds import is_study
from nextbar.searching import Study
from nextbar.searching.folder import JOURNAL, LEADERBOARD
from nextbar.searching.trials import CONFIGURATION, FACTS

EVENTS = "events.out.tfevents"
CLOCK = ("windows_per_second", "seconds")
"""curves and columns that the clock decides"""


def differences(folder: Path, other: Path) -> Iterator[str]:
    """What is not in a folder as in the other one.

    Every file is compared byte by byte, with these exceptions. Checkpoints, which are laid out by chance: the epochs
    kept, every array bit by bit, every note. The times of a backtest: of whom there are some. A study's journal: its
    trials. Events for TensorBoard: the steps and values that it shows. ``CLOCK`` is left out of these and of
    leaderboards. Locks are empty, and not compared.
    """
    yield from _different_files(folder, other)
    for path in _shared(folder, other, "**/checkpoints"):
        yield from _different_checkpoints(folder / path, other / path, path)
    for path in _shared(folder, other, "**/*"):
        if is_study(folder / path) and _trials(folder / path) != _trials(other / path):
            yield f"{path}: other trials"
        if any((other / path).glob(f"{EVENTS}*")) and _events(folder / path) != _events(other / path):
            yield f"{path}: other events"


def _shared(folder: Path, other: Path, pattern: str) -> list[Path]:
    """Folders, by paths from both, that match."""
    found = sorted(path.relative_to(other) for path in other.glob(pattern) if path.is_dir())
    return [path for path in found if (folder / path).is_dir() and not _in_checkpoint(path)]


def _in_checkpoint(path: Path) -> bool:
    return "checkpoints" in path.parts[:-1]


def _different_files(folder: Path, other: Path) -> Iterator[str]:
    files, others = (set(_files(root)) for root in (folder, other))
    yield from (f"{path} is new" for path in sorted(files - others))
    yield from (f"{path} is missing" for path in sorted(others - files))
    for path in sorted(files & others):
        if _content(folder / path) != _content(other / path):
            yield f"{path} has other bytes"


def _files(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        name = path.relative_to(root)
        apart = path.name == JOURNAL or path.name.startswith(EVENTS) or path.suffix == ".lock"
        if path.is_file() and not apart and not _in_checkpoint(name):
            yield name


def _content(path: Path) -> Any:
    if path.name == TIMES:
        return {
            name: {kind: sorted(folds) for kind, folds in kinds.items()}
            for name, kinds in read_times(path.parent).items()
        }
    if path.name != LEADERBOARD:
        return path.read_bytes()
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    return [[item for item in row.items() if item[0] not in CLOCK] for row in rows]


def _different_checkpoints(folder: Path, other: Path, name: Path) -> Iterator[str]:
    for kind in ("last", "best"):
        kept, wanted = (sorted(path.name for path in (root / kind).glob("*")) for root in (folder, other))
        if kept != wanted:
            yield f"{name / kind}: {' '.join(kept)} instead of {' '.join(wanted)}"
        for epoch in sorted(set(kept) & set(wanted)):
            if not _same(_checkpoint(folder / kind / epoch), _checkpoint(other / kind / epoch)):
                yield f"{name / kind / epoch}: other arrays or notes"


def state_in(path: Path) -> Any:
    """The arrays of a checkpoint."""
    with ocp.PyTreeCheckpointer() as reader:
        return reader.restore(path.absolute() / "state")


def _checkpoint(path: Path) -> Any:
    """Record and arrays."""
    store = CheckpointStore()
    try:
        return store.read_record(path), state_in(path)
    finally:
        store.close()


def _same(one: Any, other: Any) -> bool:
    """Same structure, same types, same bits."""
    leaves, others = jax.tree.leaves(one), jax.tree.leaves(other)
    return jax.tree.structure(one) == jax.tree.structure(other) and all(
        np.asarray(a).dtype == np.asarray(b).dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(leaves, others, strict=True)
    )


def _trials(path: Path) -> list[Any]:
    """Number, combination, state, ranking score, best scores so far and further facts of each trial."""
    return sorted(
        (one.number, str(one.params), str(one.state), str(one.value), str(one.intermediate_values),
         str(one.user_attrs[CONFIGURATION]), str(one.user_attrs[FACTS]["run"]))
        for one in Study.load(path).trials
    )  # fmt: skip


def _events(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of each curve."""
    events = EventAccumulator(str(path), size_guidance={"scalars": 0})
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag not in CLOCK]
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}
