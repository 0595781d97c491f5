"""What training says of each series, and of an unknown one."""

from __future__ import annotations

import numpy as np

from nextbar.baselines.history import History
from nextbar.baselines.reference import reference_of
from nextbar.metrics.task import Task

TASK = Task(output_mode="distribution", horizon=2, target="close")


def history(ticker: str, close_N: np.ndarray) -> History:
    return History(ticker, "1h", 3600 * np.arange(len(close_N)), close_N)


def walk(seed: int, n: int, size: float) -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, size, n)))


def test_an_unknown_series_moves_like_the_mean_of_the_known() -> None:
    closes = walk(0, 200, 0.01), walk(1, 300, 0.03)
    found = reference_of([history("a", closes[0]), history("b", closes[1])], TASK)
    own = [[np.log(close[h : len(close) - 2 + h] / close[:-2]).std() for h in (1, 2)] for close in closes]
    np.testing.assert_allclose(found.move_std_SH, [*own, np.mean(own, axis=0)], rtol=1e-12)


def test_a_handful_of_moves_is_no_spread_where_others_of_the_resolution_have_many() -> None:
    """Two steps take 100 moves. A longer bar moves further, so that its spread is no other's."""
    series = [history("a", walk(0, 102, 0.01)), history("b", walk(1, 101, 0.03))]
    series += [own._replace(resolution="1d") for own in series[1:]]
    found = reference_of(series, TASK).move_std_SH
    own = [[np.log(h.close_N[k : len(h.close_N) - 2 + k] / h.close_N[:-2]).std() for k in (1, 2)] for h in series]
    np.testing.assert_allclose(found, [own[0], own[0], own[2], own[0]], rtol=1e-12)
    np.testing.assert_allclose(reference_of(series[1:2], TASK).move_std_SH[0], own[1], rtol=1e-12)


def test_changes_of_prices_share_no_unit() -> None:
    found = reference_of([history("a", walk(0, 200, 0.01) - 150)], TASK)
    assert np.isfinite(found.move_std_SH[0]).all() and np.isnan(found.move_std_SH[1]).all()
