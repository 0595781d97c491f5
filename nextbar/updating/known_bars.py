"""The bars of a series that a log knows: a record of those of the run, and the values of all that came since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.dates import from_iso, iso
from nextbar.bars.record import SeriesRecord
from nextbar.errors import DataError, listed

NAMED = 5
"""revised bars that are named one by one"""


def plain_bars(bars: Bars) -> dict[str, Any]:
    """Times and columns of bars in plain values; None for what is empty."""
    columns = {name: [None if v != v else v for v in values.tolist()] for name, values in bars.columns.items()}
    return {"time": [iso(time) for time in bars.time_N], "columns": columns}


class KnownBars:
    """One series as the log knows it.

    Args:
        record: of the bars up to the end of the run; None: it had none by then.
        later: those after it.
    """

    def __init__(self, record: SeriesRecord | None, later: Bars) -> None:
        self.record = record
        self._parts = [later]  # put together when they are asked for, since a long log has thousands

    @classmethod
    def of_line(cls, line: Mapping[str, Any]) -> KnownBars:
        """What the first line about a series says."""
        record = line["record"] and SeriesRecord.from_dict(line["record"])
        columns = {name: np.empty(0) for name in line["columns"]}
        return cls(record, Bars(line["ticker"], line["resolution"], np.empty(0, np.int64), columns))

    @property
    def later(self) -> Bars:
        """The bars after those of the record."""
        if len(self._parts) > 1:
            self._parts = [_joined(self._parts)]
        return self._parts[0]

    @property
    def last_time(self) -> int | None:
        """When the last known bar opens, seconds since the epoch."""
        last = next((part for part in reversed(self._parts) if len(part)), None)
        if last is not None:
            return int(last.time_N[-1])
        return self.record.last_time if self.record else None

    def add(self, line: Mapping[str, Any]) -> None:
        """Take in the bars of a line that come after those that are known."""
        self._parts.append(self._bars_of(line))

    def revise(self, line: Mapping[str, Any]) -> None:
        """Take in a revision: its bars replace those of the same time, others are taken away."""
        bars, own = self._bars_of(line), self.later
        gone = np.array([from_iso(text) for text in line["removed"]], np.int64)
        kept = own.rows(~np.isin(own.time_N, np.concatenate([bars.time_N, gone])))
        joined = _joined([kept, bars])
        self._parts = [joined.rows(np.argsort(joined.time_N))]
        if line["record"]:
            self.record = SeriesRecord.from_dict(line["record"])

    def _bars_of(self, line: Mapping[str, Any]) -> Bars:
        own = self._parts[0]
        columns = {name: np.array(line["columns"][name], np.float64) for name in own.columns}
        return replace(own, time_N=np.array([from_iso(text) for text in line["time"]], np.int64), columns=columns)


def _joined(parts: Sequence[Bars]) -> Bars:
    """Bars of one series end to end."""
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    return replace(parts[0], time_N=np.concatenate([part.time_N for part in parts]), columns=columns)


@dataclass(frozen=True)
class Revision:
    """How bars differ from those that the log knows."""

    sentences: tuple[str, ...]
    """one for each bar and column, of many the first"""
    record: SeriesRecord | None
    """of the run's bars as they are now, where these differ"""
    removed: tuple[int, ...]
    """opening times of bars that are not there any more"""
    changed: Bars
    """bars that hold other values, or are new among the old ones"""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a line of the log."""
        return {
            "series": self.changed.name,
            "said": list(self.sentences),
            "record": self.record.to_dict() if self.record else None,
            "removed": [iso(time) for time in self.removed],
            **plain_bars(self.changed),
        }


def used_columns(bars: Bars, names: Sequence[str]) -> Bars:
    """The bars with the columns of the run alone, as far as they are there."""
    return replace(bars, columns={name: bars.columns[name] for name in names if name in bars.columns}, notices=())


def revision_of(known: KnownBars, bars: Bars) -> Revision | None:
    """How bars were revised since the log took them up; None: they were not.

    Only the stretch that both have is compared: a file may begin later than the log does. Of the run's own bars there
    is a digest for each block, so that of a revision among them the dates can be told and not the values.

    Args:
        known: what the log knows.
        bars: the same series now, with the columns of the log.
    """
    first = int(bars.time_N[0])
    sentences: list[str] = []
    record = _revised_record(known.record, bars, first, sentences)
    own = known.later
    own_N = (own.time_N >= first) if len(own) else np.zeros(0, bool)
    end = int(own.time_N[-1]) if len(own) else (known.record.last_time if known.record else first - 1)
    begin = known.record.last_time if known.record else first - 1
    now_N = (bars.time_N <= end) & (bars.time_N > begin)
    before = dict(zip(own.time_N[own_N].tolist(), np.flatnonzero(own_N), strict=True))
    now = dict(zip(bars.time_N[now_N].tolist(), np.flatnonzero(now_N), strict=True))
    removed = [time for time in before if time not in now]
    sentences += [f"{bars.name}: the bar of {iso(time)} is not there any more" for time in removed]
    changed = []
    for time, row in now.items():
        if time not in before:
            sentences.append(f"{bars.name}: a bar of {iso(time)} is there now, which was not")
            changed.append(row)
        elif sentence := _difference(own, before[time], bars, row):
            sentences.append(f"{bars.name}: {sentence} in the bar of {iso(time)}")
            changed.append(row)
    if not sentences:
        return None
    text = tuple(
        sentences if len(sentences) <= NAMED else [*sentences[:NAMED], f"{bars.name}: {len(sentences) - NAMED:,} more"]
    )
    return Revision(text, record, tuple(removed), bars.rows(np.array(changed, np.int64)))


def _revised_record(record: SeriesRecord | None, bars: Bars, first: int, sentences: list[str]) -> SeriesRecord | None:
    """The record of the run's bars as they are now, where they differ from it; None where they do not, or where the
    bars begin after the run's first.

    Raises:
        DataError: none of these bars is there any more.
    """
    if record is None or first > record.starts[0]:
        return None
    text = record.revision(bars)
    if not text:
        return None
    sentences.append(text)
    now_N = (bars.time_N >= record.starts[0]) & (bars.time_N <= record.last_time)
    if not now_N.any():
        raise DataError(f"{bars.name}: none of the bars that the run was trained and scored on is there any more")
    return SeriesRecord.of(bars.rows(now_N))


def _difference(own: Bars, own_row: int, bars: Bars, row: int) -> str:
    """What differs between two bars, such as ``close was 101.5 and is 101.25 (-0.25 %)``; empty where nothing does."""
    parts = []
    for name, values in own.columns.items():
        was, now = float(values[own_row]), float(bars.columns[name][row])
        if was != now and not (was != was and now != now):
            share = f" ({100 * (now / was - 1):+.2f} %)" if was > 0 and np.isfinite(now) else ""
            parts.append(f"{name} was {was:.10g} and is {now:.10g}{share}")
    return listed(parts)
