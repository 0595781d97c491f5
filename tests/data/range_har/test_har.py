from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders import make_bars, with_columns
from scipy import stats

from nextbar.bars.bars import Bars, load_bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.weekly_template import learn_template
from nextbar.data.range_har import RangeHar, fit_range_har


def _fit(bars: Bars, n_train: int, horizon: int = 1, tail: str = "student_t") -> tuple[RangeHar, Calendar]:
    calendar = learn_template(bars.time_N[:n_train], bars.step)
    (fit,), _ = fit_range_har([bars], [n_train], [calendar], horizon, tail)
    assert fit is not None
    return fit, calendar


def _clustered(n: int, seed: int = 0, resolution: str = "4h") -> Bars:
    """Bars whose volatility comes and goes."""
    rng = np.random.default_rng(seed)
    level = np.zeros(n)
    for i in range(1, n):
        level[i] = 0.97 * level[i - 1] + 0.2 * rng.standard_normal()
    steps = 0.01 / np.sqrt(20) * np.exp(level)[:, None] * rng.standard_normal((n, 20))
    path = np.cumsum(steps, axis=1)
    close = np.cumsum(path[:, -1])
    begin = np.r_[0.0, close[:-1]]
    columns = {
        "open": begin,
        "high": begin + np.maximum(path.max(axis=1), 0),
        "low": begin + np.minimum(path.min(axis=1), 0),
        "close": close,
    }
    return with_columns(
        make_bars("clustered", resolution, n=n, volume=False), **{k: 100 * np.exp(v) for k, v in columns.items()}
    )


@pytest.mark.parametrize(
    ("ticker", "resolution", "nll"),
    [
        ("spx", "1d", 0.9872),
        ("nasdaq_comp", "1d", 1.2509),
        ("btc_usd", "1d", 2.2337),
        ("btc_usdt", "4h", 1.1330),
        ("eth_usdt", "4h", 1.6925),
        ("sol_usdt", "4h", 1.8869),
        pytest.param("btc_usdt", "1h", 0.3906, marks=pytest.mark.slow),
        pytest.param("eth_usdt", "1h", 0.9446, marks=pytest.mark.slow),
        pytest.param("btc_usdt", "30m", 0.0269, marks=pytest.mark.slow),
        pytest.param("eur_usd", "1h", -1.1857, marks=pytest.mark.slow),
    ],
)
def test_it_scores_what_an_independent_program_scored(
    shared_data: Path, ticker: str, resolution: str, nll: float
) -> None:
    """NLL of the percent log return on the last 15 % of the bars, by a program of its own."""
    (bars,) = load_bars(shared_data, [ticker], [resolution])
    n_train = int(0.85 * len(bars))
    fit, calendar = _fit(bars, n_train)
    law = fit.law(bars, calendar)
    percent = 100 * np.diff(np.log(bars.columns["close"]))[n_train - 1 :]
    origins = slice(n_train - 1, -1)
    df = law.df_H[0]
    scale = 100 * np.exp(law.log_scale_NH[origins, 0]) * np.sqrt((df - 2) / df)
    scores = -stats.t.logpdf(percent, df, 100 * law.location_NH[origins, 0], scale)
    assert scores.mean() == pytest.approx(nll, abs=0.002)


@pytest.mark.parametrize("horizon", [1, 3])
def test_it_tells_a_quiet_time_from_a_wild_one(horizon: int) -> None:
    bars = _clustered(3000)
    fit, calendar = _fit(bars, 2000, horizon, "normal")
    scale = np.exp(fit.law(bars, calendar).log_scale_NH)
    for h in range(1, horizon + 1):
        move = np.log(bars.columns["close"][2000 + h :] / bars.columns["close"][2000:-h])
        z = move / scale[2000 : len(bars) - h, h - 1]
        assert np.std(z) == pytest.approx(1, abs=0.15)
        assert np.corrcoef(np.abs(move), scale[2000 : len(bars) - h, h - 1])[0, 1] > 0.4


def test_nothing_depends_on_a_later_bar() -> None:
    bars = _clustered(900)
    changed = with_columns(bars, **{k: np.where(np.arange(900) > 700, 3 * v, v) for k, v in bars.columns.items()})
    (fit, calendar), (again, _) = _fit(bars, 600, 2), _fit(changed, 600, 2)
    assert fit.to_dict() == again.to_dict()
    for mine, other in zip(fit.law(bars, calendar), again.law(changed, calendar), strict=True):
        np.testing.assert_array_equal(mine[:701], other[:701])
    shared = fit_range_har([bars], [600], [calendar], 1, "normal")[1]["4h"]
    np.testing.assert_array_equal(
        shared.law(bars, calendar).log_scale_NH[:701], shared.law(changed, calendar).log_scale_NH[:701]
    )


def test_the_unit_of_the_price_is_no_matter() -> None:
    bars = _clustered(900)
    dear = with_columns(bars, **{k: 1000 * v for k, v in bars.columns.items()})
    (fit, calendar), (again, _) = _fit(bars, 600), _fit(dear, 600)
    np.testing.assert_allclose(fit.law(bars, calendar).log_scale_NH, again.law(dear, calendar).log_scale_NH, rtol=1e-6)


@pytest.mark.parametrize("tail", ["student_t", "skew_t"])
def test_it_survives_a_file(tail: str) -> None:
    bars = _clustered(900, resolution="1h")
    fit, calendar = _fit(bars, 600, 2, tail)
    plain = json.loads(json.dumps(fit.to_dict()))
    again = RangeHar.from_dict(plain)
    assert (len(fit.law(bars, calendar).skew_H) == 2) == (tail == "skew_t")
    if tail == "student_t":  # runs of before did not save the skewness
        again = RangeHar.from_dict(plain | {"laws": [{k: law[k] for k in law if k != "skew"} for law in plain["laws"]]})
    for mine, other in zip(fit.law(bars, calendar), again.law(bars, calendar), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_the_pooled_one_of_one_series_is_nearly_its_own() -> None:
    bars = _clustered(3000)
    calendar = learn_template(bars.time_N, bars.step)
    (fit,), pooled = fit_range_har([bars], [2000], [calendar], 1, "student_t")
    assert fit is not None
    assert pooled["4h"].laws == fit.laws
    own, shared = fit.law(bars, calendar).log_scale_NH[500:], pooled["4h"].law(bars, calendar).log_scale_NH[500:]
    assert np.median(np.abs(own - shared)) < 0.01  # the unit alone differs


def test_the_pooled_one_lies_between_those_of_its_series() -> None:
    series = [_clustered(1500, seed) for seed in range(3)]
    calendar = Calendar.always(series[0].step)
    fits, pooled = fit_range_har(series, [1500] * 3, [calendar] * 3, 1, "normal")
    slopes = [fit.laws[0].coefficients[-1] for fit in fits if fit]
    assert min(slopes) < pooled["4h"].laws[0].coefficients[-1] < max(slopes)


@pytest.mark.parametrize("spoil", ["still", "short", "negative", "close only"])
def test_series_that_tell_nothing_have_none(spoil: str) -> None:
    bars = _clustered(90 if spoil == "short" else 900)
    if spoil == "still":
        bars = with_columns(bars, **{k: np.full(900, 5.0) for k in bars.columns})
    if spoil == "negative":
        bars = with_columns(bars, low=bars.columns["low"] - 200)
    if spoil == "close only":
        bars = Bars("x", "4h", bars.time_N, {"close": bars.columns["close"]})
    calendar = learn_template(bars.time_N, bars.step)
    fits, pooled = fit_range_har([bars], [len(bars)], [calendar], 1, "normal")
    assert fits == [None] and pooled == {}
