"""Bars of a short resolution made into bars of a longer one: whole bars only, never one that is not over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn
from nextbar.bars.columns import AMOUNTS, PRICES, plain
from nextbar.bars.dates import iso
from nextbar.bars.folder import list_series
from nextbar.bars.importing import ImportOptions, read_files, zone_called
from nextbar.bars.longer_bars import AGGREGATES, OF_BARS, LongerBars
from nextbar.bars.present import Present
from nextbar.bars.slots import least_gap
from nextbar.bars.writing import write_series
from nextbar.errors import ConfigError, DataError, listed
from nextbar.resolution import ALLOWED, is_resolution, seconds, span


@dataclass(frozen=True)
class ResampleOptions:
    """The longer bars to make, and the bars to make them of."""

    resolution: str
    """of the longer bars, a multiple of that of the others"""
    source: str | None = None
    """resolution of the bars given; None: by file or folder"""
    tickers: tuple[str, ...] | None = None
    """None: all"""
    calendar: str = "auto"
    """as in ``DatasetConfig``, like the next"""
    timezone: str = "auto"
    """whose midnight days begin at, and on whose clock bars of hours lie"""
    offset: str | None = None
    """a length, such as 30m: bars begin so much later than midnight, or the full hour; None: not"""
    columns: Mapping[str, str] = field(default_factory=dict)
    """name of an own column -> a name in ``AGGREGATES``; of others the last value"""
    missing: float = 0.0
    """share of its open slots that a bar may lack, below 1"""


@dataclass
class Resampled:
    """One series as written: its file, its rows, and notices of what was left out."""

    path: Path
    rows: int
    notices: list[str]


def resample_files(
    sources: Sequence[str | Path], to: str | Path, options: ResampleOptions, *, overwrite: bool = False
) -> list[Resampled]:
    """Write ``<to>/<resolution>/<ticker>_<resolution>.csv`` for each series in files, of any layout, and folders.

    Raises:
        ConfigError: an option that cannot mean anything.
        DataError: bars that cannot be read or made into longer ones; a file is there with other content, and
            ``overwrite`` is False.
    """
    length = seconds(options.resolution)
    if options.timezone != "auto":
        zone_called(options.timezone)
    if options.source is not None and seconds(options.source) >= length:
        raise ConfigError(
            f"resolution: found {options.resolution!r}, should be longer than {options.source}, the source's"
        )
    read = read_files(_files(sources, options), ImportOptions(resolution=options.source))
    chosen = [(b, lines) for b, lines in read if options.tickers is None or b.ticker in options.tickers]
    existing = sorted({b.ticker for b, _ in read})
    if absent := [ticker for ticker in options.tickers or () if ticker not in existing]:
        raise DataError(f"no ticker {listed(absent)}; there are {listed(existing)}")
    made = []
    for bars, lines in chosen:
        longer, notices = resample(bars, options)
        made.append((longer, lines + notices))
    if len({b.ticker for b, _ in made}) < len(made):
        raise DataError(
            f"bars of several resolutions of one ticker: {listed(b.name for b, _ in chosen)}; name one (--from)"
        )
    paths = write_series([bars for bars, _ in made], to, overwrite)
    return [Resampled(path, len(bars), lines) for path, (bars, lines) in zip(paths, made, strict=True)]


def resample(bars: Bars, options: ResampleOptions) -> tuple[Bars, list[str]]:
    """The longer bars of a series, and lines about what was left out.

    A bar is whole where every slot of it, in which the market is open, has a bar. When that is, the dates tell, as in a
    training: nights, weekends, holidays, late openings and early closes lack nothing. The first bar is left out where
    its beginning is not there, the last where it is not over: by the slots that are still to come, and by the clock of
    the machine. Open is the first, high the highest, low the lowest and close the last price; volume and trades add up,
    and are empty where one of them is; of own columns the last value stands, or what ``columns`` says.

    Raises:
        ConfigError: an option that cannot mean anything.
        DataError: no bar is whole, or the bars do not fit into longer ones.
    """
    aggregates = _aggregates(bars, options)
    length = _length(bars, options)
    notices = [] if bars.ahead is None else [f"{len(bars.ahead)} rows ahead left out: rows without prices are no bars"]
    present = Present("now")
    closed = present.closed_bars(bars)
    calendar = learn(closed.time_N, bars.step, options.calendar, options.timezone)
    longer = LongerBars.of(closed.time_N, bars.step, calendar, length, _offset(options))
    _require_fit(closed, longer, options)
    begin_M, end_M, lacking_M = longer.begin_M, longer.end_M, longer.lacking_M
    whole_M = lacking_M <= options.missing * (lacking_M + longer.count_M)
    over_M = end_M <= present.time
    over_M[-1] &= not calendar.open_between(closed.time_N[-1:] + bars.step, end_M[-1:])[0]
    kept_M = whole_M & over_M
    where = f"on the clock of {calendar.timezone}, market open {'always' if calendar.kind == '24/7' else 'in sessions'}"
    notices.append(
        f"{len(closed):,} bars of {bars.resolution} made {int(kept_M.sum()):,} of {options.resolution}, {where}"
    )
    if n := int((~whole_M & over_M).sum()):
        at = begin_M[np.argmax(~whole_M & over_M)]
        notices.append(f"{n:,} left out that are not whole, first that of {iso(int(at))}")
    if not over_M.all():
        notices.append(f"left out, since not over: that of {iso(int(begin_M[np.argmin(over_M)]))}")
    if not kept_M.any():
        raise DataError(
            f"{bars.name}: no bar of {options.resolution} is whole, of {len(kept_M):,}; {'; '.join(notices[-2:])}: use "
            "more bars, or allow a share to be missing (--missing)"
        )
    columns = {
        name: longer.aggregated(values, aggregates[name], whole=name in AMOUNTS)[kept_M]
        for name, values in closed.columns.items()
    }
    resampled = Bars(bars.ticker, options.resolution, begin_M[kept_M], columns)
    _require_length(resampled, calendar)
    return resampled, notices


def _files(sources: Sequence[str | Path], options: ResampleOptions) -> list[Path]:
    """The files given, and those of the folders given that may be meant."""
    files: list[Path] = []
    for source in map(Path, sources):
        if not source.is_dir():
            files.append(source)
            continue
        series = list_series(source)
        usual = sorted({resolution for resolution, _, _ in series}, key=seconds)
        shorter = [r for r in usual if seconds(r) < seconds(options.resolution)]
        if options.source is None and len(shorter) > 1:
            raise DataError(f"{source}: bars of {listed(shorter)}; name the resolution to start from (--from)")
        interval = options.source or (shorter[0] if shorter else None)
        paths = [path for resolution, _, path in series if resolution == interval]
        if not paths:
            sought = interval or f"less than {options.resolution}"
            raise DataError(f"{source}: no bars of {sought}; there are {listed(usual) or 'none'}")
        files += paths
    return files


def _aggregates(bars: Bars, options: ResampleOptions) -> dict[str, str]:
    """How each column is aggregated, by name."""
    own = {plain(name): how for name, how in options.columns.items()}
    for name, how in own.items():
        if how not in AGGREGATES:
            raise ConfigError(f"column {name}: found {how!r}, should be one of {', '.join(AGGREGATES)}")
        if name in (*PRICES, *AMOUNTS):
            raise ConfigError(f"column {name}: is a bar's own, whose value follows from what it is; name own columns")
        if name not in bars.columns:
            others = [column for column in bars.columns if column not in OF_BARS]
            raise DataError(f"{bars.name}: no column {name!r}; own columns are {listed(others) or 'none'}")
    return {name: OF_BARS.get(name, own.get(name, "last")) for name in bars.columns}


def _length(bars: Bars, options: ResampleOptions) -> int:
    """Seconds of a longer bar."""
    length = seconds(options.resolution)
    if length <= bars.step or length % bars.step:
        raise ConfigError(
            f"resolution: found {options.resolution!r} for bars of {bars.resolution} ({bars.name}), should be a "
            "multiple of their length, and longer"
        )
    if not 0 <= options.missing < 1:
        raise ConfigError(f"missing: found {options.missing}, should be a share, at least 0 and below 1")
    return length


def _offset(options: ResampleOptions) -> int:
    """Seconds after midnight, or the full hour, at which bars begin."""
    if options.offset is None:
        return 0
    if not is_resolution(options.offset):
        raise ConfigError(f"offset: found {options.offset!r}, should be {ALLOWED}")
    return seconds(options.offset)


def _require_fit(bars: Bars, longer: LongerBars, options: ResampleOptions) -> None:
    """Refuse bars that reach from one longer bar into the next."""
    end_N = np.repeat(longer.end_M, longer.count_M)
    astray_N = end_N < bars.close_time_N
    if not astray_N.any():
        return
    at = int(np.argmax(astray_N))
    over = int(bars.close_time_N[at] - end_N[at])
    raise DataError(
        f"{bars.name}: {int(astray_N.sum()):,} of {len(bars):,} bars reach from one bar of {options.resolution} into "
        f"the next, first that of {iso(int(bars.time_N[at]))}; begin the longer ones later (--offset {span(over)}), or "
        "on another clock (--timezone)"
    )


def _require_length(bars: Bars, calendar: Calendar) -> None:
    """Refuse bars that a change of the clock makes too short to be read again."""
    short_N = np.diff(bars.time_N) < least_gap(bars.step)
    if short_N.any():
        raise DataError(
            f"{bars.name}: where the clock of {calendar.timezone} is changed bars are too short, first that of "
            f"{iso(int(bars.time_N[np.argmax(short_N)]))}; let them keep UTC (--timezone UTC)"
        )
