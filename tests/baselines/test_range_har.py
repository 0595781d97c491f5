"""Range HAR as a baseline: the laws of ``nextbar.data.range_har`` in the forecast table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arch.univariate import SkewStudent
from builders import make_bars, make_frame, with_columns
from scipy import stats
from skewed import SkewedLaw

from nextbar.bars.weekly_template import learn_template
from nextbar.baselines.range_har import RangeHarBaseline
from nextbar.data.range_har import fit_range_har
from nextbar.errors import DataError
from nextbar.metrics.task import Task

TRAIN, N, H = 500, 620, 3


def law(horizon: int = H, target: str = "log_return") -> Task:
    return Task(output_mode="distribution", horizon=horizon, target=target)


@pytest.mark.parametrize("tail", ["normal", "student_t", "skew_t"])
def test_it_is_the_law_fitted_on_the_bars_of_training(tail: str) -> None:
    bars = make_bars("a", n=N)
    frame = make_frame(bars)
    calendar = learn_template(bars.time_N[:TRAIN], 3600)
    (fitted,), _ = fit_range_har([bars.first(TRAIN)], [TRAIN], [calendar], H, tail)
    expected = fitted.law(bars, calendar)
    found = RangeHarBaseline(law(), tail).fit(frame[:TRAIN]).predict(frame)
    late = slice(TRAIN - 1, None)
    np.testing.assert_allclose(
        found["scale"].to_numpy().reshape(-1, H), np.exp(expected.log_scale_NH[late]), rtol=1e-10
    )
    close_NH = bars.columns["close"][late, None] * np.exp(expected.location_NH[late])
    np.testing.assert_allclose(found["close"].to_numpy().reshape(-1, H), close_NH, rtol=1e-12)
    tails = {"df": expected.df_H, "skew": expected.skew_H}
    assert [name in found for name in tails] == [tail != "normal", tail == "skew_t"]
    for name in found.columns.intersection(list(tails)):
        values_NH = found[name].to_numpy().reshape(-1, H)
        np.testing.assert_allclose(values_NH, np.broadcast_to(tails[name], close_NH.shape))


def test_in_prices_its_spread_is_that_of_the_log_return_times_the_close() -> None:
    bars = make_bars("a", n=N)
    frame = make_frame(bars)
    of_price, of_return = (
        RangeHarBaseline(law(target=target)).fit(frame[:TRAIN]).predict(frame) for target in ("close", "log_return")
    )
    last_N = np.repeat(bars.columns["close"][TRAIN - 1 :], H)
    np.testing.assert_allclose(of_price["scale"], of_return["scale"] * last_N, rtol=1e-10)
    np.testing.assert_allclose(of_price["close"], of_return["close"], rtol=1e-12)


def test_bins_are_the_masses_of_its_law() -> None:
    edges = (-10.0, -1.0, 0.0, 2.0, 10.0)
    frame = make_frame(make_bars("a", n=N))
    bins = RangeHarBaseline(Task(output_mode="discrete_grid", edges=edges), "student_t").fit(frame[:TRAIN])
    table = RangeHarBaseline(law(1), "student_t").fit(frame[:TRAIN]).predict(frame)
    middle_N = np.log(table["close"].to_numpy() / frame["close"].to_numpy()[TRAIN - 1 :])
    df_N = table["df"].to_numpy()
    unit_N = table["scale"].to_numpy() * np.sqrt((df_N - 2) / df_N)
    below = [stats.t.cdf((np.log1p(edge / 100) - middle_N) / unit_N, df_N) for edge in edges[1:-1]]
    expected = np.diff(np.stack([0 * middle_N, *below, 1 + 0 * middle_N]), axis=0).T
    found = bins.predict(frame).filter(like="p_").to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_young_series_has_the_law_of_the_others_in_units_of_its_own_ranges() -> None:
    """Ten times as wide a market has ten times as wide a law, from its first bars on."""
    old, young = make_bars("a", n=N), make_bars("b", n=N, seed=3, move=0.1)
    frame = pd.concat([make_frame(old), make_frame(young)[TRAIN - 20 :]])
    known = frame[frame["date"] < frame["date"].iloc[TRAIN]]
    found = RangeHarBaseline(law(1)).fit(known).predict(frame)
    spread = found.groupby("ticker")["scale"].median()
    assert 7 < spread["b"] / spread["a"] < 14


def test_what_it_cannot_do_without() -> None:
    frame = make_frame(make_bars("a", n=N))
    rule = RangeHarBaseline(law())
    with pytest.raises(DataError, match="range_har_normal: it needs open, high and low, which a_1h does not have"):
        rule.fit(frame.drop(columns="high"))
    with pytest.raises(DataError, match="which a_1h does not have"):
        rule.fit(frame.assign(low=frame["low"].where(frame.index != 5)))
    with pytest.raises(DataError, match="a_1h has too few returns before the cutoff"):
        rule.fit(frame[:90])
    fitted = rule.fit(frame)
    daily = make_frame(make_bars("d", "1d", n=50))
    with pytest.raises(DataError, match="fitted on no series of the resolution of d_1d"):
        fitted.predict(daily)
    with pytest.raises(DataError, match="has too few returns before the cutoff, or prices that are not above zero"):
        RangeHarBaseline(law(target="close")).fit(make_frame(with_columns(make_bars("a", n=N), low=np.zeros(N))))


@pytest.mark.parametrize(
    ("file", "resolution", "figure"), [("spx", "1d", 0.9872), ("btc_usdt", "4h", 1.1330), ("eth_usdt", "4h", 1.6925)]
)
def test_figures_of_real_bars(shared_data: Path, file: str, resolution: str, figure: float) -> None:
    """Student-t, fitted on the first 85 %, scored on the others: nll of the percent log return, by scipy.

    The figures were found by another implementation, which is described in the docstring of ``nextbar.data.range_har``.
    """
    frame = pd.read_csv(shared_data / resolution / f"{file}_{resolution}.csv")
    frame = frame.rename(columns=str.lower).assign(ticker="a", resolution=resolution)
    split = int(0.85 * len(frame))
    found = RangeHarBaseline(law(1), "student_t").fit(frame[:split]).predict(frame)[:-1]
    close_N = frame["close"].to_numpy()
    move_N = 100 * np.diff(np.log(close_N))[split - 1 :]
    middle_N = 100 * np.log(found["close"].to_numpy() / close_N[split - 1 : -1])
    df_N, scale_N = found["df"].to_numpy(), 100 * found["scale"].to_numpy()
    nll = -stats.t.logpdf(move_N, df_N, middle_N, scale_N * np.sqrt((df_N - 2) / df_N)).mean()
    assert nll == pytest.approx(figure, abs=0.002)


def test_skewed_bars_have_a_skewed_law_that_scores_better() -> None:
    """Moves drawn from a skewed law, on the last third: by what the densities themselves differ, roughly."""
    n, skew = 4500, -0.3
    bars = make_bars("a", n=n)
    move_N = 0.01 * SkewStudent(seed=3).ppf(np.random.default_rng(3).random(n), [6.0, skew])
    close_N = 100 * np.exp(move_N.cumsum())
    open_N = np.r_[100.0, close_N[:-1]]
    low, high = np.minimum(open_N, close_N) * 0.995, np.maximum(open_N, close_N) * 1.005
    frame = make_frame(with_columns(bars, open=open_N, high=high, low=low, close=close_N))
    scores = {}
    for tail in ("student_t", "skew_t"):
        found = RangeHarBaseline(law(1), tail).fit(frame[:3000]).predict(frame)[:-1]
        numbers = (found[name].to_numpy() for name in ("df", "skew") if name in found)
        middle_N = np.log(found["close"].to_numpy() / close_N[2999:-1])
        z_N = (move_N[3000:] - middle_N) / found["scale"].to_numpy()
        df, own = (*(values[0] for values in numbers), 0.0)[:2]
        scores[tail] = np.mean(np.log(found["scale"]) - SkewedLaw(df, own).logpdf(z_N))
    assert own == pytest.approx(skew, abs=0.05)
    assert scores["skew_t"] < scores["student_t"] - 0.01
