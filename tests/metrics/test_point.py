"""Losses of a location where digits are lost, where logarithms end, and where there is nothing to divide by."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import r2_score

from nextbar.metrics.point import PRICE_FLOOR, elements, read_out
from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth, hit, ratio, target_change
from nextbar.types import Outcomes

CLOSE, LOG_RETURN = Task(output_mode="mean"), Task(output_mode="mean", target="log_return")


def scored(
    location_NH: np.ndarray, close_NH: np.ndarray, task: Task = CLOSE, positive: bool = True, last: float = 100.0
) -> dict[str, np.ndarray]:
    """Metrics of each step; the last close is always the same."""
    truth = Truth.of(np.full(len(close_NH), last), close_NH, positive, float(close_NH.mean()))
    total = {name: values.sum(axis=0) for name, values in elements(location_NH, truth, task).items()}
    return read_out(total | {"count": np.full(close_NH.shape[1], len(close_NH))}, 1.0)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("level", [1.0, 1e6])
def test_r2_is_scikit_learns_whatever_the_level_and_the_unit(level: float, unit: float) -> None:
    """Sums of squares are taken around the mean close: a million times the spread costs no digit that counts."""
    rng = np.random.default_rng(0)
    close_NH = unit * (level + 0.1 * rng.normal(size=(200, 2)))
    location_NH = close_NH - unit * level + unit * 0.05 * rng.normal(size=(200, 2))
    found = scored(location_NH, close_NH, last=unit * level)["r2"]
    predicted_NH = unit * level + location_NH
    wanted = [r2_score(close_NH[:, h], predicted_NH[:, h]) for h in range(2)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert all(0.5 < value < 0.9 for value in wanted)


@pytest.mark.parametrize("close", [(0.1, 0.3), (1e-7, 3e-7), (60_000.1, 60_000.7)])
def test_a_step_whose_closes_are_all_equal_has_no_r2(close: tuple[float, float]) -> None:
    """Its sums leave rounding where there is no variation, since the mean is that of all steps."""
    close_NH = np.tile(close, (77, 1))
    assert np.isnan(scored(np.zeros((77, 2)), close_NH, last=close[0])["r2"]).all()


def test_a_price_at_or_below_the_floor_counts_as_the_floor() -> None:
    """A millionth of the last close, whatever lies below it; above it the logarithm is exact."""
    share_N = np.array([-4.0, -1.0, 0.0, 1e-7, PRICE_FLOOR, 1.5e-6, 0.5, 2.0])
    close_NH = np.full((8, 1), 110.0)
    truth = Truth.of(np.full(8, 100.0), close_NH, True, 110.0)
    found = elements(100.0 * (share_N[:, None] - 1), truth, CLOSE)["squared_log_error"]
    wanted = (np.log(np.maximum(share_N, 1e-6)) - np.log(1.1)) ** 2
    np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-9)


def test_where_prices_may_be_negative_percentages_are_absent_and_undefined() -> None:
    close_NH = np.array([[-1.0, 2.0], [3.0, -4.0], [1.0, 1.0]])
    truth = Truth.of(np.full(3, 0.5), close_NH, False, 0.0)
    assert truth.log_return_NH is None
    assert not {"relative_error", "squared_log_error", "squared_log_return"} & elements(close_NH, truth, CLOSE).keys()
    metrics = scored(close_NH, close_NH, positive=False, last=0.5)
    assert [name for name in metrics if metrics[name].shape != (2,)] == []
    assert [name for name in metrics if np.isnan(metrics[name]).all()] == ["mape", "r2_return"]


def test_an_absurd_forecast_is_infinitely_wrong_without_a_warning() -> None:
    """Also one that overflows; what is not finite is marked."""
    close_NH = np.full((3, 1), 101.0)
    truth = Truth.of(np.full(3, 100.0), close_NH, True, 101.0)
    for task, location in ((CLOSE, 1e300), (LOG_RETURN, 1e4)):
        parts = elements(np.array([[location], [np.inf], [np.nan]]), truth, task)
        assert parts["squared_error"][0, 0] == np.inf
        assert parts["invalid"].tolist() == [[False], [True], [True]]


def test_without_a_spread_nothing_is_standardised() -> None:
    total = {name: np.array([2.0]) for name in ("count", "absolute_error", "squared_error", "squared_deviation")}
    total |= {name: np.array([0.0]) for name in ("deviation", "hit", "move")}
    for spread in (0.0, np.nan, np.inf, -1.0):
        metrics = read_out(total, spread)
        assert np.isnan([metrics["mse_scaled"], metrics["mae_scaled"], metrics["acc_dir"]]).all()
    metrics = read_out(total, 4.0)
    assert (metrics["mse_scaled"], metrics["mae_scaled"]) == (1 / 16, 1 / 4)


def test_hits_are_counted_for_moves_alone_and_ratios_where_there_is_a_denominator() -> None:
    sign, change = np.meshgrid([-1.0, 0.0, 1.0], [-2.0, 0.0, 0.3], indexing="ij")
    found = hit(sign, change)
    assert found["hit"].tolist() == [[1, 0, 0], [0.5, 0, 0.5], [0, 0, 1]]
    assert found["move"].tolist() == 3 * [[True, False, True]]
    np.testing.assert_array_equal(ratio(np.array([1.0, 0.0, -3.0]), np.array([0.0, 0.0, -2.0])), [np.nan, np.nan, 1.5])


def test_what_came_is_in_the_unit_of_the_target_in_float64() -> None:
    """Also where outcomes are float32; a log return of a price not above zero is not finite, without a warning."""
    last_N, close_NH = np.array([100.0, 0.1, 0.0], np.float32), np.array([[101, 99], [0.2, -1], [0, 1]], np.float32)
    outcomes = Outcomes(np.zeros(3, int), ("a",), np.arange(3), last_N, close_NH)
    last_N1, wide_NH = last_N.astype(np.float64)[:, None], close_NH.astype(np.float64)
    np.testing.assert_array_equal(target_change(outcomes, CLOSE), wide_NH - last_N1)
    found = target_change(outcomes, LOG_RETURN)
    assert found.dtype == np.float64 and not np.isfinite(found[1:].ravel()[1:]).any()
    np.testing.assert_allclose(found.ravel()[:3], np.log(wide_NH.ravel()[:3] / last_N1[[0, 0, 1], 0]), rtol=1e-14)
    truth = Truth.of(last_N[:2], close_NH[:2, :1], True, 1.0)
    assert {part.dtype for part in truth if isinstance(part, np.ndarray)} == {np.dtype(np.float64)}
    np.testing.assert_array_equal(truth.change_NH, (wide_NH - last_N1)[:2, :1])
    np.testing.assert_array_equal(truth.log_return_NH, np.log(wide_NH[:2, :1] / last_N1[:2]))
