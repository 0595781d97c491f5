"""Origins forecast in batches, and quantiles as a network may give them."""

from __future__ import annotations

import numpy as np
import pytest
from rivals_of import FakeRival, instants, keys_between, options, panel

from nextbar.rivals import contexts
from nextbar.rivals.contexts import from_quantiles


def test_origins_are_forecast_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, rival = panel(1), FakeRival().for_task(options(horizon=1))
    cutoff, end = instants(whole)
    rival.fit(whole.frame(0, cutoff))
    keys = keys_between(whole, cutoff, end)
    at_once = rival.predict(whole.frame(0, end), keys)
    assert rival.asked == [13, 13]
    monkeypatch.setattr(contexts, "BATCH", 5)
    rival.asked.clear()
    assert rival.predict(whole.frame(0, end), keys).equals(at_once)
    assert rival.asked == [5, 5, 3] * 2


@pytest.mark.parametrize(
    ("shares", "quantiles", "median"),
    [
        ((0.1, 0.5, 0.9), (-1.0, 0.2, 1.0), 0.2),
        ((0.4, 0.7), (1.0, 4.0), 2.0),
        ((0.5,), (3.0,), 3.0),
        ((0.6, 0.9), (1.0, 2.0), 1.0),
        ((0.1, 0.3), (1.0, 2.0), 2.0),
    ],
)
def test_the_median_is_the_location(shares: tuple[float, ...], quantiles: tuple[float, ...], median: float) -> None:
    ahead = from_quantiles(np.array([[quantiles]]), shares)
    assert ahead.location_NH.item() == pytest.approx(median)


def test_quantiles_that_cross_are_put_in_order() -> None:
    ahead = from_quantiles(np.array([[[3.0, 1.0, 2.0]]]), (0.1, 0.5, 0.9))
    np.testing.assert_array_equal(ahead.quantiles_NHQ, [[[1.0, 2.0, 3.0]]])
    assert ahead.location_NH.item() == 2.0
