"""The model over windows in batches of one shape: the position in a batch and its company change nothing."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from experiments import GRID, compilations, make_dataset
from made_runs import random_parameters

from nextbar.data.scaling import mode_number
from nextbar.data.windows import gather
from nextbar.errors import RunError
from nextbar.inference.forward import Forward
from nextbar.model.transformer import model_of
from nextbar.types import Forecast

SHAPES: dict[str, dict[str, Any]] = {
    "small": {"tickers": ["aaa", "bbb"], "norm_mode": "global_minmax"},
    "odd": {
        "seq_len": 37, "d_model": 40, "num_layers": 2, "n_heads": 5, "dim_feedforward": 77, "horizon": 7,
        "output_mode": "distribution", "tail": "student_t", "target": "log_return", "features": "returns",
        "use_time2vec": True, "time_feature": "span", "use_extra_tokens": True,
    },
    "wide, bins": {
        "seq_len": 24, "d_model": 128, "num_layers": 2, "n_heads": 4, "dim_feedforward": 512,
        "average_encoder_output": True, "output_mode": "discrete_grid", "discrete_grid_levels": GRID,
    },
}  # fmt: skip


def make_inference(name: str) -> tuple[Forward, Any, np.ndarray, Forecast]:
    """An inference, a tape, origins, and their forecasts with the origins as places."""
    config, dataset = make_dataset(n=250, **SHAPES[name])
    inference = Forward(config, dataset.preparation.spec, random_parameters(config, dataset))
    tape, rows = dataset.tape(), np.concatenate([dataset.origins["training"][-40:], dataset.origins["test"]])
    return inference, tape, rows, inference(tape, rows, rows)


def assert_part(whole: Forecast, chosen: Any, part: Forecast) -> None:
    for a, b in zip(whole, part, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a[chosen], b)


@pytest.mark.parametrize("name", SHAPES)
def test_neither_number_nor_company_counts(name: str) -> None:
    """A window alone, among all others, among some, in any order: the same bits."""
    inference, tape, rows, whole = make_inference(name)
    for n in range(len(rows)):
        assert_part(whole, slice(n, n + 1), inference(tape, rows[n : n + 1], rows[n : n + 1]))
    for seed in range(10):
        some = np.random.default_rng(seed).permutation(len(rows))[: 7 * (seed + 1)]
        assert_part(whole, some, inference(tape, rows[some], rows[some]))


def test_every_window_gets_its_own_forecast_however_places_collide() -> None:
    inference, tape, rows, whole = make_inference("small")
    assert whole.location_NH is not None
    assert len(np.unique(whole.location_NH)) > 0.9 * len(rows)
    for place_N in (np.zeros_like(rows), rows // 7, np.random.default_rng(0).integers(0, 10**9, len(rows))):
        again = inference(tape, rows, place_N).location_NH
        np.testing.assert_allclose(again, whole.location_NH, rtol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_forecasts_are_the_models_own(name: str) -> None:
    """Against the model applied to windows gathered from the whole tape."""
    config, dataset = make_dataset(n=250, **SHAPES[name])
    spec, params = dataset.preparation.spec, random_parameters(config, dataset)
    rows = dataset.origins["test"][:20]
    norm_mode = np.int32(mode_number(config.dataset_config.norm_mode))
    model = model_of(config, spec)

    @jax.jit
    def forecasts(tape: Any, row_B: Any) -> dict[str, Any]:
        batch = gather(tape, row_B, jax.numpy.ones(len(rows)), norm_mode, spec)
        return model.head.read(model.apply({"params": params}, batch), batch.unit_B)

    wanted = Forecast(**jax.device_get(forecasts(dataset.tape(), rows)))
    made = Forward(config, spec, params)(dataset.tape(), rows, rows)
    for a, b in zip(made, wanted, strict=True):
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * float(np.abs(b).max()))


def test_one_program_serves_any_number_of_windows_and_series() -> None:
    inference, tape, rows, _ = make_inference("small")
    config, other = make_dataset(n=180, tickers=["ccc"], norm_mode="global_minmax")
    second = Forward(config, inference.spec, random_parameters(config, other, seed=1))
    with compilations() as names:
        inference(tape, rows[:1], rows[:1])
        inference(tape, rows[:50], rows[:50])
        second(other.tape(), other.origins["test"], other.origins["test"])
    assert names == []


def test_parameters_of_another_model_are_refused() -> None:
    config, dataset = make_dataset()
    params = random_parameters(config, dataset)
    params["head"]["location"]["bias"] = np.zeros(2, np.float32)
    with pytest.raises(RunError, match="not those of a model of this configuration"):
        Forward(config, dataset.preparation.spec, params)
