"""TensorBoard's HPARAMS page: a session for each trial, with the values drawn and the scores."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import hparams

from nextbar.searching.leaderboard import row_of
from nextbar.searching.space.space import Space

FOLDER = "hparams"
METRICS = {
    "ranking": "ranking_score",
    "validation": "validation_skill",
    "test": "test_skill",
    "seconds": "seconds",
}
"""column of the leaderboard by tag"""


def write_hparams(study: Path, space: Space, trial: FrozenTrial) -> None:
    """Write the session of a trial that has ended to ``hparams/<number>``; a trial without metrics has none."""
    row = row_of(trial, space)
    values = {tag: row[column] for tag, column in METRICS.items() if row.get(column) is not None}
    if "ranking" not in values:
        return
    drawn = {name: _plain(row[name]) for name in space.fields}
    folder = study / FOLDER / f"{trial.number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    for former in folder.glob("events.*"):  # of a worker that ended before it recorded the trial
        former.unlink()
    events = EventsWriter(str(folder / "events"))
    try:
        for summary in (*hparams(drawn, values), Summary(value=_scalars(values))):
            events.write_event(Event(wall_time=time.time(), step=0, summary=summary))
        events.flush()
    finally:
        events.close()


def _scalars(values: Mapping[str, Any]) -> list[Any]:
    return [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()]


def _plain(value: Any) -> Any:
    """Numbers, flags and text as they are; lists and None as text."""
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
