"""Any combination of options that the configuration accepts trains."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batches import B, make_batch, make_config
from experiments import GRID, leaves, make_dataset

from nextbar.config import ModelConfig
from nextbar.data.spreads import BINS
from nextbar.engine.engine import Engine
from nextbar.engine.epoch import train_step
from nextbar.engine.program import Program
from nextbar.engine.state import HyperParameters, create_state
from nextbar.model.heads import head_for
from nextbar.model.transformer import Transformer, architecture

MODEL_OPTIONS: dict[str, list[Any]] = {
    "d_model": [8, 12],
    "num_layers": [1, 2],
    "head_layers": [0, 1, 2],
    "n_heads": [1, 2, 4],
    "dim_feedforward": [1, 16],
    "dropout": [0.0, 0.3],
    "vector": [{}, {"flatten_encoder_output": True}, {"average_encoder_output": True}],
    "fe_blocks": [0, 1, 2],
    "use_resblocks_in_fe": [False, True],
    "use_resblocks_in_head": [False, True],
    "use_time2vec": [False, True],
    "norm_encoder_prev": [False, True],
    "use_extra_tokens": [False, True],
    "mode": [
        {"output_mode": "mean"},
        {"output_mode": "distribution"},
        {"output_mode": "distribution", "tail": "student_t"},
        {"output_mode": "discrete_grid"},
    ],
    "precision": ["fp32", "bf16"],
    "horizon": [1, 3],
    "target": ["close", "log_return"],
    "features": ["ohlcv", "ohlc", "close", "returns"],
    "clock": [True, False],
    "time_feature": ["none", "position", "span"],
    "norm_mode": ["window_minmax", "window_meanstd", "window_mean", "global_minmax", "global_meanstd", "none"],
    "indicators": [None, ["rsi", "ema_3", "bb_upper"]],
    "gradient_clip": [None, 1.0],
    "contexts": [{}, {"context_resolutions": ["4h", "12h"], "context_len": 2}],
}


def combinations(n: int, seed: int) -> Iterator[dict[str, Any]]:
    """So many combinations in which every value comes up as often as any other of its option."""
    rng = np.random.default_rng(seed)
    columns = {}
    for name, values in MODEL_OPTIONS.items():
        picks = np.resize(np.arange(len(values)), n)
        rng.shuffle(picks)
        columns[name] = [values[i] for i in picks]
    for i in range(n):
        flat: dict[str, Any] = {}
        for name, column in columns.items():
            flat |= column[i] if isinstance(column[i], dict) else {name: column[i]}
        yield flat


FAST, ALL = 2, 12


@pytest.mark.parametrize(
    "overrides",
    [pytest.param(given, marks=[pytest.mark.slow] * (i >= FAST)) for i, given in enumerate(combinations(ALL, seed=0))],
    ids=range(ALL),
)
def test_combinations_train(overrides: dict[str, Any]) -> None:
    """Two steps: finite losses, and every parameter that has a gradient moves."""
    if overrides["output_mode"] == "discrete_grid":
        overrides = {**overrides, "discrete_grid_levels": GRID}
    engine = Engine(*make_dataset(**{**overrides, "batch_size": 64, "learning_rate": 1e-3, "lr_mode": "constant"}))
    n_bins = len(GRID) - 1
    start = engine.start(np.full((overrides["horizon"], n_bins), 1 / n_bins) if engine.program.spec.edges else None)
    before = leaves(start.params)
    state, told = engine.train(start, 1)
    assert np.isfinite(told.loss_T).all()
    assert all(np.isfinite(leaf).all() for leaf in leaves(state.params))
    moved = [not np.array_equal(a, b) for a, b in zip(before, leaves(state.params), strict=True)]
    assert np.mean(moved) > 0.5


@pytest.mark.slow
def test_every_combination_of_shapes_can_be_built() -> None:
    """Abstractly: forward, loss and gradient of every pair of option values that decide the parameter tree."""
    names = [name for name in MODEL_OPTIONS if name in (*ModelConfig.__dataclass_fields__, "vector", "mode")]
    rng = np.random.default_rng(0)
    missing = {
        ((a, i), (b, j))
        for a, b in itertools.combinations(names, 2)
        for i in range(len(MODEL_OPTIONS[a]))
        for j in range(len(MODEL_OPTIONS[b]))
    }
    while missing:
        (a, i), (b, j) = next(iter(missing))
        pick = {name: int(rng.integers(len(MODEL_OPTIONS[name]))) for name in names} | {a: i, b: j}
        missing -= set(itertools.combinations([(name, pick[name]) for name in names], 2))
        flat: dict[str, Any] = {}
        for name in names:
            value = MODEL_OPTIONS[name][pick[name]]
            flat |= value if isinstance(value, dict) else {name: value}
        config = make_config(**flat)
        batch = make_batch(config)
        model = Transformer(architecture(config.model_config), head_for(config), BINS)
        params = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]
        program = Program(model, None, B, False, 1, True)  # type: ignore[arg-type]  # one step looks at no spec
        hyper = jax.eval_shape(lambda c=config: HyperParameters.of(c))
        state = jax.eval_shape(partial(create_state, model.apply, clip=False), params)
        after, loss, _ = jax.eval_shape(partial(train_step, program), state, batch, hyper, jnp.float32(1))
        assert jax.tree.map(jnp.shape, after.params) == jax.tree.map(jnp.shape, params)
        assert loss.shape == () and loss.dtype == jnp.float32
