"""What compiled calls return, put together on the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nextbar.engine.order import Order
from nextbar.engine.results import SpanOutput, TrainedEpoch

WINDOW_N = np.array([3, 0, 4, 1, 2])
ORDER = Order(np.arange(5, dtype=np.int32), 2, WINDOW_N.__getitem__)
"""five windows in three steps, the last of which is filled up"""


def in_calls(**arrays: np.ndarray) -> list[dict[str, Any]]:
    """Results of two calls of two steps, the last beyond the end; the location of window n is n."""
    location_TBH = np.append(WINDOW_N, [7, 7, 7]).reshape(4, 2, 1).astype(np.float32)
    return [
        {name: array[at] for name, array in arrays.items()} | {"forecast": {"location_NH": location_TBH[at]}}
        for at in (slice(0, 2), slice(2, 4))
    ]


def test_an_epoch_has_its_steps_and_its_windows_in_their_order() -> None:
    calls = in_calls(loss=np.array([1.0, 2.0, 6.0, 9.0]), learning_rate=np.full(4, 0.5))
    trained = TrainedEpoch.of(calls, ORDER)
    assert trained.loss_T.tolist() == [1, 2, 6] and trained.learning_rate_T.tolist() == [0.5] * 3
    np.testing.assert_array_equal(trained.forecast.location_NH, np.arange(5.0)[:, None])
    assert trained.mean_loss(5, 2) == pytest.approx((2 * 1 + 2 * 2 + 6) / 5, rel=1e-15)
    assert trained.first_bad_step is None


def test_an_epoch_that_diverged_has_no_forecast() -> None:
    calls = in_calls(loss=np.array([1.0, np.inf, np.nan, 1.0]), learning_rate=np.full(4, 0.5))
    diverged = TrainedEpoch.of(calls, ORDER)
    assert diverged.first_bad_step == 1 and diverged.forecast.location_NH is None


def test_a_span_has_its_windows_in_their_order() -> None:
    output = SpanOutput.of(in_calls(loss=np.append(WINDOW_N, [7, 7, 7]).reshape(4, 2) / 10), ORDER)
    np.testing.assert_array_equal(output.loss_N, np.arange(5) / 10)
    np.testing.assert_array_equal(output.forecast.location_NH, np.arange(5.0)[:, None])
    assert output.outputs is None and output.label_NH is None
