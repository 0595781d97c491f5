"""What only a GPU can show: it learns what a CPU learns, and the same twice."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from experiments import assert_bit_equal, make_dataset

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.engine.engine import Engine

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(jax.default_backend() != "gpu", reason="no GPU that JAX can use"),
]

ROUNDED = {"rtol": 2e-2, "atol": 1e-3}
"""products of float32 in TF32, which keeps ten bits, as XLA computes them on a GPU"""


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def experiment(request: pytest.FixtureRequest) -> tuple[ExperimentConfig, Dataset]:
    return make_dataset(dropout=0.1, precision=request.param)


def test_an_epoch_is_that_of_a_cpu(experiment: tuple[ExperimentConfig, Dataset]) -> None:
    """Order, dropout and batches are the same to the bit, so losses are to rounding."""
    told = {}
    for platform in ("gpu", "cpu"):
        with jax.default_device(jax.devices(platform)[0]):
            engine = Engine(*experiment)
            told[platform] = engine.train(engine.start(None), 1)[1].loss_T
    np.testing.assert_allclose(told["gpu"], told["cpu"], **ROUNDED)


def test_the_same_epoch_twice_is_the_same(experiment: tuple[ExperimentConfig, Dataset]) -> None:
    engine = Engine(*experiment)
    first, second = (engine.train(engine.start(None), 1)[0].params for _ in range(2))
    assert_bit_equal(first, second)


def test_members_of_a_population_are_what_they_are_alone(experiment: tuple[ExperimentConfig, Dataset]) -> None:
    config, dataset = experiment
    configs = [replace(config, seed=seed) for seed in range(3)]
    together = Engine(configs, dataset)
    state = together.join([together.start(None, member) for member in range(3)])
    _, trained = together.train_each(state, [1, 1, 1])
    for own, of_member in zip(configs, trained, strict=True):
        alone = Engine(own, dataset)
        np.testing.assert_allclose(of_member.loss_T, alone.train(alone.start(None), 1)[1].loss_T, **ROUNDED)
