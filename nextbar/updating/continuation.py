"""Compares new bars with those that the log knows: takes up later ones, names revised ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.bars.record import SeriesRecord
from nextbar.errors import DataError, RunError
from nextbar.logger import get_logger
from nextbar.runs.bars import UNRECORDED
from nextbar.runs.records import read_bars_record
from nextbar.updating.kept_log import KeptLog
from nextbar.updating.known_bars import KnownBars, plain_bars, revision_of, used_columns


def take_up(log: KeptLog, run_dir: Path, series: Sequence[Bars], revised: bool) -> list[str]:
    """Add what is new of some series to the log, all or nothing.

    Args:
        log: of the run.
        run_dir: folder of the run.
        series: bars that have closed.
        revised: take bars that were revised since, instead of refusing them.

    Returns:
        How bars were revised, a sentence each.

    Raises:
        DataError: bars were revised, lack a column, or begin after the last known one or end before it.
        RunError: the run is of a version that kept no record of its bars.
    """
    records = read_bars_record(run_dir)
    if records is None:
        raise RunError(f"{run_dir}: {UNRECORDED}, nor where they end. Refit it, and update the refit")
    lines: list[dict[str, object]] = []
    sentences: list[str] = []
    for bars in series:
        known = log.state.known.get(bars.name)
        if known is None:
            line = _first_line(bars, records)
            lines.append(line)
            known = KnownBars.of_line(line)
        own = used_columns(bars, list(known.later.columns))
        if lacking := [name for name in known.later.columns if name not in own.columns]:
            raise DataError(f"{bars.name} has no column {', '.join(lacking)} any more")
        _require_contact(known, own)
        if revision := revision_of(known, own):
            sentences += revision.sentences
            lines.append({"kind": "revision"} | revision.to_dict())
        lines += _new_bars(known, own)
    if sentences and not revised:
        listing = "\n  ".join(sentences)
        raise DataError(
            f"the bars are not those that {run_dir} and its log know:\n  {listing}\nRestore them, or go on with them "
            "as they are now (revised=True, --revised); forecasts and scores that were made stay as they are"
        )
    for sentence in sentences:
        get_logger().warning("revised: %s", sentence)
    log.add(lines)
    return sentences


def _first_line(bars: Bars, records: Sequence[SeriesRecord]) -> dict[str, object]:
    """The line about a series that the log does not know yet; bars up to the run's end are kept as a record alone."""
    own = next((record for record in records if record.name == bars.name), None)
    columns = own.columns if own else [name for name in records[0].columns if name in bars.columns]
    if own is None:
        end = max(record.last_time for record in records)
        earlier = bars.first(int((bars.time_N <= end).sum()))
        own = SeriesRecord.of(used_columns(earlier, list(columns))) if len(earlier) else None
    return {
        "kind": "series",
        "ticker": bars.ticker,
        "resolution": bars.resolution,
        "columns": list(columns),
        "record": own.to_dict() if own else None,
    }


def _require_contact(known: KnownBars, bars: Bars) -> None:
    """Refuse bars that begin after the last known one, since what lies between would be missing for ever, and bars
    that end before it, as an older file does."""
    last = known.last_time
    if last is not None and int(bars.time_N[-1]) < last:
        raise DataError(
            f"{bars.name}: the bars end at {iso(int(bars.time_N[-1]))}, and those that are known at {iso(last)}; is it "
            "an older file?"
        )
    if last is not None and int(bars.time_N[0]) > last:
        raise DataError(
            f"{bars.name}: the bars begin at {iso(int(bars.time_N[0]))}, and those that are known end at {iso(last)}; "
            "give bars that reach back to there"
        )


def _new_bars(known: KnownBars, bars: Bars) -> list[dict[str, object]]:
    """The line with the bars after the last known one, if there are any."""
    last = known.last_time
    n = len(bars) if last is None else int((bars.time_N > last).sum())
    return [{"kind": "bars", "series": bars.name} | plain_bars(bars.last(n))] if n else []
