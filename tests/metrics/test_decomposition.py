"""The parts of a score: they add up, and each is what it is made to be."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_spans import make_scorer, random_forecast
from scipy import stats
from sklearn.metrics import mean_pinball_loss

from nextbar.metrics.decomposition import LEVELS, decompose, decompositions, percent
from nextbar.metrics.isotonic import quantile_score
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes


def spread_by_window(m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Spreads, and outcomes drawn with them."""
    rng = np.random.default_rng(seed)
    spread_M = np.exp(0.5 * rng.normal(size=m))
    return spread_M, spread_M * rng.normal(size=m)


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_the_parts_add_up_and_none_is_negative(level: float) -> None:
    spread_M, outcome_M = spread_by_window(500)
    for quantile_M in (spread_M * stats.norm.ppf(level), 3 * spread_M - 1, np.random.default_rng(1).normal(size=500)):
        part = decompose(quantile_M, outcome_M, level)
        assert part.score == pytest.approx(part.miscalibration - part.discrimination + part.uncertainty, rel=1e-12)
        assert part.score == pytest.approx(mean_pinball_loss(outcome_M, quantile_M, alpha=level))
        assert min(part[1:]) >= 0


def test_each_part_is_what_it_is_called() -> None:
    """A right forecast tells windows apart, a doubled one is as telling but not right, a constant one tells nothing."""
    spread_M, outcome_M = spread_by_window(20_000)
    right = decompose(spread_M * stats.norm.ppf(0.05), outcome_M, 0.05)
    doubled = decompose(2 * spread_M * stats.norm.ppf(0.05), outcome_M, 0.05)
    constant = decompose(np.full(20_000, np.quantile(outcome_M, 0.05, method="inverted_cdf")), outcome_M, 0.05)
    assert right.miscalibration < 0.05 * right.discrimination
    assert doubled[2:] == pytest.approx(right[2:], rel=1e-9) and doubled.miscalibration > right.discrimination
    assert constant[1:3] == pytest.approx((0, 0), abs=1e-12) and constant.score == constant.uncertainty
    # what telling windows apart is worth, from the law: the pinball loss of a normal law is its density at the quantile
    expected = constant.uncertainty - stats.norm.pdf(stats.norm.ppf(0.05)) * np.exp(0.125)
    assert right.discrimination == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_the_crps_is_that_of_ten_equally_likely_values(target: str) -> None:
    """CRPS of an ensemble by its energy form, window by window; a little above that of the law itself."""
    scorer = make_scorer(2, output_mode="distribution", target=target)
    forecast, outcomes = random_forecast(scorer), scorer.outcomes
    parts = decompositions(outcomes, forecast, scorer.task)
    unit_N1 = percent(outcomes, scorer.task)
    last_N1 = outcomes.last_close_N[:, None]
    change_NH = outcomes.close_NH - last_N1 if target == "close" else np.log(outcomes.close_NH / last_N1)
    member_KNH = np.array([stats.norm.ppf(p, forecast.location_NH, forecast.scale_NH) for p in LEVELS]) * unit_N1
    distance = np.abs(member_KNH - change_NH * unit_N1).mean(axis=0)
    spread = np.abs(member_KNH[:, None] - member_KNH[None]).mean(axis=(0, 1)) / 2
    crps_N = (distance - spread).mean(axis=1)
    expected = np.mean([crps_N[outcomes.series_N == s].mean() for s in range(3)])
    assert parts["crps"].score == pytest.approx(expected, rel=1e-9)
    assert 1 < parts["crps"].score / scorer.score(forecast).mean.pooled["crps"] < 1.03
    for part in parts.values():
        assert part.score == pytest.approx(part.miscalibration - part.discrimination + part.uncertainty, rel=1e-9)
    assert list(parts) == ["crps", "5 %", "95 %"]


def test_series_and_steps_are_taken_apart_one_by_one() -> None:
    """Else telling a dear series from a cheap one, or a far step from a near one, would count as skill."""
    scorer = make_scorer(2, output_mode="distribution", target="log_return")
    outcomes, shape = scorer.outcomes, scorer.outcomes.close_NH.shape
    scale_NH = 0.01 * (1.0 + outcomes.series_N)[:, None] * np.array([1.0, 1.4])
    parts = decompositions(outcomes, Forecast(np.zeros(shape), scale_NH), scorer.task)
    assert all(part.discrimination == pytest.approx(0, abs=1e-12) for part in parts.values())
    last_N1 = outcomes.last_close_N[:, None]
    actual_NH = 100 * np.log(outcomes.close_NH / last_N1)
    expected = np.mean([
        quantile_score(100 * 1.6448536 * scale_NH[row, h], actual_NH[row, h], 0.95).mean()
        for row in (outcomes.series_N == s for s in range(3)) for h in range(2)
    ])  # fmt: skip
    assert parts["95 %"].score == pytest.approx(expected, rel=1e-6)


def test_changes_are_in_percent_where_all_prices_are_positive() -> None:
    series_N, last_N = np.array([0, 0, 1, 1]), np.array([50.0, 40.0, 2.0, -1.0])
    outcomes = Outcomes(series_N, ("a", "b"), np.arange(4), last_N, last_N[:, None] + 1)
    assert percent(outcomes, Task(output_mode="distribution"))[:, 0].tolist() == [2.0, 2.5, 1.0, 1.0]
    assert percent(outcomes, Task(output_mode="distribution", target="log_return"))[:, 0].tolist() == [100.0] * 4
