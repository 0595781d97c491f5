from __future__ import annotations

import numpy as np
import pytest
from builders import make_bars

from nextbar.bars.calendar import Calendar
from nextbar.data.range_har.ranges import lags_of, log_means, range_variances
from nextbar.resolution import seconds


@pytest.mark.parametrize(
    ("resolution", "lags"),
    [
        ("5m", (1, 72, 288, 2016)),
        ("15m", (1, 24, 96, 672)),
        ("30m", (1, 12, 48, 336)),
        ("1h", (1, 6, 24, 168)),
        ("4h", (1, 6, 42)),
        ("7h", (1, 3, 21)),
        ("1d", (1, 5, 22)),
        ("1w", (1, 5, 22)),
    ],
)
def test_lags_of_a_market_that_never_closes(resolution: str, lags: tuple[int, ...]) -> None:
    assert lags_of(Calendar.always(seconds(resolution))) == lags


def test_a_week_of_a_market_that_closes_at_night_has_five_days() -> None:
    hours = [day * 24 + hour for day in range(5) for hour in range(9, 16)]
    assert lags_of(Calendar("sessions", 3600, 0, tuple(hours), "America/New_York")) == (1, 7, 35)


def test_a_week_of_a_market_that_closes_at_weekends_alone_has_seven_days() -> None:
    hours = [h % 168 for h in range(-7, 113)]  # Sunday 17:00 to Friday 17:00
    assert lags_of(Calendar("sessions", 3600, 0, tuple(sorted(hours)), "America/New_York")) == (1, 6, 24, 168)


def test_variances_are_garman_and_klass_and_the_gap() -> None:
    b = make_bars(n=50)
    open_, high, low, close = (b.columns[name] for name in ("open", "high", "low", "close"))
    expected = [
        (np.log(open_[i] / close[i - 1]) ** 2 if i else 0.0)
        + 0.5 * np.log(high[i] / low[i]) ** 2
        - (2 * np.log(2) - 1) * np.log(close[i] / open_[i]) ** 2
        for i in range(50)
    ]
    np.testing.assert_allclose(range_variances(b.columns), expected, rtol=1e-12)


def test_a_range_of_brownian_motion_has_its_variance_on_average() -> None:
    """Garman and Klass 1980: unbiased for a driftless Brownian motion, seen without gaps."""
    steps = np.random.default_rng(3).normal(0, 0.01 / np.sqrt(2000), (2000, 2000))
    path = np.cumsum(steps, axis=1)
    high, low = np.maximum(path.max(axis=1), 0), np.minimum(path.min(axis=1), 0)
    columns = {name: np.exp(x) for name, x in zip(
        ("open", "high", "low", "close"), (np.zeros(2000), high, low, path[:, -1]), strict=True
    )}  # fmt: skip
    bars = [range_variances({name: x[i : i + 1] for name, x in columns.items()})[0] for i in range(2000)]
    assert np.mean(bars) == pytest.approx(1e-4, rel=0.06)  # 2000 steps see a little less than the whole range


def test_means_are_over_the_last_bars_or_those_there_are() -> None:
    variance = np.random.default_rng(0).exponential(size=30)
    result = log_means(variance, (1, 4, 9), 1e-3)
    raised = np.maximum(variance, 1e-3)
    for i in range(30):
        for k, lag in enumerate((1, 4, 9)):
            assert result[i, k] == pytest.approx(np.log(np.mean(raised[max(0, i + 1 - lag) : i + 1])), abs=1e-6)


def test_means_do_not_depend_on_where_a_series_begins() -> None:
    """Also where sums have passed the largest whole number, and after a bar a million times as wide."""
    variance = np.random.default_rng(0).exponential(size=20_000)
    variance[50] = 1e6
    whole = log_means(variance, (1, 6, 42, 2016), 1e-3)
    assert np.isfinite(whole).all()
    for begin in (40, 100, 7000, 17_000):
        np.testing.assert_array_equal(log_means(variance[begin:], (1, 6, 42, 2016), 1e-3)[2015:], whole[begin + 2015 :])
