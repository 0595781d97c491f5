"""Conformal intervals: order statistics by their definition, the coverage they promise, and what is kept of them."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_spans import make_scorer, random_forecast

from nextbar.errors import DataError
from nextbar.metrics import conformal as module
from nextbar.metrics.conformal import Conformal, Residuals, covered, standardised, windows_needed
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes

LEVELS = (0.5, 0.8, 0.9, 0.95)
TASK = Task(output_mode="distribution", target="log_return")


def spans(seed: int, n: int, series: int = 1, wrong: float = 1.0) -> tuple[Outcomes, Forecast]:
    """``n`` windows of each series whose log returns are drawn ``wrong`` times as wide as the law says."""
    rng = np.random.default_rng(seed)
    series_N = np.repeat(np.arange(series), n)
    scale_NH = 0.01 * np.exp(0.5 * rng.normal(size=(n * series, 1)))
    return_NH = 0.002 + wrong * scale_NH * rng.standard_normal(scale_NH.shape)
    last_N = np.full(n * series, 100.0)
    outcomes = Outcomes(
        series_N, ("a", "b", "c")[:series], np.arange(n * series), last_N, last_N[:, None] * np.exp(return_NH)
    )
    return outcomes, Forecast(location_NH=np.full_like(scale_NH, 0.002), scale_NH=scale_NH)


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_residuals_are_in_the_unit_of_the_target(target: str) -> None:
    scorer = make_scorer(2, output_mode="distribution", target=target)
    forecast, outcomes = random_forecast(scorer), scorer.outcomes
    for n in (0, 17, 200):
        last, close = outcomes.last_close_N[n], outcomes.close_NH[n, 1]
        change = math.log(close / last) if target == "log_return" else close - last
        expected = abs(change - forecast.location_NH[n, 1]) / forecast.scale_NH[n, 1]
        assert standardised(outcomes, forecast, scorer.task)[n, 1] == pytest.approx(expected, rel=1e-12)


@given(n=st.integers(1, 300), percent=st.integers(1, 99))
def test_the_factor_is_the_order_statistic_of_split_conformal(n: int, percent: int) -> None:
    """By counting: the smallest residual that at least ceil((n + 1) level) of the residuals do not exceed."""
    residual_N1 = np.random.default_rng(n).exponential(size=(n, 1))
    found = Residuals.of(residual_N1, kept=1000).at(percent / 100)
    rank = math.ceil((n + 1) * Fraction(percent, 100))
    if rank > n:
        assert found is None and n < windows_needed(percent / 100)
    else:
        assert n >= windows_needed(percent / 100)
        assert np.count_nonzero(residual_N1 <= found) == rank


@given(n=st.integers(1, 5000), percent=st.floats(1, 99))
def test_of_many_residuals_enough_are_kept(n: int, percent: float) -> None:
    """Rounded up to a rank that is kept: never narrower than with all, and at most 1 / kept more of them inside."""
    residual_N1 = np.random.default_rng(n).exponential(size=(n, 1))
    whole, part = Residuals.of(residual_N1, kept=n), Residuals.of(residual_N1, kept=100)
    assert len(part.rank_M) == min(n, 100) and part.rank_M[-1] == n
    exact, kept = whole.at(percent / 100), part.at(percent / 100)
    assert (exact is None) == (kept is None)
    if exact is not None and kept is not None:
        assert kept >= exact
        assert np.count_nonzero((residual_N1 > exact) & (residual_N1 <= kept)) <= n / 100


@pytest.mark.parametrize("wrong", [0.5, 1.0, 2.0])
def test_it_covers_what_it_says_whatever_the_law(wrong: float) -> None:
    """The guarantee of split conformal: level <= coverage <= level + 1 / (n + 1), on average over calibrations."""
    level, n, rounds = 0.9, 49, 400
    shares = []
    for seed in range(rounds):
        conformal = Conformal.fit(*spans(2 * seed, n, wrong=wrong), TASK)
        outcomes, forecast = spans(2 * seed + 1, 200, wrong=wrong)
        interval = conformal.interval(level, outcomes.series_N, outcomes.names, forecast)
        shares.append(covered(outcomes, *interval, TASK).mean())
    error = np.std(shares) / math.sqrt(rounds)
    assert level - 4 * error < np.mean(shares) < level + 1 / (n + 1) + 4 * error


def test_intervals_lie_around_the_location_in_units_of_the_scale() -> None:
    scorer = make_scorer(2, output_mode="distribution", target="log_return")
    forecast, outcomes = random_forecast(scorer), scorer.outcomes
    conformal = Conformal.fit(outcomes, forecast, scorer.task)
    before = -np.inf
    for level in LEVELS:
        factor_SH = conformal.factor(level, outcomes.names)
        lo_NH, hi_NH = conformal.interval(level, outcomes.series_N, outcomes.names, forecast)
        np.testing.assert_allclose((lo_NH + hi_NH) / 2, forecast.location_NH, atol=1e-12)
        np.testing.assert_allclose((hi_NH - lo_NH) / 2, factor_SH[outcomes.series_N] * forecast.scale_NH)
        assert (factor_SH > before).all()
        before = factor_SH


def test_each_series_and_step_has_its_own() -> None:
    scorer = make_scorer(2, output_mode="distribution", target="log_return")
    forecast, outcomes = random_forecast(scorer), scorer.outcomes
    conformal = Conformal.fit(outcomes, forecast, scorer.task)
    residual_NH = standardised(outcomes, forecast, scorer.task)
    for s, name in enumerate(outcomes.names):
        own_NH = residual_NH[outcomes.series_N == s]
        rank = math.ceil((len(own_NH) + 1) * 0.8)
        expected_H = [sorted(own_NH[:, h])[rank - 1] for h in range(2)]
        np.testing.assert_array_equal(conformal.factor(0.8, [name])[0], expected_H)


def test_a_series_that_validation_has_not_or_hardly_seen_takes_the_pooled_residuals() -> None:
    outcomes, forecast = spans(0, 60, series=2)
    few = Outcomes(*(part[:65] if isinstance(part, np.ndarray) else part for part in outcomes))  # 5 windows of b
    scale_NH = forecast.scale_NH[:65] / np.where(few.series_N, 10, 1)[:, None]  # residuals of b far larger
    conformal = Conformal.fit(few, Forecast(forecast.location_NH[:65], scale_NH), TASK)
    pooled = conformal.pooled.at(0.9)
    assert pooled is not None
    assert conformal.factor(0.9, ["a", "b", "new"])[1:].tolist() == [pooled.tolist()] * 2
    assert conformal.factor(0.9, ["a"])[0] != pooled
    assert conformal.factor(0.8, ["b"])[0] != conformal.pooled.at(0.8)  # 5 windows are enough for 80 %


def test_too_few_windows_for_a_level_are_told() -> None:
    conformal = Conformal.fit(*spans(0, 18), TASK)
    assert np.isfinite(conformal.factor(0.9, ["a"])).all()
    with pytest.raises(DataError) as error:
        conformal.factor(0.95, ["a"])
    assert str(error.value) == (
        "a conformal interval of 95 % needs at least 19 validation windows, and there are 18; ask for a lower level, "
        "or train with a larger validation_split"
    )
    assert [windows_needed(level) for level in (0.5, 0.9, 0.95, 0.99)] == [1, 9, 19, 99]


def test_what_is_saved_gives_the_same_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 30)
    monkeypatch.setattr(module, "FEWEST_KEPT", 20)
    outcomes, forecast = spans(3, 100, series=3)
    conformal = Conformal.fit(outcomes, forecast, TASK)
    again = Conformal.from_dict(json.loads(json.dumps(conformal.to_dict(), allow_nan=False)))
    assert len(conformal.pooled.rank_M) == 30 and conformal.pooled.count == 300
    for level in LEVELS:
        np.testing.assert_array_equal(
            again.factor(level, ["a", "b", "c", "new"]), conformal.factor(level, ["a", "b", "c", "new"])
        )


def test_what_is_saved_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOTAL", 400)
    monkeypatch.setattr(module, "FEWEST_KEPT", 10)
    outcomes, forecast = spans(3, 500, series=3)
    assert Conformal.fit(outcomes, forecast, TASK).pooled.value_MH.size == 400 // 4  # 3 series and all of them


def test_what_cannot_be_corrected_is_told() -> None:
    outcomes, forecast = spans(0, 30)
    with pytest.raises(DataError) as error:
        Conformal.fit(outcomes, forecast, Task(output_mode="mean"))
    assert str(error.value) == (
        "conformal intervals correct the scale of output_mode 'distribution'; this one is 'mean'"
    )
    with pytest.raises(DataError) as error:
        Conformal.fit(outcomes, forecast._replace(location_NH=np.full((30, 1), np.nan)), TASK)
    assert str(error.value) == (
        "forecasts of the validation span are not finite, so intervals cannot be corrected by them"
    )
    nothing = Outcomes(*(part[:0] if isinstance(part, np.ndarray) else part for part in outcomes))
    with pytest.raises(DataError) as error:
        Conformal.fit(nothing, Forecast(np.empty((0, 1)), np.empty((0, 1))), TASK)
    assert str(error.value) == "there is no validation window to learn the width of intervals from"


def test_kept_residuals_are_what_they_were_after_json() -> None:
    kept = Residuals.of(np.array([[3.0], [1.0], [2.0]]), kept=2)
    again = Residuals.from_dict(kept.to_dict())
    assert (again.count, again.rank_M.tolist(), again.value_MH.tolist()) == (3, [1, 3], [[1.0], [3.0]])
    assert (again.rank_M.dtype, again.value_MH.dtype) == (np.int64, np.float64)
