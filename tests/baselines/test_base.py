"""What holds for every baseline: rows, causality, tickers, fallbacks, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib import util

import numpy as np
import pandas as pd
import polars as pl
import pytest
from builders import MONDAY, make_bars, make_frame, with_columns

from nextbar import baselines
from nextbar.bars.calendar import Calendar
from nextbar.bars.weekly_template import learn_template
from nextbar.baselines import is_direction_only, name_of
from nextbar.baselines.base import Baseline
from nextbar.baselines.history import histories
from nextbar.baselines.point import Drift
from nextbar.baselines.range_har import RangeHarBaseline
from nextbar.baselines.spread import Constant, Ewma
from nextbar.errors import ConfigError, DataError
from nextbar.forecasts import Keys, read
from nextbar.metrics.task import Task

EDGES = (-np.inf, -1.0, 0.0, 1.0, np.inf)
TRAIN, N = 240, 300

TASKS = {
    "mean": Task(output_mode="mean", horizon=2),
    "distribution": Task(output_mode="distribution", horizon=3),
    "log_return": Task(output_mode="distribution", target="log_return"),
    "discrete_grid": Task(output_mode="discrete_grid", horizon=2, edges=EDGES),
}
POINT, DIRECTION = ["persistence", "drift", "seasonal"], ["reversal", "always_up"]
EXPECTED = ["drift_median", "ar", "ar_median"]
FAMILIES = ("constant", "ewma", "garch", "gjr_garch", "range_har")
SPREAD = [*(f"{family}_{tail}" for family in FAMILIES for tail in ("normal", "t")), "range_har_trailing_t"]
SKEWED = ["range_har_skew_t", "range_har_trailing_skew_t"]

each = pytest.mark.parametrize(
    ("task", "index"), [(name, i) for name, task in TASKS.items() for i in range(len(baselines.for_task(task)))]
)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return make_frame(make_bars("a", n=N), make_bars("b", n=N, seed=1, price=0.4, move=0.002, holes=(50, 260)))


def training(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["date"] < MONDAY + TRAIN * pd.Timedelta("1h")]


Fitted = Callable[[str, int], Baseline]


@pytest.fixture(scope="module")
def fitted(frame: pd.DataFrame) -> Fitted:
    """Fitted to the training bars, by task and index; a forecast changes nothing of it."""
    return cache(lambda task, index: baselines.for_task(TASKS[task])[index].fit(training(frame)))


def test_which_baselines_answer_which_question() -> None:
    names = {name: [name_of(predictor) for predictor in baselines.for_task(task)] for name, task in TASKS.items()}
    assert names["mean"] == POINT + EXPECTED + DIRECTION
    assert names["distribution"] == names["log_return"] == [*POINT, *SPREAD, *SKEWED, *DIRECTION]
    assert names["discrete_grid"] == ["frequencies", *SPREAD, *DIRECTION]
    for task in TASKS.values():
        assert [name_of(p) for p in baselines.for_task(task) if is_direction_only(p)] == DIRECTION


def test_a_user_needs_no_name() -> None:
    class Mine:
        def fit(self, frame: object) -> None: ...
        def predict(self, frame: object) -> object: ...

    assert name_of(Mine()) == "Mine" and not is_direction_only(Mine())


@each
def test_one_row_for_each_origin_after_training_and_step(
    frame: pd.DataFrame, fitted: Fitted, task: str, index: int
) -> None:
    question = TASKS[task]
    found = fitted(task, index).predict(frame)
    late = frame[frame["date"] >= training(frame)["date"].iloc[-1]]
    expected = late.loc[late.index.repeat(question.horizon), ["ticker", "resolution"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(found[["ticker", "resolution"]], expected)
    assert (found["origin"].to_numpy() == np.repeat(late["date"].to_numpy(), question.horizon)).all()
    assert (found["step"] == np.tile(np.arange(1, question.horizon + 1), len(late))).all()
    ahead = found["step"] * pd.Timedelta("1h")
    assert (found["date"] == found["origin"] + ahead).all()
    values = found.drop(columns=["ticker", "resolution", "origin", "step", "date"])
    assert np.isfinite(values.to_numpy()).all()
    if question.output_mode == "distribution":
        assert (found["scale"] > 0).all()


@each
def test_later_bars_change_no_bit(frame: pd.DataFrame, fitted: Fitted, task: str, index: int) -> None:
    """Neither their values nor their being there: the cutoff froze all parameters, the start of the filters too."""
    cut = frame["date"].iloc[270]
    other = frame.copy()
    late = other["date"] > cut
    other.loc[late, "close"] *= np.random.default_rng(0).uniform(0.5, 2, late.sum())
    predictor = fitted(task, index)
    found = [predictor.predict(bars) for bars in (frame, other, frame[~late])]
    first, *rest = (table[table["origin"] <= cut].reset_index(drop=True) for table in found)
    assert len(first) > 60
    for table in rest:
        pd.testing.assert_frame_equal(first, table, check_exact=True)
    again = baselines.for_task(TASKS[task])[index].fit(training(other)).predict(frame)
    pd.testing.assert_frame_equal(found[0], again, check_exact=True)


@each
def test_tickers_do_not_mix(frame: pd.DataFrame, fitted: Fitted, task: str, index: int) -> None:
    """But for the frequencies, which are of all together."""
    predictor = fitted(task, index)
    if predictor.name == "frequencies":
        return
    together = predictor.predict(frame)
    for ticker in "ab":
        own = frame[frame["ticker"] == ticker]
        alone = baselines.for_task(TASKS[task])[index].fit(training(own)).predict(own)
        rows = together[together["ticker"] == ticker].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, alone, check_exact=True)


def test_resolutions_are_series_of_their_own() -> None:
    frame = make_frame(make_bars("a", n=N), make_bars("a", "4h", n=N, seed=4, move=0.03))
    found = Drift(TASKS["mean"]).fit(frame).predict(frame)
    assert found["resolution"].tolist() == ["1h"] * 2 + ["4h"] * 2
    assert (found["date"] - found["origin"])[2:].tolist() == [pd.Timedelta("4h"), pd.Timedelta("8h")]


def test_the_resolution_is_seen_in_the_dates(frame: pd.DataFrame) -> None:
    """A frame that does not say has rows that do not say either."""
    silent = frame.drop(columns="resolution")
    found, expected = (Drift(TASKS["mean"]).fit(training(bars)).predict(bars) for bars in (silent, frame))
    pd.testing.assert_frame_equal(found, expected.drop(columns="resolution"))


def test_polars(frame: pd.DataFrame) -> None:
    task = TASKS["distribution"]
    found = Ewma(task).fit(pl.from_pandas(training(frame))).predict(pl.from_pandas(frame))
    assert isinstance(found, pl.DataFrame)
    expected = Ewma(task).fit(training(frame)).predict(frame)
    pd.testing.assert_frame_equal(found.to_pandas(), expected, check_dtype=False)


@each
def test_a_ticker_that_comes_later_is_forecast(frame: pd.DataFrame, task: str, index: int) -> None:
    """One that is new, and one whose first bars are too few to learn from; both from their first origin on."""
    young = make_frame(make_bars("young", n=N, seed=5)).loc[TRAIN - 4 :]
    new = make_frame(make_bars("new", n=N, seed=6)).loc[TRAIN + 10 :]
    whole = pd.concat([frame, young, new])
    found = baselines.for_task(TASKS[task])[index].fit(training(whole)).predict(whole)
    for bars, n in ((young, N - TRAIN + 1), (new, N - TRAIN - 10)):
        rows = found[found["ticker"] == bars["ticker"].iloc[0]]
        assert len(rows) == n * TASKS[task].horizon
        assert np.isfinite(rows.select_dtypes("number").to_numpy()).all()


def test_a_new_ticker_takes_the_others_mean_in_its_own_unit(frame: pd.DataFrame) -> None:
    new = make_frame(make_bars("new", n=N, seed=6)).loc[TRAIN + 10 :]
    task = Task(output_mode="distribution", target="log_return")
    found = Constant(task).fit(training(frame)).predict(new)
    returns = [np.log(rows["close"]).diff().dropna() for _, rows in training(frame).groupby("ticker")]
    spread = np.mean([r.std(ddof=0) for r in returns])
    drift = np.mean([r.mean() / r.std(ddof=0) for r in returns]) * spread
    np.testing.assert_allclose(found["scale"], spread, rtol=1e-9)
    np.testing.assert_allclose(np.log(found["close"].to_numpy() / new["close"].to_numpy()), drift, rtol=1e-9)


def test_a_ticker_of_a_handful_of_moves_is_forecast_like_a_new_one(frame: pd.DataFrame) -> None:
    """99 moves of which one says little of its spread, and less of its tail, mean or how its spread clusters."""
    task = Task(output_mode="distribution", target="log_return")
    wild = make_frame(make_bars("wild", n=N, seed=6, move=0.1)).loc[TRAIN - 100 :]
    both, late = pd.concat([frame, wild]), wild.loc[TRAIN - 1 :]
    for predictor in (Constant(task, "student_t"), Ewma(task), RangeHarBaseline(task)):
        expected = predictor.fit(training(frame)).predict(wild)
        found = predictor.fit(training(both)).predict(wild)
        expected = expected[expected["origin"] >= found["origin"].iloc[0]].reset_index(drop=True)
        assert len(found) == len(late)
        columns = ["close", "scale", *(["df"] if "df" in found else [])]
        pd.testing.assert_frame_equal(found[columns], expected[columns], rtol=1e-9)


def test_a_ticker_without_a_unit_stays_where_it_is(frame: pd.DataFrame) -> None:
    """Changes of one series say nothing of another's: no drift, and no law."""
    cold = make_frame(with_columns(make_bars("cold", n=N), close=-np.random.default_rng(8).uniform(1, 2, N))).loc[
        TRAIN:
    ]
    early = pd.concat([training(frame), cold[:1]])
    for predictor in baselines.for_task(TASKS["mean"])[:3]:
        found = predictor.fit(early).predict(cold)
        np.testing.assert_array_equal(found["close"], cold["close"].repeat(2))
    with pytest.raises(DataError) as error:
        Ewma(TASKS["distribution"]).fit(early)
    assert str(error.value) == (
        "baseline ewma_normal: cold_1h has no spread, because its close does not move before the cutoff or has too few "
        "bars there. Use more bars, or leave this ticker out"
    )
    negative = training(frame).assign(close=-training(frame)["close"])
    with pytest.raises(DataError, match="cold_1h has no spread"):
        Ewma(TASKS["distribution"]).fit(negative).predict(cold)


@pytest.mark.parametrize("index", range(11))
def test_a_close_that_falls_to_zero_after_training_keeps_a_law(index: int) -> None:
    """As oil did in April 2020."""
    bars = make_bars("oil", n=N)
    close_N = bars.columns["close"].copy()
    close_N[TRAIN + 5 : TRAIN + 8] = [-3.0, 0.0, 5.0]
    frame = make_frame(with_columns(bars, close=close_N))
    found = baselines.for_task(TASKS["distribution"])[index].fit(training(frame)).predict(frame)
    assert np.isfinite(found[["close", "scale"]].to_numpy()).all() and (found["scale"] > 0).all()


@pytest.mark.parametrize("index", range(11))
def test_changes_take_the_place_of_returns_where_a_price_is_not_positive(index: int) -> None:
    """A series and the same 1024 times as large have the same forecasts, 1024 times as large."""
    path_N = np.random.default_rng(7).normal(size=N).cumsum()
    task = Task(output_mode="distribution", horizon=2)
    small, large = (
        baselines.for_task(task)[index].fit(training(frame)).predict(frame)
        for frame in (make_frame(with_columns(make_bars("a", n=N), close=k * path_N)) for k in (1.0, 1024.0))
    )
    np.testing.assert_allclose(1024 * small["close"], large["close"], rtol=1e-12)
    np.testing.assert_allclose(1024 * small["scale"], large["scale"], rtol=1e-12)


def test_a_still_close_has_no_spread_but_a_point_forecast(frame: pd.DataFrame) -> None:
    still = make_frame(with_columns(make_bars("still", n=N), close=np.full(N, 7.0)))
    for predictor in baselines.for_task(TASKS["mean"])[:3]:
        assert (predictor.fit(training(still)).predict(still)["close"] == 7).all()
    for predictor in baselines.for_task(TASKS["distribution"]):
        with pytest.raises(DataError, match=r"still_1h has no spread.*does not move"):
            predictor.fit(training(still))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("close_N", [np.full(N, 7.0), 2.0 ** np.arange(N), np.tile([1.0, 2.0], N // 2)])
def test_log_returns_share_a_unit(frame: pd.DataFrame, close_N: np.ndarray) -> None:
    """A series without a spread of its own, for one step or several, takes the others'."""
    both = pd.concat([frame, make_frame(with_columns(make_bars("still", n=N), close=close_N))])
    for predictor in baselines.for_task(TASKS["distribution"]):
        found = predictor.fit(training(both)).predict(both)
        assert np.isfinite(found["scale"]).all() and (found["scale"] > 0).all(), name_of(predictor)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["one move", "standstill", "mostly still", "wild", "outliers"])
def test_odd_series_keep_a_law(kind: str) -> None:
    rng = np.random.default_rng(9)
    move_N = {
        "one move": np.eye(N)[100],
        "standstill": np.r_[0.01 * rng.normal(size=150), np.zeros(20_000)],
        "mostly still": 0.01 * rng.normal(size=N) * (rng.uniform(size=N) < 0.05),
        "wild": 3 * rng.normal(size=N),
        "outliers": 0.001 * rng.standard_t(1, N),
    }[kind]
    frame = make_frame(with_columns(make_bars("a", n=len(move_N)), close=5 * np.exp(move_N.cumsum())))
    for predictor in baselines.for_task(TASKS["distribution"]):
        if predictor.needs_ranges and kind in ("one move", "mostly still"):
            with pytest.raises(DataError, match="a_1h has too few returns before the cutoff"):
                predictor.fit(frame[:-20])
            continue
        found = predictor.fit(frame[:-20]).predict(frame)
        relative = found["scale"] / found["close"]
        assert np.isfinite(relative).all() and (relative > 1e-12).all(), (name_of(predictor), relative.min())
        if "df" in found:
            assert (found["df"] > 2).all()


def test_refusals(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    law, ewma = TASKS["distribution"], Ewma(TASKS["distribution"])
    with pytest.raises(DataError) as error:
        ewma.predict(frame)
    assert str(error.value) == (
        "baseline ewma_normal is asked for forecasts before it is fitted; call fit(frame) first"
    )
    with pytest.raises(DataError, match=r"needs 33 bars of a ticker.*the longest, a_1h, has 20"):
        ewma.fit(frame[:20])
    longer = pd.concat([frame[:10], make_frame(make_bars("b", n=25)), make_frame(make_bars("c", n=12))])
    with pytest.raises(DataError) as error:
        ewma.fit(longer)
    assert str(error.value) == (
        "baseline ewma_normal: it needs 33 bars of a ticker before the cutoff, with a close that moves; the longest, "
        "b_1h, has 25. Use more bars, or leave this baseline out"
    )
    with pytest.raises(DataError, match="no column close"):
        ewma.fit(frame.drop(columns="close"))
    with pytest.raises(DataError, match="no rows"):
        ewma.fit(frame[:0])
    with pytest.raises(DataError, match="found list, should be a data frame"):
        ewma.fit([1, 2])
    with pytest.raises(DataError, match="b_1h: the dates do not ascend"):
        ewma.fit(frame[::-1])
    with pytest.raises(DataError, match="a_1h: a close is nan"):
        ewma.fit(frame.assign(close=frame["close"].where(frame.index != 5)))
    with pytest.raises(DataError, match="date must hold dates"):
        ewma.fit(frame.assign(date="yesterday, more or less"))
    with pytest.raises(DataError, match="a_1h: target 'log_return' needs every price above zero"):
        Drift(TASKS["log_return"]).fit(frame.assign(close=-frame["close"]))
    find = util.find_spec
    monkeypatch.setattr("nextbar.baselines.garch.find_spec", lambda name: None if name == "arch" else find(name))
    with pytest.raises(ConfigError, match=r"arch is not installed; pip install 'nextbar\[baselines\]'"):
        baselines.for_task(law)
    assert baselines.for_task(TASKS["mean"])


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    heavy = "{'pandas', 'narwhals', 'arch', 'jax', 'scipy'}"
    code = f"import sys, nextbar.baselines; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_further_baseline_is_a_class_and_a_line(frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice(Drift):
        name = "twice"

    monkeypatch.setitem(baselines.BASELINES, "mean", (*baselines.BASELINES["mean"], Twice))
    twice = baselines.for_task(TASKS["mean"])[-1]
    assert name_of(twice) == "twice"
    assert len(twice.fit(training(frame)).predict(frame)) > 0


@each
def test_what_was_learnt_can_be_written_down(frame: pd.DataFrame, fitted: Fitted, task: str, index: int) -> None:
    """As JSON, and read again: the same forecasts of known series and of one that is new."""
    whole = pd.concat([frame, make_frame(make_bars("new", n=N, seed=6))])
    first = fitted(task, index)
    written = json.dumps(first.to_dict(), allow_nan=False)
    again = baselines.for_task(TASKS[task])[index].restored(json.loads(written))
    for history in histories(whole):
        calendar = learn_template(history.time_N[:TRAIN], history.step)
        row_N = np.arange(TRAIN, len(history.time_N))
        for found, expected in zip(*(one.forecast(history, calendar, row_N) for one in (again, first)), strict=True):
            np.testing.assert_array_equal(found, expected)


@each
def test_one_can_be_asked_without_a_frame(frame: pd.DataFrame, fitted: Fitted, task: str, index: int) -> None:
    """Learnt from series and calendars, and asked for some bars: what frames are answered."""
    question = TASKS[task]
    table = fitted(task, index).predict(frame)
    known = histories(training(frame))
    calendars = [learn_template(history.time_N, history.step) for history in known]
    asked = baselines.for_task(question)[index].learn(known, calendars)
    for history, calendar in zip(histories(frame), calendars, strict=True):
        row_N = np.arange(int(np.searchsorted(history.time_N, known[0].time_N[-1])), len(history.time_N), 7)
        keys = Keys(np.full(len(row_N), history.ticker), np.full(len(row_N), history.resolution),
                    history.time_N[row_N], calendar.next_times_after(history.time_N[row_N], question.horizon),
                    history.close_N[row_N])  # fmt: skip
        found, expected = asked.forecast(history, calendar, row_N), read(table, keys, question)
        for ours, theirs in zip(found, expected, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("task", ["mean", "distribution", "discrete_grid"])
def test_a_series_without_a_unit_is_told_nothing_by_others(frame: pd.DataFrame, task: str) -> None:
    """Neither their drift nor their spread, which are in units that it does not have; ranges give it one."""
    question = TASKS[task]
    new = histories(make_frame(make_bars("new", n=N, seed=6)))[0]
    for predictor in baselines.for_task(question):
        fitted = predictor.fit(training(frame))
        own = fitted._reference.of_series(0)._replace(move_std_SH=np.full((1, question.horizon), np.nan))
        found = fitted.forecast(new, Calendar.always(3600), np.array([50, 60]), own)
        if predictor.is_law and not predictor.needs_ranges:
            values = found.scale_NH if task == "distribution" else found.log_probs_NHK
            assert np.isnan(values).all(), predictor.name
        if task == "mean" and not predictor.direction_only:
            assert not found.location_NH.any()
