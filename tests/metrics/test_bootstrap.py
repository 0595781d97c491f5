"""The interval of a skill: against an independent bootstrap, and how often it holds the truth."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_up_spans import make_scorer, random_forecast
from scipy import stats

from nextbar.metrics.bootstrap import LEAST_ORIGINS, SkillInterval, skill_interval
from nextbar.metrics.task import Task


def interval(
    model_TS: np.ndarray, baseline_TS: np.ndarray, mode: str = "mean", horizon: int = 1, **options: Any
) -> SkillInterval | None:
    """Of given errors, a row for each moment and a column for each ticker; NaN: no window."""
    moment_N, series_N = np.nonzero(~np.isnan(model_TS))
    order_N = np.random.default_rng(0).permutation(len(moment_N))  # windows come in any order
    moment_N, series_N = moment_N[order_N], series_N[order_N]
    scorer = SimpleNamespace(
        task=Task(output_mode=mode, horizon=horizon),
        outcomes=SimpleNamespace(origin_time_N=3600 * moment_N, series_N=series_N),
        rival_forecast=baseline_TS,
        rival_name="the rival",
        leading_errors=lambda forecast: forecast[moment_N, series_N],
    )
    return skill_interval(scorer, model_TS, **options)  # type: ignore[arg-type]


def errors(n: int, seed: int, correlation: float = 0.0, ratio: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Errors of a model and its baseline, of one ticker; the ratio of their expectations is as asked."""
    rng = np.random.default_rng(seed)
    shock_TK = rng.normal(size=(n + 200, 2))
    for t in range(1, n + 200):
        shock_TK[t] = correlation * shock_TK[t - 1] + math.sqrt(1 - correlation**2) * shock_TK[t]
    model_T, baseline_T = np.exp(0.4 * shock_TK[200:]).T
    return ratio * model_T[:, None], baseline_T[:, None]


def width(found: SkillInterval | None) -> float:
    assert found is not None
    return found.high - found.low


def assert_alike(one: SkillInterval | None, other: SkillInterval | None) -> None:
    assert one is not None and other is not None and one.block == other.block
    assert (one.skill, one.low, one.high) == pytest.approx((other.skill, other.low, other.high), rel=1e-9)


def test_against_a_bootstrap_of_single_origins_and_the_delta_method_where_nothing_is_correlated() -> None:
    model_TS, baseline_TS = errors(1500, seed=1)
    found = interval(model_TS, baseline_TS)
    assert found is not None and found.block <= 3 and found.origins == 1500
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 1500, (4000, 1500))
    drawn = 1 - model_TS[rows, 0].mean(axis=1) / baseline_TS[rows, 0].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.12 * (high - low))
    ratio = model_TS.mean() / baseline_TS.mean()
    deviation = np.std(model_TS - ratio * baseline_TS, ddof=1) / baseline_TS.mean() / math.sqrt(1500)
    assert width(found) == pytest.approx(2 * stats.norm.ppf(0.975) * deviation, rel=0.12)
    assert found.skill == pytest.approx(1 - ratio, rel=1e-12)


def test_it_holds_the_truth_about_as_often_as_it_says() -> None:
    """150 draws at 90 %: the share's standard error is 2.4 points, and blocks are a little short of the truth."""
    for correlation in (0.0, 0.5):
        held = 0
        for seed in range(150):
            found = interval(*errors(300, seed, correlation), level=0.9, resamples=300)
            assert found is not None
            held += found.low <= 0.1 <= found.high
        assert 0.80 <= held / 150 <= 0.97, (correlation, held)


def test_losses_that_go_together_over_time_make_it_wider() -> None:
    """By an AR(1) of 0.8 the variance of a mean is nine times that of independent values: sqrt(1.8 / 0.2) = 3."""
    model_TS, baseline_TS = errors(3000, seed=2, correlation=0.8)
    found = interval(model_TS, baseline_TS)
    assert found is not None and found.block > 10
    mixed_T = np.random.default_rng(0).permutation(3000)
    assert 2 < width(found) / width(interval(model_TS[mixed_T], baseline_TS[mixed_T])) < 3.5


def test_tickers_of_a_moment_are_drawn_together() -> None:
    """Two tickers that always err alike say no more than one of them."""
    model_TS, baseline_TS = errors(500, seed=3)
    twice = interval(np.repeat(model_TS, 2, axis=1), np.repeat(baseline_TS, 2, axis=1))
    assert_alike(twice, interval(model_TS, baseline_TS))


def test_the_units_of_a_ticker_do_not_matter() -> None:
    """Not even to the length of the blocks, which the dearest would decide alone."""
    one, two = errors(600, seed=12, correlation=0.8), errors(600, seed=13)
    model_TS, baseline_TS = np.hstack([one[0], two[0]]), np.hstack([one[1], two[1]])
    assert_alike(interval(model_TS * [1, 1e6], baseline_TS * [1, 1e6]), interval(model_TS, baseline_TS))


def test_skill_is_taken_per_ticker_and_averaged() -> None:
    """A ticker with large errors weighs no more, one with few windows no less."""
    one, two = errors(400, seed=4, ratio=0.5), errors(400, seed=5, ratio=0.9)
    model_TS = np.hstack([one[0], 100 * two[0]])
    baseline_TS = np.hstack([one[1], 100 * two[1]])
    model_TS[:300, 0] = np.nan
    found = interval(model_TS, baseline_TS)
    expected = np.mean([1 - one[0][300:].mean() / one[1][300:].mean(), 1 - two[0].mean() / two[1].mean()])
    assert found is not None and found.skill == pytest.approx(expected, rel=1e-12)


def test_of_a_density_it_is_the_difference_of_scores() -> None:
    model_TS, baseline_TS = errors(400, seed=6)
    found = interval(model_TS - 2, baseline_TS - 2, mode="distribution")
    assert found is not None and found.metric == "nll"
    assert found.skill == pytest.approx((baseline_TS - model_TS).mean(), rel=1e-12)
    assert found.low < found.skill < found.high


def test_blocks_are_as_long_as_windows_overlap() -> None:
    model_TS, baseline_TS = errors(480, seed=7)
    found = interval(model_TS, baseline_TS, horizon=24)
    assert found is not None and found.block == 24
    assert interval(model_TS[1:], baseline_TS[1:], horizon=24) is None, "20 windows that share no bar are needed"


def test_more_certainty_is_wider_and_a_seed_repeats_it() -> None:
    given = errors(300, seed=8)
    assert width(interval(*given, level=0.8)) < width(interval(*given)) < width(interval(*given, level=0.99))
    assert interval(*given) == interval(*given) != interval(*given, seed=1)


def test_the_tails_are_equal() -> None:
    """An interval of next to no share of the resamples is their median, at both ends."""
    given = errors(300, seed=8)
    found = interval(*given, level=1e-9)
    assert found is not None and found.low == pytest.approx(found.high, abs=1e-9)
    wide = interval(*given, level=0.8)
    assert wide is not None and wide.low < found.low < wide.high


def test_scores_that_are_differences_are_not_divided_by_the_baselines() -> None:
    """The length of the blocks follows from the differences alone, whatever is added to both scores of a ticker."""
    one, two = errors(600, seed=12, correlation=0.8), errors(600, seed=13)
    model_TS, baseline_TS = np.hstack([one[0], two[0]]), np.hstack([one[1], two[1]])
    found = interval(model_TS, baseline_TS, mode="distribution")
    added_S = np.array([0, 1e3])
    assert_alike(interval(model_TS + added_S, baseline_TS + added_S, mode="distribution"), found)
    weights = [1, 100]  # in units of the baseline the first ticker decides, as itself the second
    assert found is not None
    assert interval(model_TS * weights, baseline_TS * weights, mode="distribution").block < found.block  # type: ignore[union-attr]


def test_none_where_it_cannot_be_had() -> None:
    model_TS, baseline_TS = errors(LEAST_ORIGINS, seed=9)
    assert interval(model_TS, baseline_TS) is not None
    assert interval(model_TS[1:], baseline_TS[1:]) is None
    assert interval(model_TS, 0 * baseline_TS) is None
    broken_TS = model_TS.copy()
    broken_TS[3] = np.inf
    assert interval(broken_TS, baseline_TS) is None


@pytest.mark.parametrize("broken", [0, 1])
def test_none_with_an_error_that_is_not_finite_though_a_resample_may_not_hold_it(broken: int) -> None:
    given = errors(LEAST_ORIGINS, seed=9)
    given[broken][3] = np.inf
    for seed in range(8):
        assert interval(*given, resamples=1, seed=seed) is None


def test_a_ticker_with_one_window_counts_and_a_resample_may_go_without_it() -> None:
    one, two = errors(200, seed=4, ratio=0.5), errors(200, seed=5, ratio=0.9)
    for table in two:
        table[np.arange(200) != 70] = np.nan
    for mode in ("mean", "distribution"):
        found = interval(np.hstack([one[0], two[0]]), np.hstack([one[1], two[1]]), mode=mode)
        gains = [
            1 - np.nanmean(model) / np.nanmean(baseline) if mode == "mean" else np.nanmean(baseline - model)
            for model, baseline in (one, two)
        ]
        assert found is not None and found.skill == pytest.approx(np.mean(gains), rel=1e-12)


def test_none_of_a_baseline_that_is_seldom_wrong() -> None:
    """In a resample it may not err at all, and then there is no share of its error."""
    model_TS, baseline_TS = errors(60, seed=10)
    baseline_TS[2:] = 0
    assert interval(model_TS, baseline_TS) is None


def test_blocks_follow_from_shares_of_the_mean_error_of_a_ticker_however_few_its_windows() -> None:
    from arch.bootstrap import optimal_block_length

    one, two = errors(600, seed=12, correlation=0.8), errors(600, seed=13)
    model_TS, baseline_TS = np.hstack([one[0], two[0]]), np.hstack([one[1], two[1]])
    model_TS[np.arange(600) % 20 > 0, 1] = np.nan
    baseline_TS[np.isnan(model_TS)] = np.nan
    share_TS = (baseline_TS - model_TS) / np.nanmean(baseline_TS, axis=0)
    expected = math.ceil(optimal_block_length(np.nanmean(share_TS, axis=1))["stationary"].iloc[0])
    found = interval(model_TS, baseline_TS)
    assert found is not None and found.block == expected > 3


@pytest.mark.filterwarnings("ignore:invalid value")
def test_differences_too_small_to_be_squared_are_drawn_one_by_one() -> None:
    model_TS, baseline_TS = errors(100, seed=11, correlation=0.8)
    found = interval(1e-200 * model_TS, 1e-200 * baseline_TS, mode="distribution")
    assert found is not None and found.block == 1


@pytest.mark.filterwarnings("error")
def test_equal_forecasts_have_no_skill_and_no_width() -> None:
    model_TS, _ = errors(100, seed=11)
    found = interval(model_TS, model_TS)
    assert found is not None and (found.skill, found.low, found.high, found.block) == (0, 0, 0, 1)


@pytest.mark.parametrize("question", [{"output_mode": "mean"}, {"output_mode": "distribution"}], ids=str)
def test_of_a_real_scorer_it_is_the_skill_of_the_report(question: dict[str, Any]) -> None:
    scorer = make_scorer(3, **question)
    forecast = random_forecast(scorer)
    found = skill_interval(scorer, forecast)
    assert found is not None and found.low <= found.skill <= found.high
    report = scorer.report(forecast)
    metric = scorer.task.leading
    gains = [part["skill"][metric] for part in report["by_ticker"].values()]
    assert found.metric == metric and found.skill == pytest.approx(np.mean(gains), rel=1e-6)
    assert f"Skill in {metric} {found.skill:+.4f}, 95% interval" in found.in_words()
    assert found.in_words().endswith(f"above 0 is better than {scorer.rival_name}.")
