"""What empty values in the columns of a series cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.data.indicators import is_computed
from nextbar.data.splits import whole_windows
from nextbar.data.windows import WindowSpec


def lost_windows(bars: Bars, calendar: Calendar, spec: WindowSpec) -> dict[str, Any]:
    """What empty values in the source cost a series; the first bars of computed indicators are no loss.

    Returns:
        ``empty_bars``: by column that the model sees, in how many bars it is empty, where it is in any;
        ``windows_lost``: how many windows, of all spans together, are left out for that.
    """
    empty = {name: _empty(bars.columns[name], is_computed(name)) for name in spec.columns + spec.plain}
    empty = {name: empty_N for name, empty_N in empty.items() if empty_N.any()}
    if not empty:
        return {"empty_bars": {}, "windows_lost": 0}
    hole_N = calendar.hole_before(bars.time_N)
    whole, used = (
        int(whole_windows(hole_N, spec.seq_len, spec.horizon, valid_N).sum())
        for valid_N in (None, ~np.any(list(empty.values()), axis=0))
    )
    return {"empty_bars": {name: int(empty_N.sum()) for name, empty_N in empty.items()}, "windows_lost": whole - used}


def _empty(value_N: np.ndarray, computed: bool) -> np.ndarray:
    """bool (N,): NaN; of a computed column only after its first value."""
    empty_N = np.isnan(value_N)
    return empty_N & (np.cumsum(~empty_N) > 0) if computed else empty_N
