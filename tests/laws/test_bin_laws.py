"""A move that meets an edge exactly is in the bin above it: in labels, metrics, baselines and calibration alike."""

from __future__ import annotations

from fractions import Fraction

import jax
import numpy as np
import pytest
from builders import make_bars, make_config
from window_reference import MODES, gather_all

from nextbar.bars.bars import Bars
from nextbar.data.dataset import SPANS, build_dataset
from nextbar.metrics.calibration import by_bin
from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.move_bins import bin_index
from nextbar.types import Forecast

EDGES = ("-1", "-0.25", "-0.1", "0", "0.1", "0.25", "1")
LEVELS = (-np.inf, *map(float, EDGES), np.inf)
N, HORIZON = 400, 2


def ticks(unit: int, seed: int) -> np.ndarray:
    """Whole numbers of ticks. Every second is a multiple of ``unit``, and the next differs from it by an edge, where
    whole ticks can, or by a tick more or less."""
    rng = np.random.default_rng(seed)
    even_N = unit * rng.integers(10, 15, N // 2)
    edge_N = rng.choice(np.array(EDGES, float), N // 2)
    odd_N = np.round(even_N * (1 + edge_N / 100)).astype(int) + rng.choice([-1, 0, 0, 0, 1], N // 2)
    return np.stack([even_N, odd_N], axis=1).reshape(-1)


def exact_bins(tick_N: np.ndarray, origin_N: np.ndarray) -> np.ndarray:
    """(N, H) by whole numbers: the number of edges that the move has reached."""
    edges = [Fraction(edge) for edge in EDGES]

    def exact(last: int, close: int) -> int:
        move = Fraction(100 * (close - last), last)
        return sum(move >= edge for edge in edges)

    return np.array([[exact(int(tick_N[i]), int(tick_N[i + h])) for h in range(1, HORIZON + 1)] for i in origin_N])


@pytest.mark.parametrize(
    ("unit", "tick"), [(2000, "5e-11"), (40, "0.25"), (2000, "0.01"), (2000, "0.1"), (1000, "100")]
)
def test_labels_metrics_and_baselines_agree_with_exact_arithmetic(unit: int, tick: str) -> None:
    """Prices of 1e-6 to 1e6, in all normalisations."""
    tick_N = ticks(unit, seed=unit)
    close_N = np.array([float(int(t) * Fraction(tick)) for t in tick_N])
    columns = dict.fromkeys(("open", "high", "low", "close"), close_N)
    bars = Bars("made_up", "1h", make_bars(n=N).time_N, columns)
    config = make_config(
        output_mode="discrete_grid", discrete_grid_levels=LEVELS, horizon=HORIZON, features="ohlc", clock=False
    )
    dataset = build_dataset(config, [bars])
    origin_N = np.sort(np.concatenate([dataset.origins[span] for span in SPANS]))
    exact_NH = exact_bins(tick_N, origin_N)

    weight_N = np.ones(len(origin_N), np.float32)
    got = gather_all(dataset.tape(), origin_N.astype(np.int32), weight_N, MODES, dataset.preparation.spec)
    for label_NH in jax.device_get(got.y_BH):
        np.testing.assert_array_equal(label_NH, exact_NH)

    task, outcomes = Task.of(config), dataset.outcomes_at(origin_N)
    sure_NHK = np.log(np.eye(len(LEVELS) - 1)[exact_NH] * (1 - 1e-9) + 1e-10)
    forecast = Forecast(log_probs_NHK=sure_NHK)
    reference = fit_reference(outcomes, [close_N], task)
    assert Scorer(outcomes, reference, task).score(forecast).mean.pooled["acc"] == 100
    for h in range(HORIZON):
        count_K = np.bincount(exact_NH[:, h], minlength=len(LEVELS) - 1)
        frequency_K = (count_K + 1) / (len(origin_N) + len(LEVELS) - 1)
        np.testing.assert_allclose(reference.frequencies_HK[h], frequency_K, rtol=1e-12)
    for row in by_bin(outcomes, forecast, task):
        assert row["forecast"] == pytest.approx(row["frequency"], abs=1e-6)


@pytest.mark.parametrize("price", [1e-6, 1e-3, 1.0, 97.0, 1e4, 1e6])
def test_prices_of_fine_ticks_are_told_exactly(price: float) -> None:
    """A hundred million ticks: one more or less than what meets an edge is on the right side of it."""
    rng = np.random.default_rng(0)
    last_N = 4_000 * rng.integers(20_000, 25_000, 200)
    tick = Fraction(str(price)) / 100_000_000
    for edge in map(Fraction, EDGES):
        for off in (-1, 0, 1):
            close_N = [int(last * (1 + edge / 100)) + off for last in last_N]
            last, close = (np.array([float(int(t) * tick) for t in n]) for n in (last_N, close_N))
            reached = sum(e <= edge for e in map(Fraction, EDGES))
            wanted = reached if off >= 0 else reached - 1
            assert (bin_index(last, close, LEVELS) == wanted).all(), (edge, off)
