"""How many bars a market has in a year, for annual figures."""

from __future__ import annotations

import numpy as np

from nextbar.bars.calendar import Calendar


def bars_per_year(time_N: np.ndarray, calendar: Calendar) -> float:
    """Bars of a mean year of a series: its calendar's open slots, times the share of them that it had a bar in.

    So nights and weekends are left out by the template, and holidays and missing bars by what there was of them. It
    takes no more than a few weeks of bars, where counting from the first to the last would err by a weekend.

    Args:
        time_N: opening times of the bars that count, seconds since the epoch; at least one.
        calendar: learnt from them.
    """
    expected = int(calendar.open_between(time_N[:1], time_N[-1:] + calendar.step)[0])
    return calendar.slots_a_year * len(time_N) / max(expected, 1)
