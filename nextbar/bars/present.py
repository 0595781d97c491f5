"""The present: bars that have not closed by it are left out, and series that end long before it are stale."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn
from nextbar.bars.dates import instant, iso
from nextbar.bars.rows_ahead import RowsAhead
from nextbar.bars.slots import DAY, HOUR
from nextbar.config.exchanges import is_exchange
from nextbar.errors import DataError
from nextbar.logger import get_logger

NOW = "now"
"""stands for the time of the clock"""

STALE_BARS = 3
"""bars that may be missing at the end, a day of holiday not counted, before the others are stale"""

RECENT = 15
"""bars that tell when those of an exchange are dated"""

_LISTED = 5


def clock() -> int:
    """The machine's clock, seconds since the epoch, UTC."""
    return int(time.time())


class Present:
    """An instant by which bars must have closed, and notes on series that go beyond it or end long before.

    Args:
        now: a date in any form, or ``"now"``, the clock's time. None: the clock's time too, but only for a series whose
            last bar opens within one step of it, before or after: others are history and have nothing to do with it.

    Raises:
        ConfigError: it is no date.
    """

    def __init__(self, now: object = None) -> None:
        by_clock = now is None or (isinstance(now, str) and now.strip().lower() == NOW)
        self.time = clock() if by_clock else instant(now)
        self.given = now is not None
        self._open: dict[str, int] = {}
        self._stale: dict[str, int] = {}
        self._unknown: dict[tuple[str, int], list[str]] = {}

    def near(self, time_N: np.ndarray, step: int) -> bool:
        """Whether it concerns bars that open at these times, int64 (N,): always, where it was given."""
        return self.given or bool((np.abs(time_N - self.time) < step).any())

    def closed(self, name: str, time_N: np.ndarray, step: int, calendar: Calendar | None = None) -> np.ndarray:
        """bool (N,): the bars of a series that have closed by it; how many have not is noted.

        Args:
            name: the series.
            time_N: opening times, int64, in any order.
            step: seconds of a bar.
            calendar: says when they close; None: one step after they open.
        """
        if not len(time_N) or not self.near(time_N.max(keepdims=True), step):
            return np.ones(len(time_N), bool)
        closed_N = (time_N + step if calendar is None else calendar.close_times(time_N)) <= self.time
        if n := int((~closed_N).sum()):
            self._open[name] = n
        return closed_N

    def closed_bars(self, bars: Bars, calendar: Calendar | None = None) -> Bars:
        """The bars that have closed by it; of the others what is no price and no amount becomes rows ahead.

        Args:
            bars: of a series.
            calendar: as for ``closed``.

        Raises:
            DataError: there is none.
        """
        closed_N = self.closed(bars.name, bars.time_N, bars.step, calendar)
        if closed_N.all():
            return bars
        if not closed_N.any():
            raise self.nothing_closed(bars.name)
        unfinished = bars.rows(~closed_N)
        ahead = RowsAhead.of(unfinished.time_N, unfinished.columns, bars.ahead)
        return replace(bars.rows(closed_N), ahead=ahead)

    def nothing_closed(self, name: str) -> DataError:
        """The error about a series of which no bar has closed."""
        return DataError(f"{name}: no bar has closed by now, {iso(self.time)}; give earlier bars, or a later now")

    def note_end(self, name: str, last: int, calendar: Calendar) -> None:
        """Note whether a series whose last bar opens at ``last`` ends long before: by the calendar, more than
        ``STALE_BARS`` bars should have followed, in a market with sessions beside those of a holiday. And whether the
        days off of its exchange cease to be known about there."""
        holiday = -(-DAY // calendar.step) if calendar.kind == "sessions" else 0
        due_N = calendar.next_times_after(np.array([last]), STALE_BARS + holiday + 1)[0]
        end, due = calendar.close_times(np.array([last, due_N[-1]])).tolist()
        if due <= self.time:
            self._stale[name] = end
        if due > calendar.known_until:
            self._unknown.setdefault((calendar.kind, int(calendar.known_until)), []).append(name)

    def tell(self, stale: bool = True) -> bool:
        """Log the notes; returns whether series were called stale.

        Args:
            stale: name stale series; False: only the bars left out.
        """
        log = get_logger()
        if self._open:
            parts = [f"{n} bar{'s' if n > 1 else ''} of {name}" for name, n in self._open.items()]
            log.info("left out, since not closed by %s: %s", iso(self.time), _listed(parts))
        for (exchange, until), names in self._unknown.items() if stale else ():
            log.warning(
                "the days on which %s is closed are known until %s: after that each usual weekday counts as open, so "
                "forecasts of %s may bear the date of a holiday; train anew with a later exchange_calendars",
                exchange,
                iso(until)[:10],
                _listed(names),
            )
        if not stale or not self._stale:
            return False
        ends = list(self._stale.items())
        parts = [f"{name} closed {iso(end)}, {_ago(self.time - end)} ago" for name, end in ends]
        log.log(
            logging.WARNING if self.given else logging.INFO,  # without now the bars may be meant to be history
            "stale at %s: the last bar of %s; forecasts are of the bars after that",
            iso(self.time),
            _listed(parts),
        )
        return True


def unfinished(series: Sequence[Bars], kind: str = "auto") -> list[str]:
    """Names of the series whose last bar has not closed by the clock, though it opens within one step of it; ``kind``
    is the calendar of the experiment."""
    present, names = Present(), []
    for bars in series:
        last_N = bars.time_N[-1:]
        is_asked = is_exchange(kind) and present.near(last_N, bars.step)
        calendar = learn(bars.time_N[-RECENT:], bars.step, kind) if is_asked else None
        if not present.closed(bars.name, last_N, bars.step, calendar).all():
            names.append(bars.name)
    return names


def _listed(parts: Sequence[str]) -> str:
    more = len(parts) - _LISTED
    return ", ".join(parts[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _ago(seconds: int) -> str:
    for unit, size in (("days", DAY), ("hours", HOUR)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds / 60:,.0f} minutes"
