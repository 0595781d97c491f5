"""Calendars of several series: learnt from their dates, or those of an exchange that was named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nextbar.bars.calendar import Calendar
from nextbar.bars.exchange import ExchangeCalendar
from nextbar.bars.exchange_grid import fit_grid
from nextbar.bars.sessions import sessions_of
from nextbar.bars.weekly_template import learn_template
from nextbar.bars.zone import UTC
from nextbar.config.exchanges import is_exchange, require_calendar
from nextbar.errors import DataError


def learn(time_N: np.ndarray, step: int, kind: str = "auto", timezone: str = "auto") -> Calendar:
    """The calendar of one series, by the opening times of its bars (int64, ascending).

    Args:
        time_N: of a training span.
        step: seconds of a bar.
        kind: ``auto``, ``24/7``, ``sessions`` or the name of an exchange.
        timezone: of the market's hours, or ``auto``.

    Raises:
        ConfigError: as ``learn_template`` and ``fit_grid``; no such exchange, or its sessions cannot be
            had.
        DataError: no bars.
    """
    (calendar,) = learn_together([time_N], [step], kind, timezone)
    if calendar is None:
        raise DataError("no bars to learn a calendar from")
    return calendar


def learn_together(
    time_SN: Sequence[np.ndarray],
    steps: Sequence[int],
    kind: str = "auto",
    timezone: str = "auto",
    until: int | None = None,
) -> list[Calendar | None]:
    """The calendar of each of S series, learnt from its own dates; None for a series without any.

    With ``timezone="auto"`` a series whose dates fit UTC as well as the zone that others have takes that one: it may be
    too young to have seen its clocks change, and a model that is trained on all of them should know one clock. Of an
    exchange all have the same sessions, which are listed for ten years from ``until`` on, the last bar that there is;
    None: from the last one given.

    Raises:
        ConfigError: as ``learn``.
    """
    series = list(zip(time_SN, steps, strict=True))
    require_calendar(kind)
    if is_exchange(kind):
        return _of_exchange(series, kind, timezone, until)
    learnt = [learn_template(time_N, step, kind, timezone) if len(time_N) else None for time_N, step in series]
    shared = shared_zone([calendar for calendar in learnt if calendar])
    if timezone != "auto" or shared == UTC:
        return learnt
    return [
        learn_template(time_N, step, kind, usual=shared) if calendar and calendar.timezone == UTC else calendar
        for (time_N, step), calendar in zip(series, learnt, strict=True)
    ]


def learn_beside(time_N: np.ndarray, step: int, kind: str, timezone: str, trained: Sequence[Calendar]) -> Calendar:
    """The calendar of a series that is forecast by a model of others: in their time zone where its dates do not tell,
    and of an exchange with the sessions that were saved with them.

    Raises:
        ConfigError: as ``learn``.
        DataError: bars before the first session that was saved.
    """
    saved = next((other.sessions for other in trained if isinstance(other, ExchangeCalendar)), None)
    if is_exchange(kind) and saved is not None:
        return fit_grid(saved, time_N, step, timezone)
    if is_exchange(kind):
        return learn(time_N, step, kind, timezone)
    return learn_template(time_N, step, kind, timezone, shared_zone(trained))


def shared_zone(calendars: Sequence[Calendar]) -> str:
    """The zone other than UTC that most of these have, of several the first; UTC where none has another."""
    others = Counter(calendar.timezone for calendar in calendars if calendar.timezone != UTC)
    return others.most_common(1)[0][0] if others else UTC


def calendar_from(plain: Mapping[str, Any]) -> Calendar:
    """Inverse of ``Calendar.to_dict``, of either kind."""
    return ExchangeCalendar.from_dict(plain) if "sessions" in plain else Calendar.from_dict(dict(plain))


def _of_exchange(
    series: Sequence[tuple[np.ndarray, int]], kind: str, timezone: str, until: int | None
) -> list[Calendar | None]:
    spans = [(int(time_N[0]), int(time_N[-1])) for time_N, _ in series if len(time_N)]
    if not spans:
        return [None] * len(series)
    last = max(last for _, last in spans)
    sessions = sessions_of(kind, min(first for first, _ in spans), max(last, until or last))
    return [fit_grid(sessions, time_N, step, timezone) if len(time_N) else None for time_N, step in series]
