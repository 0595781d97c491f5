"""Compares bars with those that a run used: cuts off later ones, refuses revised ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.bars.record import SeriesRecord
from nextbar.errors import DataError, RunError
from nextbar.runs.records import read_bars_record

UNRECORDED = (
    "the run is of an earlier version, which kept no record of its bars: whether they are still the same cannot be told"
)


class HeldBars(NamedTuple):
    """Bars compared with a run's, and notices for the user about differences."""

    bars: list[Bars]
    notices: list[str]


def hold(run: Path, series: Sequence[Bars], *, later: bool = False, revised: bool = False) -> HeldBars:
    """The bars of a run's series, as its files hold them now, cut to those that the run used.

    Args:
        run: its folder.
        series: bars within the run's dates; series that the run did not know stay as they are.
        later: keep the bars that came after the run's last one.
        revised: take bars that were revised since, instead of refusing them.

    Raises:
        DataError: bars were revised, or are missing.
        RunError: the record is damaged.
    """
    records = read_bars_record(run)
    if records is None:
        return HeldBars(list(series), [UNRECORDED])
    by_name = {record.name: record for record in records}
    kept, grown, revisions = [], [], []
    for bars in series:
        record = by_name.get(bars.name)
        if record is None:
            kept.append(bars)
            continue
        if revision := record.revision(bars):
            revisions.append(revision)
        if after := record.counts(bars)[1]:
            grown.append(f"{after:,} bars of {bars.name} after {iso(record.last_time)}")
        kept.append(_own(bars, record, later))
    if revisions and not revised:
        lines = "\n  ".join(revisions)
        raise DataError(
            f"the bars are not those that {run} was trained and scored on:\n  {lines}\nRestore them, give the bars "
            "themselves, or score the run on what they are now (revised=True, --revised)"
        )
    notices = [f"scored on revised bars: {'; '.join(revisions)}"] if revisions else []
    if grown and not later:
        later_bars = ", ".join(grown)
        notices.append(f"left out, since they came after the run: {later_bars} (evaluate scores them: new=True, --new)")
    return HeldBars(kept, notices)


def ends(runs: Sequence[Path], series: Sequence[Bars]) -> list[int]:
    """When the last bar that runs used of each series opened, seconds since the epoch; of a series that they did not
    know, the latest of all.

    Raises:
        RunError: a run has no record of its bars.
    """
    last: dict[str, int] = {}
    for run in runs:
        records = read_bars_record(run)
        if records is None:
            raise RunError(f"{run}: {UNRECORDED}, nor where they end. Give later bars alone, without new")
        for record in records:
            last[record.name] = max(record.last_time, last.get(record.name, record.last_time))
    return [last.get(bars.name, max(last.values())) for bars in series]


def _own(bars: Bars, record: SeriesRecord, later: bool) -> Bars:
    """The bars from the recorded first one on, where indicators begin; to the recorded last one, or ``later``."""
    begin = record.starts[0] + bars.step - 1
    return bars.between(begin, None if later else record.last_time + bars.step)
