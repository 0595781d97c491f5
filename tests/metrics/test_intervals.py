"""Quantiles of a law, what is computed of it in float64 whatever it comes in, and widths and words of intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up_spans import EDGES, make_scorer, random_bins, random_forecast
from scipy import stats

from nextbar.metrics.calibration import by_bin, calibration_report, conformal_in_words, pit, pit_histogram, reliability
from nextbar.metrics.conformal import Conformal, Residuals, standardised
from nextbar.metrics.intervals import quantile
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes

TASK = Task(output_mode="distribution", target="log_return")


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.9, 0.995])
@pytest.mark.parametrize("df", [False, True], ids=["normal", "student_t"])
def test_quantiles_are_scipys(share: float, df: bool) -> None:
    forecast = random_forecast(make_scorer(2, output_mode="distribution", target="log_return"), df=df)
    if df:
        unit_NH = forecast.scale_NH * np.sqrt((forecast.df_NH - 2) / forecast.df_NH)
        wanted = stats.t.ppf(share, forecast.df_NH, forecast.location_NH, unit_NH)
    else:
        wanted = stats.norm.ppf(share, forecast.location_NH, forecast.scale_NH)
    np.testing.assert_allclose(quantile(forecast, share), wanted, rtol=1e-9, atol=1e-15)


def single(forecast: Forecast) -> Forecast:
    return Forecast(*(None if part is None else np.asarray(part, np.float32) for part in forecast))


def double(forecast: Forecast) -> Forecast:
    return Forecast(*(None if part is None else np.asarray(part, np.float64) for part in forecast))


def flat(value: Any) -> list[float]:
    """All numbers of a nested value, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    return [number for one in value for number in flat(one)] if isinstance(value, list) else [value]


@pytest.mark.parametrize("df", [False, True], ids=["normal", "student_t"])
@pytest.mark.parametrize("target", ["close", "log_return"])
def test_what_a_model_says_in_float32_is_judged_in_float64(df: bool, target: str) -> None:
    """As if the same numbers had come in float64, to the last bit but one."""
    scorer = make_scorer(2, output_mode="distribution", target=target)
    said = single(random_forecast(scorer, df=df))
    for judged in (
        lambda forecast: quantile(forecast, 0.9),
        lambda forecast: pit(scorer.outcomes, forecast, scorer.task),
        lambda forecast: standardised(scorer.outcomes, forecast, scorer.task),
        lambda forecast: np.stack(
            Conformal.fit(scorer.outcomes, forecast, scorer.task).interval(
                0.8, scorer.outcomes.series_N, scorer.outcomes.names, forecast
            )
        ),
        lambda forecast: np.array([*scorer.score(forecast).mean.pooled.values()], float),
    ):
        found, wanted = judged(said), judged(double(said))
        assert found.dtype == wanted.dtype == np.float64
        np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_what_bins_say_in_float32_is_judged_in_float64() -> None:
    scorer = make_scorer(2, output_mode="discrete_grid", edges=EDGES)
    said = single(random_bins(scorer))
    for judge in (reliability, by_bin):
        found, wanted = (flat(judge(scorer.outcomes, one, scorer.task)) for one in (said, double(said)))
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
        assert {type(value) for value in found} <= {int, float, np.float64}
    found, wanted = (scorer.score(one).mean.pooled for one in (said, double(said)))
    assert found == pytest.approx(wanted, rel=1e-14)


def test_bins_of_a_histogram_are_those_of_all_probabilities() -> None:
    """Also where no value comes near 0 or 1; one of exactly 1 belongs to the last."""
    found = pit_histogram(np.array([[0.4], [0.45], [0.49]]), 3, bins=4)
    assert found == {**found, "edges": [0.0, 0.25, 0.5, 0.75, 1.0], "count": [0, 3, 0, 0], "expected": 0.75}
    assert pit_histogram(np.array([[0.0], [1.0]]), 2, bins=4)["count"] == [1, 0, 0, 1]


def spans(seed: int, n: int = 400) -> tuple[Outcomes, Forecast]:
    """Log returns of two series, the second of a hundredth of the spread, drawn from the law that is forecast."""
    rng = np.random.default_rng(seed)
    series_N = np.repeat([0, 1], n)
    scale_NH = 0.02 * np.exp(0.4 * rng.normal(size=(2 * n, 1))) * np.where(series_N, 0.01, 1.0)[:, None]
    close_NH = 100 * np.exp(scale_NH * rng.normal(size=scale_NH.shape))
    outcomes = Outcomes(series_N, ("a", "b"), np.r_[:n, :n], np.full(2 * n, 100.0), close_NH)
    return outcomes, Forecast(location_NH=np.zeros_like(scale_NH), scale_NH=scale_NH)


def test_the_width_is_the_mean_over_series_of_the_factors_share_of_the_laws() -> None:
    outcomes, forecast = spans(2)
    conformal = Conformal.fit(*spans(1), TASK)
    report = calibration_report(outcomes, forecast, TASK, conformal)
    for level in (50, 80, 90, 95):
        factor_S = conformal.factor(level / 100, ("a", "b"))[:, 0]
        wanted = np.mean(factor_S / stats.norm.ppf(0.5 + level / 200))
        assert report["conformal"][str(level)]["width"] == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(
    ("before", "after", "width", "words"),
    [
        (80.0, 89.5, 1.25, "closer to what it says (luck explains ± 2.0); the interval is 25.0 % wider."),
        (95.0, 84.0, 0.9, "no closer to what it says (luck explains ± 2.0); the interval is 10.0 % narrower."),
        (85.0, 95.0, 1.0006, "no closer to what it says (luck explains ± 2.0); the interval is 0.1 % wider."),
        (88.0, 92.0, 0.9996, "both as good as what it says (luck explains ± 2.0); the interval is as wide."),
        (88.0, 92.5, 1.0, "no closer to what it says (luck explains ± 2.0); the interval is as wide."),
    ],
)
def test_what_conformal_changed_in_words(before: float, after: float, width: float, words: str) -> None:
    effect = {"before": before, "after": after, "half_width": 2.0, "width": width}
    line = f"90 %: covers {after:.1f} % instead of {before:.1f} %, {words}"
    assert conformal_in_words({"conformal": {"90": effect}}) == [line]
    assert conformal_in_words({}) == []


def test_kept_residuals_are_what_they_were_after_json() -> None:
    kept = Residuals.of(np.array([[3.0], [1.0], [2.0]]), kept=2)
    again = Residuals.from_dict(kept.to_dict())
    assert (again.count, again.rank_M.tolist(), again.value_MH.tolist()) == (3, [1, 3], [[1.0], [3.0]])
    assert (again.rank_M.dtype, again.value_MH.dtype) == (np.int64, np.float64)
