"""The difference of two forecasts' losses is what it says, and never beyond its bound, whatever the outcome."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, t

from nextbar.forecasts.mixture import mixture
from nextbar.metrics.density import crps
from nextbar.metrics.loss_bounds import loss_difference
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Outcomes

EDGES = (-np.inf, -1.0, 0.0, 1.0, np.inf)


def outcomes(change_NH: np.ndarray, last: float = 100.0) -> Outcomes:
    n = len(change_NH)
    return Outcomes(np.zeros(n, int), ("abc",), np.arange(n), np.full(n, last), last + change_NH)


def laws(rng: np.random.Generator, kind: str, shape: tuple[int, int] = (1, 2)) -> Forecast:
    location, scale = rng.normal(0, 1, shape), rng.uniform(0.3, 3, shape)
    if kind == "normal":
        return Forecast(location, scale)
    if kind == "student_t":
        return Forecast(location, scale, rng.uniform(2.1, 20, shape))
    if kind == "skew_t":
        return Forecast(location, scale, rng.uniform(2.1, 20, shape), rng.uniform(-0.8, 0.8, shape))
    return mixture([laws(rng, "student_t", shape) for _ in range(3)])


def spread(forecast: Forecast, n: int) -> Forecast:
    """The same forecast for n windows."""
    return Forecast(*(None if a is None else np.repeat(a, n, axis=0) for a in forecast))


def test_absolute_errors_in_units_of_a_move() -> None:
    first, second = Forecast(np.array([[1.0, 4.0]])), Forecast(np.array([[3.0, 4.0]]))
    found = loss_difference(first, second, outcomes(np.array([[2.5, 9.0]])), np.array([[2.0, 5.0]]), Task(
        output_mode="mean", horizon=2))  # fmt: skip
    assert found.value_N == pytest.approx([(1.5 - 0.5) / 2 / 2]) and found.bound_N == pytest.approx([2 / 2 / 2])


@pytest.mark.parametrize(
    ("kind", "other"),
    [("normal", "student_t"), ("student_t", "skew_t"), ("skew_t", "normal"), ("mixture", "normal")],
)
def test_no_outcome_is_beyond_the_bound(kind: str, other: str) -> None:
    """Hardly anything is cut off either: the CRPS is computed anew."""
    rng = np.random.default_rng(0)
    task, y_NH = Task(output_mode="distribution", horizon=2), np.linspace(-60, 60, 801)[:, None] * np.ones((1, 2))
    for _ in range(3):
        first, second = laws(rng, kind), laws(rng, other)
        found = loss_difference(
            spread(first, len(y_NH)), spread(second, len(y_NH)), outcomes(y_NH), np.ones(y_NH.shape), task
        )
        raw_NH = crps(spread(first, len(y_NH)), y_NH) - crps(spread(second, len(y_NH)), y_NH)
        assert np.ptp(found.bound_N) < 1e-9, "it depends on the forecasts alone"
        assert (np.abs(found.value_N) <= found.bound_N).all()
        np.testing.assert_allclose(found.value_N, raw_NH.mean(axis=1), atol=0.02 * found.bound_N[0])
        assert found.bound_N[0] == pytest.approx(np.abs(raw_NH).max(axis=0).mean(), rel=0.05), (
            "and no larger than it must be"
        )


@pytest.mark.parametrize("law", [(norm(1, 2), {}), (t(4, 1, 2 / 2**0.5), {"df_NH": np.array([[4.0]])})])
def test_the_crps_is_its_integral(law: Any) -> None:
    frozen, tail = law
    first, second, y = (
        Forecast(np.array([[1.0]]), np.array([[2.0]]), **tail),
        Forecast(np.zeros((1, 1)), np.ones((1, 1))),
        0.7,
    )
    found = loss_difference(
        first, second, outcomes(np.array([[y]])), np.array([[3.0]]), Task(output_mode="distribution")
    )

    def score(cdf: Any) -> float:
        return float(quad(lambda x: cdf(x) ** 2, -200, y)[0] + quad(lambda x: (1 - cdf(x)) ** 2, y, 200)[0])

    assert found.value_N == pytest.approx([(score(frozen.cdf) - score(norm.cdf)) / 3], rel=1e-6)


def test_brier_scores_of_bins() -> None:
    task = Task(output_mode="discrete_grid", edges=EDGES)
    p, q = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.25, 0.25, 0.25, 0.25])
    first, second = (Forecast(log_probs_NHK=np.log(np.tile(x, (4, 1, 1)))) for x in (p, q))
    found = loss_difference(first, second, outcomes(np.array([[-2.0], [-0.5], [0.5], [2.0]])), np.ones((4, 1)), task)
    wanted = [((p - one) ** 2).sum() - ((q - one) ** 2).sum() for one in np.eye(4)]
    np.testing.assert_allclose(found.value_N, wanted)
    np.testing.assert_allclose(found.bound_N, np.abs(wanted).max())


def test_equal_forecasts_leave_nothing_to_bet_on() -> None:
    law = Forecast(np.ones((1, 1)), np.ones((1, 1)))
    found = loss_difference(law, law, outcomes(np.ones((1, 1))), np.ones((1, 1)), Task(output_mode="distribution"))
    assert found.value_N == found.bound_N == 0
