"""Record of the bars that a run used: dates and digests, which later bars are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars, fingerprint
from nextbar.bars.dates import from_iso, iso

FEWEST, BLOCKS = 32, 512
"""bars of a block at least, blocks of a series at most: a record takes 10 kB or less, however long the series"""

_DIGITS = 8


@dataclass(frozen=True)
class SeriesRecord:
    """One series as it was used: its dates, a digest of all its values, and one for each block of bars."""

    ticker: str
    resolution: str
    columns: tuple[str, ...]
    """those that the run used, by the names they have in the source"""
    bars: int
    last_time: int
    """opening time of the last bar, seconds since the epoch, as all times here"""
    digest: str
    starts: tuple[int, ...]
    """opening time of the first bar of each block; a block reaches to the next one's"""
    blocks: tuple[str, ...]
    """digests of the blocks"""

    @classmethod
    def of(cls, used: Bars) -> SeriesRecord:
        """The record of bars, with the columns alone that a run uses."""
        size = max(FEWEST, -(-len(used) // BLOCKS))
        rows = range(0, len(used), size)
        return cls(
            used.ticker,
            used.resolution,
            tuple(sorted(used.columns)),
            len(used),
            int(used.time_N[-1]),
            fingerprint([used]),
            tuple(int(used.time_N[row]) for row in rows),
            tuple(_digest(used, slice(row, row + size)) for row in rows),
        )

    @property
    def name(self) -> str:
        """``<ticker>_<resolution>``."""
        return f"{self.ticker}_{self.resolution}"

    def counts(self, bars: Bars) -> tuple[int, int]:
        """How many bars there are before the recorded ones, and how many after."""
        return int((bars.time_N < self.starts[0]).sum()), int((bars.time_N > self.last_time).sum())

    def revision(self, bars: Bars) -> str:
        """How the recorded bars were revised, in words; empty where they were not."""
        lacking = [name for name in self.columns if name not in bars.columns]
        if lacking:
            return f"{self.name} has no column {', '.join(lacking)} any more"
        columns = {name: bars.columns[name] for name in self.columns}
        used = _rows(Bars(bars.ticker, bars.resolution, bars.time_N, columns), self.starts[0], self.last_time + 1)
        if len(used) == self.bars and fingerprint([used]) == self.digest:
            return ""
        ends = (*self.starts[1:], self.last_time + 1)
        changed = [
            (start, end)
            for start, end, block in zip(self.starts, ends, self.blocks, strict=True)
            if _digest(_rows(used, start, end)) != block
        ]
        count = "" if len(used) == self.bars else f", which are {len(used):,} now instead of {self.bars:,}"
        if not changed:
            return f"{self.name}: bars before {iso(self.last_time + 1)} were revised{count}"
        inside = sum(len(_rows(used, start, end)) for start, end in changed)
        (first, after_first), (_, end) = changed[0], changed[-1]
        return (
            f"{self.name}: bars were revised from {iso(first)} on, before {iso(end)}: {len(changed)} of its "
            f"{len(self.blocks)} blocks differ, {inside:,} of {self.bars:,} bars, the first of them before "
            f"{iso(after_first)}{count}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "ticker": self.ticker,
            "resolution": self.resolution,
            "columns": list(self.columns),
            "bars": self.bars,
            "first": iso(self.starts[0]),
            "last": iso(self.last_time),
            "digest": self.digest,
            "block_starts": " ".join(map(str, self.starts)),
            "blocks": "".join(self.blocks),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SeriesRecord:
        """Inverse of ``to_dict``; KeyError, TypeError or ValueError where it is not."""
        text = data["blocks"]
        return cls(
            data["ticker"],
            data["resolution"],
            tuple(data["columns"]),
            int(data["bars"]),
            from_iso(data["last"]),
            data["digest"],
            tuple(map(int, data["block_starts"].split())),
            tuple(text[at : at + _DIGITS] for at in range(0, len(text), _DIGITS)),
        )


def changes(records: Sequence[SeriesRecord], used: Sequence[Bars]) -> list[str]:
    """Differences of bars from those recorded, a sentence each."""
    differences = []
    by_name = {r.name: r for r in records}
    for bars in used:
        record = by_name.pop(bars.name, None)
        if record is None:
            differences.append(f"{bars.name} was not there")
            continue
        before, after = record.counts(bars)
        if after:
            differences.append(f"{bars.name} has grown by {after:,} bars after {iso(record.last_time)}")
        if before:
            differences.append(f"{bars.name} has {before:,} bars before {iso(record.starts[0])}")
        added = [name for name in bars.columns if name not in record.columns]
        if added:
            differences.append(f"{bars.name} has a column {', '.join(added)} now")
        if revision := record.revision(bars):
            differences.append(revision)
    return differences + [f"{name} is not there any more" for name in by_name]


def _rows(bars: Bars, begin: int, end: int) -> Bars:
    """The bars that open from ``begin`` on and before ``end``."""
    return bars.rows(slice(*np.searchsorted(bars.time_N, [begin, end])))


def _digest(bars: Bars, rows: slice = slice(None)) -> str:
    return fingerprint([bars.rows(rows)])[:_DIGITS]
