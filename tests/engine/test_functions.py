"""How the functions of a program are compiled: once, while other things are done, and to the same bits."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from experiments import assert_bit_equal, compilations, make_dataset, make_engine

from nextbar.engine import epoch as compiled
from nextbar.engine.engine import Engine
from nextbar.engine.functions import STARTING

pytestmark = pytest.mark.compiled


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_training_that_was_compiled_ahead_compiles_nothing_more(seeds: list[int]) -> None:
    configs, (_, dataset) = [make_dataset(seed=seed, d_model=12, n_heads=3)[0] for seed in seeds], make_dataset()
    engine = Engine(configs, dataset) if len(seeds) > 1 else Engine(configs[0], dataset)
    with compilations() as names:
        states = [engine.start(None, member, then_train=member == 0) for member in range(len(seeds))]
        state = engine.join(states)
        engine._compiled.result()  # type: ignore[union-attr]
    assert sum("train_call" in name for name in names) == 1
    with compilations() as names:
        engine.train_each(state, [1] * len(seeds))
    assert names == []


@pytest.mark.optimized
@pytest.mark.parametrize("fields", [{}, {"features": "returns", "use_time2vec": True, "use_extra_tokens": True}])
def test_the_untrained_state_has_the_same_bits_however_it_is_compiled(fields: dict[str, Any]) -> None:
    engine = make_engine(d_model=24, n_heads=3, **fields)
    biases = {name: value.astype(np.float32) for name, value in engine._biases(None, 0).items()}
    rows = engine.rows[: engine.program.batch_size]
    lowered = jax.jit(partial(compiled.initial_state, engine.program)).lower(engine.tape, engine.hyper, rows, biases)
    usual, quick = (lowered.compile(options) for options in ({}, STARTING["cpu"]))
    made = [executable(engine.tape, engine.hyper, rows, biases) for executable in (usual, quick)]
    assert_bit_equal(*map(jax.tree.leaves, made))
