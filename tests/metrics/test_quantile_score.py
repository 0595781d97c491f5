"""The quantile score, held against scikit-learn's pinball loss and the CRPS of laws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from nextbar.metrics import density
from nextbar.metrics.quantile_score import elements, intervals, read_out, weights, with_quantiles
from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth
from nextbar.types import Forecast, Outcomes

DECILES = tuple(round(0.1 * k, 1) for k in range(1, 10))
TWENTIETHS = tuple(round(0.05 * k, 2) for k in range(1, 20))


def task(shares: tuple[float, ...], target: str = "log_return") -> Task:
    return Task(output_mode="quantiles", target=target, shares=shares)


def truth(return_N: np.ndarray, last: float = 100.0) -> Truth:
    last_N = np.full(len(return_N), last)
    return Truth.of(last_N, (last_N * np.exp(return_N))[:, None], True, last)


def law(n: int, scale: float = 0.02) -> Forecast:
    return Forecast(np.zeros((n, 1)), np.full((n, 1), scale))


def crps(shares: tuple[float, ...], target: str = "log_return") -> tuple[float, float]:
    """By quantiles, and of the law itself, over outcomes of that law."""
    return_N = 0.02 * np.random.default_rng(0).standard_normal(20000)
    question, forecast = task(shares, target), law(len(return_N), 0.02 if target == "log_return" else 2.0)
    quantiles = with_quantiles(forecast, shares).quantiles_NHQ
    assert quantiles is not None
    exact = density.elements(forecast, truth(return_N), Task(output_mode="distribution", target=target))["crps"]
    return float(elements(quantiles, truth(return_N), question)["crps"].mean()), float(exact.mean())


@pytest.mark.parametrize(("shares", "lacking"), [(DECILES, 0.015), (TWENTIETHS, 0.005)])
@pytest.mark.parametrize("target", ["log_return", "close"])
def test_it_nears_the_crps_of_the_law(shares: tuple[float, ...], lacking: float, target: str) -> None:
    ours, exact = crps(shares, target)
    assert ours == pytest.approx((1 - lacking) * exact, rel=0.002)


def test_it_is_the_pinball_loss_of_each_share() -> None:
    rng = np.random.default_rng(1)
    return_N, quantiles_NHQ = 0.01 * rng.standard_normal(50), np.sort(0.01 * rng.standard_normal((50, 1, 3)))
    shares = (0.1, 0.25, 0.8)
    losses = [mean_pinball_loss(return_N, quantiles_NHQ[:, 0, q], alpha=share) for q, share in enumerate(shares)]
    expected = 2 * 100 * np.dot(losses, [0.125, 0.35, 0.375])  # half the distance between the neighbours
    found = elements(quantiles_NHQ, truth(return_N), task(shares))["crps"].mean()
    assert found == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(weights(shares), [0.125, 0.35, 0.375])


def test_the_intervals_whose_ends_are_there_are_covered() -> None:
    assert intervals(DECILES) == {80: (0, 8)}
    assert set(intervals(TWENTIETHS)) == {50, 80, 90} and set(intervals((0.025, 0.975))) == {95}
    return_N = np.array([-0.02, 0.0, 0.01, 0.02])
    quantiles_NHQ = np.tile([-0.01, 0.01], (4, 1, 1))
    total = {name: v.sum(axis=0) for name, v in elements(quantiles_NHQ, truth(return_N), task((0.1, 0.9))).items()}
    assert read_out(total | {"count": np.array([4.0])})["coverage_80"] == 50.0


def test_a_scorer_reports_it_beside_the_errors_of_closes() -> None:
    rng = np.random.default_rng(2)
    close_NH = 100 * np.exp(0.01 * rng.standard_normal((60, 1)))
    outcomes = Outcomes(np.zeros(60, int), ("aaa",), 3600 * np.arange(60), np.full(60, 100.0), close_NH)
    question = task(DECILES)
    scorer = Scorer(outcomes, fit_reference(outcomes, [close_NH[:, 0]], Task(output_mode="mean")), question)
    forecast = with_quantiles(law(60, 0.01), DECILES)
    scores = scorer.score(forecast)
    assert {"crps", "coverage_80", "mae", "acc_dir"} <= scores.mean.pooled.keys() and "nll" not in scores.mean.pooled
    expected = elements(forecast.quantiles_NHQ, truth(np.log(close_NH[:, 0] / 100)), question)["crps"]
    assert scores.mean.pooled["crps"] == pytest.approx(float(expected.mean()))
    np.testing.assert_allclose(scores.loss_N, expected[:, 0])
    broken = forecast._replace(quantiles_NHQ=np.full((60, 1, 9), np.nan))
    assert np.isnan(scorer.score(broken).mean.pooled["crps"])
    with pytest.raises(ValueError, match="quantiles needs quantiles_NHQ"):
        scorer.score(law(60))
