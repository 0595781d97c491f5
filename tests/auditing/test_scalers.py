"""A column that was scaled on all rows is named; one that was scaled on its training part is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from builders import make_bars, with_columns

from nextbar.auditing.scalers import scaled_on_all_rows

RAW = np.r_[np.random.default_rng(0).standard_normal(700).cumsum(), 60 + np.arange(300) / 3]
TRAINING = slice(0, 700)
SCALERS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "standardised": lambda x, on: (x - on.mean()) / on.std(),
    "standardised, ddof 1": lambda x, on: (x - on.mean()) / on.std(ddof=1),
    "least and largest": lambda x, on: (x - on.min()) / (on.max() - on.min()),
    "quartiles": lambda x, on: (x - np.median(on)) / np.subtract(*np.quantile(on, [0.75, 0.25])),
}


@pytest.mark.parametrize("digits", [3, 12])
@pytest.mark.parametrize("name", SCALERS)
def test_only_a_scaler_fitted_on_all_rows_is_named(name: str, digits: int) -> None:
    bars, scale = make_bars(n=1000), SCALERS[name]
    cut = int(bars.close_time_N[700])
    for on, found in ((RAW, 1), (RAW[TRAINING], 0)):
        leaks = list(scaled_on_all_rows("x", [with_columns(bars, x=np.round(scale(RAW, on), digits))], cut))
        assert len(leaks) == found
    (leak,) = scaled_on_all_rows("x", [with_columns(bars, x=scale(RAW, RAW))], cut)
    assert "x of made_up_1h has" in leak.text and "fit it on the bars before" in leak.text


def test_one_scaler_for_all_tickers_is_named_too() -> None:
    halves = [(RAW - RAW.mean()) / RAW.std()] * 2
    halves = [halves[0][:400], halves[1][400:]]
    series = [with_columns(make_bars(t, n=len(x), seed=1), x=x) for t, x in zip("ab", halves, strict=True)]
    (leak,) = scaled_on_all_rows("x", series, int(series[0].close_time_N[300]))
    assert "all series together" in leak.text


def test_signals_and_bounded_columns_are_no_scaled_ones() -> None:
    rng = np.random.default_rng(1)
    bars = make_bars(n=1000)
    cut = int(bars.close_time_N[700])
    for x in (rng.integers(0, 2, 1000), rng.integers(0, 30, 1000) / 29, rng.random(1000)):
        assert not list(scaled_on_all_rows("x", [with_columns(bars, x=x.astype(float))], cut))
