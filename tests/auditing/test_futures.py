"""Other futures: everything before the cut as it was, everything after it otherwise, and bars that are bars."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_bars, with_columns

from nextbar.auditing.futures import FUTURES

BARS = with_columns(make_bars(n=100, trades=True), x=np.r_[[np.nan] * 5, np.arange(95.0)])
CUT = int(BARS.close_time_N[60])


@pytest.mark.parametrize("kind", FUTURES)
def test_only_what_closes_from_the_cut_on_is_another(kind: str) -> None:
    other = FUTURES[kind](BARS, CUT, np.random.default_rng(0))
    assert len(other) == (60 if kind == "remove" else 100)
    for name, value_N in other.columns.items():
        np.testing.assert_array_equal(value_N[:60], BARS.columns[name][:60])
        assert not (value_N[60:] == BARS.columns[name][60 : len(other)]).any()
    low_N, high_N = other.columns["low"], other.columns["high"]
    for name in ("open", "close"):
        assert (low_N <= other.columns[name]).all() and (other.columns[name] <= high_N).all()
    assert (low_N > 0).all()
