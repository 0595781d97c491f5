"""Windows of an excerpt are those of the whole tape, bit by bit, and an excerpt holds nothing else."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from builders import make_bars, make_config, with_columns
from window_reference import MODES

from nextbar.data.dataset import SPANS, Dataset, build_dataset
from nextbar.data.excerpt import excerpt, origins_in
from nextbar.data.windows import Tape, gather

GATHER = jax.jit(gather, static_argnums=4)
SOME = 12

EXPERIMENTS: dict[str, dict[str, Any]] = {
    "law": {
        "output_mode": "distribution", "tail": "student_t", "target": "log_return", "features": "returns", "horizon": 3,
        "time_feature": "span", "range_loss": 1.0, "norm_mode": "global_meanstd",
        "indicators": ["rsi", "event"], "known_ahead": ["event"], "context_resolutions": ["1w"], "context_len": 2,
    },
    "bins": {"output_mode": "discrete_grid", "discrete_grid_levels": [-1.0, 0.0, 1.0], "indicators": ["bb_upper"]},
    "change": {"horizon": 2, "features": "ohlc"},
}  # fmt: skip


@cache
def dataset_of(name: str) -> Dataset:
    """Two series with holes, one of them in sessions, and a column of their own."""
    config = make_config(tickers=["aaa", "bbb"], resolution="1d", **EXPERIMENTS[name])
    weekends = [day for day in range(330) if day % 7 > 4]
    series = [
        make_bars("aaa", "1d", 300, seed=1, trades=True, holes=(80, 81, 82, 190)),
        make_bars("bbb", "1d", 330, seed=2, trades=True, holes=weekends),
    ]
    return build_dataset(config, [with_columns(b, event=(b.time_N // 86400 % 5 == 0).astype(float)) for b in series])


def origins(dataset: Dataset) -> np.ndarray:
    """Windows of all spans and both series in no order, one of them twice."""
    rows = np.concatenate([dataset.origins[span] for span in SPANS])
    some = np.random.default_rng(0).permutation(rows)[: SOME - 1]
    assert set(dataset.panel.series_R[some]) == {0, 1}
    return np.append(some, some[0]).astype(np.int32)


def arrays(tape: Tape) -> list[np.ndarray]:
    return jax.tree.leaves(tape)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_windows_of_an_excerpt_are_those_of_the_tape(name: str) -> None:
    dataset = dataset_of(name)
    spec, tape, rows, weight = dataset.preparation.spec, dataset.tape(), origins(dataset), np.ones(SOME, np.float32)
    part = excerpt(tape, rows, spec, spec.horizon)
    wanted = GATHER(tape, rows, weight, MODES[0], spec)
    found = GATHER(part, origins_in(SOME, spec, spec.horizon), weight, MODES[0], spec)
    for (path, one), other in zip(jax.tree.leaves_with_path(wanted), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(one, other, err_msg=str(path))
    assert np.ptp(wanted.y_BH) > 0 and all(known.any() for _, known in wanted.contexts)


@pytest.mark.parametrize("ahead", [0, 3])
def test_it_holds_no_bar_but_those_of_its_windows(ahead: int) -> None:
    """Every other row of the tape may be anything: with ``ahead`` 0 also those after the origins."""
    dataset = dataset_of("law")
    spec, tape, rows = dataset.preparation.spec, dataset.tape(), origins(dataset)[:3]
    kept = (rows[:, None] + np.arange(1 - spec.seq_len, 1 + ahead)).reshape(-1)
    other = np.setdiff1d(np.arange(len(tape.series_R)), kept)

    def spoilt(array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        changed[other] += 1
        return changed

    by_row = {name: spoilt(getattr(tape, name)) for name in ("rows_RX", "close_R2", "start_RHX", "regressors_RK")}
    wanted, found = (excerpt(t, rows, spec, ahead) for t in (tape, tape._replace(**by_row)))
    assert all(np.array_equal(a, b) for a, b in zip(arrays(wanted), arrays(found), strict=True))
    assert len(found.rows_RX) == 3 * (spec.seq_len + ahead)
    changed = tape._replace(rows_RX=tape.rows_RX + 1)
    assert not np.array_equal(excerpt(changed, rows, spec, ahead).rows_RX, wanted.rows_RX)
