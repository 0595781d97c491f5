"""Persistence, drift, season, direction and frequencies against closed forms and naive loops."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame, with_columns
from markets import MARKETS, local_clock, opening_times

from nextbar import baselines
from nextbar.bars.bars import Bars
from nextbar.baselines.base import Baseline
from nextbar.baselines.bins import Frequencies
from nextbar.baselines.direction import PART, AlwaysUp, Direction, Reversal, _one_sided
from nextbar.baselines.point import Drift, Persistence, Seasonal, hour_of_week
from nextbar.forecasts import Keys, read
from nextbar.metrics.reference import baseline_forecast, fit_reference
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes

EDGES = (-np.inf, -1.0, -0.25, 0.25, 1.0, np.inf)
TRAIN = 150
H = 3


def two_tickers(n: int = 200) -> pd.DataFrame:
    return make_frame(make_bars("a", n=n), make_bars("b", n=n, seed=1, price=3.0, move=0.03))


def below_zero(n: int = 200) -> pd.DataFrame:
    return make_frame(with_columns(make_bars("a", n=n), close=np.random.default_rng(2).normal(size=n).cumsum()))


def training(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["date"] < frame["date"].iloc[TRAIN]]


def closes(frame: pd.DataFrame) -> list[np.ndarray]:
    return [rows["close"].to_numpy() for _, rows in frame.groupby("ticker")]


def asked(frame: pd.DataFrame) -> tuple[Keys, Outcomes]:
    """The origins from the last training bar on that have H bars after them, and what came."""
    origin_N = np.arange(TRAIN - 1, len(closes(frame)[0]) - H)
    times = frame["date"].astype("datetime64[s, UTC]").astype("int64").to_numpy()[origin_N]
    names, paths = tuple(frame["ticker"].unique()), closes(frame)
    last_N = np.concatenate([close_N[origin_N] for close_N in paths])
    close_NH = np.concatenate([close_N[origin_N[:, None] + np.arange(1, H + 1)] for close_N in paths])
    time_N, ticker_N = np.tile(times, len(names)), np.repeat(names, len(times))
    keys = Keys(ticker_N, None, time_N, np.zeros(close_NH.shape, int), last_N)
    series_N = np.repeat(np.arange(len(names)), len(times))
    return keys, Outcomes(series_N, names, time_N, last_N, close_NH)


def forecast(predictor: Baseline, frame: pd.DataFrame) -> Forecast:
    return read(predictor.fit(training(frame)).predict(frame), asked(frame)[0], predictor.task)


def reference(frame: pd.DataFrame, task: Task) -> baselines.reference.Reference:
    paths = [close_N[:TRAIN] for close_N in closes(frame)]
    origin_N = np.arange(TRAIN - H)
    windows = Outcomes(
        np.repeat(np.arange(len(paths)), len(origin_N)),
        tuple(frame["ticker"].unique()),
        np.tile(origin_N, len(paths)),
        np.concatenate([close_N[origin_N] for close_N in paths]),
        np.concatenate([close_N[origin_N[:, None] + np.arange(1, H + 1)] for close_N in paths]),
    )
    return fit_reference(windows, paths, task)


@pytest.mark.parametrize(
    ("rule", "task"),
    [
        (Persistence, Task(output_mode="mean", horizon=H)),
        (Persistence, Task(output_mode="distribution", horizon=H)),
        (Persistence, Task(output_mode="distribution", horizon=H, target="log_return")),
        (Frequencies, Task(output_mode="discrete_grid", horizon=H, edges=EDGES)),
    ],
)
def test_the_baseline_beside_every_metric_is_among_them(rule: type[Baseline], task: Task) -> None:
    frame = two_tickers()
    found = forecast(rule(task), frame)
    expected = baseline_forecast(reference(frame, task), asked(frame)[1], task)
    for name in Forecast._fields:
        if getattr(expected, name) is None:
            assert getattr(found, name) is None
        else:
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_drift_is_the_mean_move(target: str) -> None:
    frame = two_tickers()
    found = Drift(Task(output_mode="mean", horizon=H, target=target)).fit(training(frame)).predict(frame)
    for ticker, close_N in zip("ab", closes(frame), strict=True):
        drift = np.log(close_N[TRAIN - 1] / close_N[0]) / (TRAIN - 1)
        expected = close_N[TRAIN - 1 :, None] * np.exp(drift * np.arange(1, H + 1))
        rows = found[found["ticker"] == ticker]
        np.testing.assert_allclose(rows["close"].to_numpy().reshape(-1, H), expected, rtol=1e-12)


def test_drift_below_zero_is_the_mean_change() -> None:
    frame = below_zero()
    (close_N,) = closes(frame)
    found = Drift(Task(output_mode="mean", horizon=H)).fit(training(frame)).predict(frame)
    drift = (close_N[TRAIN - 1] - close_N[0]) / (TRAIN - 1)
    expected = close_N[TRAIN - 1 :, None] + drift * np.arange(1, H + 1)
    np.testing.assert_allclose(found["close"].to_numpy().reshape(-1, H), expected, rtol=1e-12)


@pytest.mark.parametrize("resolution", ["30m", "1h", "4h", "1d"])
def test_season_is_the_mean_of_the_same_hour_of_the_week(resolution: str) -> None:
    """A dictionary of hour and weekday; days of a market that keeps Saturdays free."""
    frame = make_frame(make_bars("a", resolution, n=900))
    if resolution == "1d":
        frame = frame[[date.weekday() < 5 for date in frame["date"]]].reset_index(drop=True)
    n_train = len(frame) - 60
    found = Seasonal(Task(output_mode="mean", horizon=H)).fit(frame[:n_train]).predict(frame)
    date, move = frame["date"], np.log(frame["close"]).diff()
    seen = defaultdict(list)
    for i in range(1, n_train):
        seen[date[i].weekday(), date[i].hour].append(move[i])
    for i in range(n_train - 1, len(frame) - H):
        total = 0.0
        for h in range(1, H + 1):
            total += np.mean(seen[date[i + h].weekday(), date[i + h].hour])
            row = found.iloc[(i - n_train + 1) * H + h - 1]
            assert row["date"] == date[i + h] and row["step"] == h
            assert row["close"] == pytest.approx(frame["close"][i] * np.exp(total), rel=1e-12)


def test_hours_are_counted_from_monday() -> None:
    dates = pd.DatetimeIndex(["2020-01-06 00:00", "2020-01-06 00:59:59", "2020-01-08 05:30", "2020-01-12 23:59:59"])
    second_N = dates.as_unit("s").astype("int64").to_numpy()
    assert hour_of_week(second_N, "UTC").tolist() == [0, 0, 2 * 24 + 5, 167]
    assert hour_of_week(second_N - 60 * 7 * 86_400 * 52, "UTC").tolist() == [0, 0, 53, 167]  # 60 times 52 weeks earlier


def test_an_hour_seen_once_has_the_move_of_then() -> None:
    bars = make_bars("a", n=169)
    found = Seasonal(Task(output_mode="mean")).fit(make_frame(bars)).predict(make_frame(bars))
    close_N = bars.columns["close"]
    assert found["close"].item() == pytest.approx(close_N[-1] * close_N[1] / close_N[0], rel=1e-12)


def test_an_hour_never_seen_has_the_mean_move() -> None:
    bars = make_bars("a", n=60)
    frame = make_frame(bars)
    found = Seasonal(Task(output_mode="mean")).fit(frame).predict(frame)
    drift = np.log(bars.columns["close"][-1] / bars.columns["close"][0]) / 59
    assert found["close"].item() == pytest.approx(bars.columns["close"][-1] * np.exp(drift), rel=1e-12)


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_directions_step_a_billionth_of_the_price(target: str) -> None:
    frame = two_tickers()
    frame.loc[TRAIN + 5, "close"] = frame["close"][TRAIN + 4]  # a bar that does not move
    task = Task(output_mode="mean", horizon=H, target=target)
    last_N = asked(frame)[0].last_close_N
    before_N = np.concatenate([close_N[TRAIN - 2 : -H - 1] for close_N in closes(frame)])
    sign_N = -np.sign(last_N - before_N)
    assert (sign_N == 0).sum() == 1
    for rule, expected_N in ((AlwaysUp, np.ones(len(last_N))), (Reversal, sign_N)):
        found_NH = forecast(rule(task), frame).location_NH
        step_N = 1e-9 * expected_N * (last_N if target == "close" else 1)
        np.testing.assert_allclose(found_NH, np.broadcast_to(step_N[:, None], found_NH.shape), rtol=1e-6)
        assert rule(task).direction_only


def test_directions_of_prices_below_zero() -> None:
    frame = below_zero()
    frame.loc[TRAIN + 3, "close"] = 0.0
    up = forecast(AlwaysUp(Task(output_mode="mean", horizon=H)), frame)
    assert (up.location_NH > 0).all()


@pytest.mark.parametrize(
    ("side_K", "down_K", "flat_K", "up_K"),
    [
        ([-1, -1, 0, 1], [0.5, 0.5, 0, 0], [0.25, 0.25, 0, 0.5], [0, 0, 0, 1]),
        ([0, 0, 1, 1], [0.5, 0.5, 0, 0], [0.25] * 4, [0, 0, 0.5, 0.5]),
        ([-1, 0], [1, 0], [0.5, 0.5], [0, 1]),
    ],
)
def test_all_but_a_billionth_is_on_one_side(side_K: list, down_K: list, flat_K: list, up_K: list) -> None:
    found = _one_sided(np.array([-1.0, 0.0, 1.0, -0.0]), np.array(side_K))
    expected = (np.array([down_K, flat_K, up_K, flat_K]) + PART) / (1 + len(side_K) * PART)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-14)


@pytest.mark.parametrize("rule", [Reversal, AlwaysUp])
@pytest.mark.parametrize("edges", [EDGES, (-np.inf, -2.0, -1.0, 0.0, np.inf), (-np.inf, 0.0, 0.5, 1.0, np.inf)])
def test_directions_are_the_same_in_bins(rule: type[Direction], edges: tuple[float, ...]) -> None:
    frame = two_tickers()
    directions = []
    for task in (Task(output_mode="mean", horizon=H), Task(output_mode="discrete_grid", horizon=H, edges=edges)):
        scorer = Scorer(asked(frame)[1], reference(frame, task), task)
        scores = scorer.score(forecast(rule(task), frame)).mean.pooled
        assert all(value is not None and np.isfinite(value) for value in scores.values())
        directions.append(scores["acc_dir"])
    assert directions[0] == pytest.approx(directions[1], abs=1e-9)
    assert directions[0] != 50


def test_bins_on_one_side_only_cannot_say_down() -> None:
    frame = two_tickers()
    task = Task(output_mode="discrete_grid", horizon=H, edges=(-np.inf, 1.0, 2.0, np.inf))
    outcomes = asked(frame)[1]
    downward = np.exp(forecast(Reversal(task), frame).log_probs_NHK)
    fell_N = outcomes.last_close_N < np.concatenate([close_N[TRAIN - 2 : -H - 1] for close_N in closes(frame)])
    np.testing.assert_allclose(downward[~fell_N], np.broadcast_to([1, 0, 0], downward[~fell_N].shape), atol=1e-8)
    np.testing.assert_allclose(downward[fell_N], np.broadcast_to([0, 0.5, 0.5], downward[fell_N].shape), atol=1e-8)


def test_a_season_keeps_the_hours_of_the_market_when_its_clocks_change() -> None:
    """Of an exchange in New York, whose first bar of the day rises; learnt from its dates alone."""
    time_N = opening_times(MARKETS["New York"], 3_600, dt.date(2020, 1, 6), 2 * 364)
    opening_N = local_clock(time_N, "America/New_York")[:, 0] == 9.5
    close_N = 100 * np.exp(np.cumsum(np.where(opening_N, 1e-3, -1e-4)))
    made = make_bars("a", n=len(time_N))
    frame = make_frame(Bars("a", "1h", time_N, made.columns | {"close": close_N}))
    half = len(frame) // 2
    found = Seasonal(Task(output_mode="mean")).fit(frame[:half]).predict(frame)[:-1]
    assert found["date"].tolist() == frame["date"][half:].tolist()
    np.testing.assert_allclose(found["close"], frame["close"][half:], rtol=1e-12)
    # a ticker that training did not know has the season, by the same clock
    unknown = Seasonal(Task(output_mode="mean")).fit(frame[:half]).predict(frame[half:].assign(ticker="b"))[:-1]
    dated = unknown["date"].to_numpy() == frame["date"][half + 1 :].to_numpy()
    assert 0.5 < dated.mean() < 1, "its nights are not known, its hours are"
    np.testing.assert_allclose(unknown["close"][dated], frame["close"][half + 1 :][dated], rtol=1e-12)
