"""The model: what each option changes, the untrained start, and that any combination trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batches import A, F, G, H, L, make_batch, make_config
from experiments import GRID, make_cohort, make_dataset

from nextbar.config import ExperimentConfig, ModelConfig
from nextbar.data.dataset import Dataset
from nextbar.data.spreads import BINS
from nextbar.metrics.reference import baseline_forecast
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.model.encoder import EncoderBlock
from nextbar.model.heads import head_for
from nextbar.model.precision import BFLOAT16, BFLOAT16_FACTORS, FLOAT32, Precision
from nextbar.model.transformer import Transformer, architecture
from nextbar.types import Batch, Context, Forecast


def shapes(**overrides: Any) -> dict[str, tuple[int, ...]]:
    """Parameter names and shapes, nothing computed."""
    config = make_config(**overrides)
    model = Transformer(config.model_config, head_for(config), BINS)
    made = jax.eval_shape(model.init, jax.random.key(0), make_batch(config))["params"]
    return {"/".join(key.key for key in path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(made)}


PLAIN = shapes()


def blocks(tree: dict[str, tuple[int, ...]], name: str) -> list[str]:
    return sorted({path.split("/")[0] for path in tree if path.startswith(name)})


def test_the_plain_model_has_the_parts_of_the_description() -> None:
    assert blocks(PLAIN, "") == [
        "encoder_0", "extract", "head", "head_0", "norm_output", "token_0", "token_1",
    ]  # fmt: skip
    assert PLAIN["extract/kernel"] == (F, 8)
    assert PLAIN["encoder_0/attention/query/kernel"] == (8, 8)
    assert PLAIN["token_0/embedding"] == (32, 8)
    # clock, what is known ahead, and spreads are joined to the encoder's vector
    assert PLAIN["head_0/Dense_0/kernel"] == (8 + H * (4 + A) + G, 8)
    assert PLAIN["head/location/kernel"] == (8, H)
    assert not [path for path in PLAIN if path.startswith("encoder_0/attention") and path.endswith("bias")]


def test_sizes() -> None:
    wide = shapes(d_model=12, dim_feedforward=20)
    assert wide["encoder_0/feedforward/Dense_0/kernel"] == (12, 20)
    assert wide["encoder_0/project/kernel"] == (20, 12)
    assert blocks(shapes(num_layers=3), "encoder") == ["encoder_0", "encoder_1", "encoder_2"]
    assert blocks(shapes(head_layers=0), "head_") == []
    assert shapes(head_layers=0)["head/location/kernel"] == (8 + H * (4 + A) + G, H)
    assert blocks(shapes(head_layers=3), "head_") == ["head_0", "head_1", "head_2"]


def test_vector_of_the_encoder() -> None:
    flat = shapes(flatten_encoder_output=True)
    assert flat["head_0/Dense_0/kernel"] == ((G + L) * 8 + H * (4 + A) + G, 8)
    without = shapes(flatten_encoder_output=True, use_extra_tokens=False)
    assert without["head_0/Dense_0/kernel"] == (L * 8 + H * (4 + A), 8)
    assert shapes(average_encoder_output=True) == PLAIN


def test_feature_extractor() -> None:
    """Widths grow in equal steps from the features to the model."""
    two = shapes(fe_blocks=3, d_model=20)
    assert [two[f"extract_{i}/Dense_0/kernel"] for i in range(3)] == [(5, 10), (10, 15), (15, 20)]
    residual = shapes(fe_blocks=1, use_resblocks_in_fe=True)
    assert residual["extract_0/DenseBlock_0/Dense_0/kernel"] == (5, 8)
    assert shapes(use_resblocks_in_head=True)["head_0/DenseBlock_0/Dense_0/kernel"] == (8 + H * (4 + A) + G, 8)


def test_time2vec_tokens_and_norm() -> None:
    time2vec = shapes(use_time2vec=True)
    assert (time2vec["time2vec/frequency"], time2vec["time2vec/clock"]) == ((8,), (4, 8))
    assert blocks(PLAIN, "time2vec") == []
    assert blocks(shapes(use_extra_tokens=False), "token") == []
    assert blocks(shapes(norm_encoder_prev=False), "norm_output") == []


def test_outputs_of_each_mode() -> None:
    assert blocks_of_head("mean") == {"location"}
    assert blocks_of_head("distribution") == {"location", "log_scale"}
    assert blocks_of_head("distribution", tail="student_t") == {"location", "log_scale", "df"}
    assert blocks_of_head("distribution", tail="skew_t") == {"location", "log_scale", "df", "skew"}
    assert blocks_of_head("discrete_grid") == {"logits"}
    assert shapes(output_mode="discrete_grid")["head/logits/kernel"] == (8, H * (len(GRID) - 1))


def blocks_of_head(mode: str, **overrides: Any) -> set[str]:
    tree = shapes(output_mode=mode, **overrides)
    return {path.split("/")[1] for path in tree if path.startswith("head/")}


def apply(config: ExperimentConfig, batch: Batch, params: Any = None, seed: int = 0) -> np.ndarray:
    """Location of a model whose output layer says something."""
    model = Transformer(config.model_config, head_for(config), BINS)
    if params is None:
        params = randomised(model.init(jax.random.key(seed), batch)["params"])
    return np.asarray(model.apply({"params": params}, batch)["location"])


def randomised(params: Any) -> Any:
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda a: a + jnp.float32(0.3 * rng.normal(size=a.shape)), params)


@pytest.mark.parametrize(
    "overrides",
    [{"n_heads": 1}, {"average_encoder_output": True}, {"precision": "bf16"}],
    ids=["n_heads", "average", "bf16"],
)
def test_options_without_parameters_change_the_computation(overrides: dict[str, Any]) -> None:
    """The same parameters, another answer."""
    plain, other = make_config(), make_config(**overrides)
    batch = make_batch(plain)
    params = randomised(Transformer(plain.model_config, head_for(plain), BINS).init(jax.random.key(0), batch)["params"])
    a, b = apply(plain, batch, params), apply(other, batch, params)
    assert np.abs(a - b).max() > 1e-4
    if "precision" in overrides:
        np.testing.assert_allclose(a, b, atol=0.1)


def test_norm_before_or_after_is_another_computation() -> None:
    block = {}
    x = jnp.float32(10 * np.random.default_rng(0).normal(size=(2, L, 8)) + 3)
    for first in (True, False):
        layer = EncoderBlock(make_config(norm_encoder_prev=first).model_config, FLOAT32)
        params = layer.init(jax.random.key(0), x, None)
        block[first] = np.asarray(layer.apply(params, x, None))
    np.testing.assert_allclose(block[False].mean(-1), 0, atol=1e-5)  # post-norm: the output is normalised
    np.testing.assert_allclose(block[False].std(-1), 1, atol=1e-3)
    assert block[True].std(-1).max() > 5  # pre-norm: the residual passes through


@pytest.mark.parametrize("overrides", [{}, {"use_time2vec": True}], ids=["sinusoidal", "time2vec"])
def test_what_the_model_reads(overrides: dict[str, Any]) -> None:
    """Every input counts; labels, units and weights are not looked at."""
    config = make_config(**overrides)
    batch, other = make_batch(config), make_batch(config, seed=1)
    params = randomised(
        Transformer(config.model_config, head_for(config), BINS).init(jax.random.key(0), batch)["params"]
    )
    said = apply(config, batch, params)
    for name in Batch._fields:
        changed = apply(
            config, batch._replace(**{name: getattr(other, name) * (1 if name != "weight_B" else 0)}), params
        )
        reads = name in ("x_BLF", "tokens_BG", "spread_BG", "clock_BHC", "ahead_BHA")
        reads = reads or (name in ("time_BL", "clock_BLC") and bool(overrides))
        assert np.array_equal(said, changed) != reads, name


def test_positions_count() -> None:
    """Bars in another order are another window."""
    config = make_config()
    batch = make_batch(config)
    params = randomised(
        Transformer(config.model_config, head_for(config), BINS).init(jax.random.key(0), batch)["params"]
    )
    swapped = batch._replace(x_BLF=batch.x_BLF[:, np.array([1, 0, 2, 3, 4, 5])])
    assert np.abs(apply(config, batch, params) - apply(config, swapped, params)).max() > 1e-4


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("precision", [FLOAT32, BFLOAT16, BFLOAT16_FACTORS])
def test_last_only_is_the_last_row_of_the_whole_block(norm_first: bool, precision: Precision) -> None:
    config = make_config(norm_encoder_prev=norm_first).model_config
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 7, 8)), precision.activations)
    whole, last = EncoderBlock(config, precision), EncoderBlock(config, precision, last_only=True)
    params = whole.init(jax.random.key(0), x, None)
    assert jax.tree.structure(params) == jax.tree.structure(last.init(jax.random.key(0), x, None))
    found = last.apply(params, x, None)
    assert found.shape == (3, 1, 8)
    tolerance = 1e-5 if precision == FLOAT32 else 0.02
    np.testing.assert_allclose(
        np.float32(found), np.float32(whole.apply(params, x, None)[:, -1:]), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("mode", ["mean", "distribution", "discrete_grid"])
def test_half_precision_ends_in_float32(mode: str) -> None:
    config = make_config(precision="bf16", output_mode=mode)
    model, batch = Transformer(config.model_config, head_for(config), BINS), make_batch(config)
    params = jax.eval_shape(model.init, jax.random.key(0), batch)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    outputs = jax.eval_shape(model.apply, params, batch)
    assert {leaf.dtype for leaf in jax.tree.leaves(outputs)} == {jnp.dtype("float32")}
    loss = jax.eval_shape(model.head.loss, outputs, batch.y_BH)
    assert loss.dtype == jnp.float32


def test_a_window_longer_than_the_model_accepts_is_refused() -> None:
    config = make_config(seq_len=4)
    with pytest.raises(ValueError, match="6 bars, but max_seq_len is 4"):
        Transformer(config.model_config, head_for(config), BINS).init(jax.random.key(0), make_batch(config))


def test_architecture_forgets_only_the_rate_of_dropout() -> None:
    assert architecture(ModelConfig(dropout=0.1)) == architecture(ModelConfig(dropout=0.4))
    assert architecture(ModelConfig(dropout=0.0)) != architecture(ModelConfig(dropout=0.1))
    assert architecture(ModelConfig(d_model=64, dropout=0.0)) == ModelConfig(d_model=64, dropout=0.0)


def untrained(
    config: ExperimentConfig, dataset: Dataset, folder: Path
) -> tuple[dict[str, Scorer], dict[str, Forecast]]:
    """The scorers of an experiment, and what the model says before its first step."""
    cohort = make_cohort([config], dataset, folder)
    (evaluation,) = cohort.evaluate()
    assert evaluation is not None
    return cohort.spans.scorers, cohort.spans.forecasts(evaluation)


@pytest.mark.parametrize("target", ["close", "log_return"])
def test_an_untrained_mean_is_persistence(target: str, tmp_path: Any) -> None:
    config, dataset = make_dataset(target=target, norm_mode="window_meanstd")
    scorers, forecasts = untrained(config, dataset, tmp_path)
    np.testing.assert_array_equal(forecasts["test"].location_NH, 0)
    report = scorers["test"].report(forecasts["test"])
    assert report["model"] == report["baseline"]


def test_an_untrained_grid_is_the_training_frequencies(tmp_path: Any) -> None:
    config, dataset = make_dataset(output_mode="discrete_grid", discrete_grid_levels=GRID, horizon=2)
    scorers, forecasts = untrained(config, dataset, tmp_path)
    task = Task(output_mode="discrete_grid", horizon=2, target="close", edges=GRID)
    baseline = baseline_forecast(scorers["test"].reference, dataset.outcomes("test"), task)
    np.testing.assert_allclose(forecasts["test"].log_probs_NHK, baseline.log_probs_NHK, rtol=1e-6)
    report = scorers["test"].report(forecasts["test"])
    assert report["model"]["log_loss"] == pytest.approx(report["baseline"]["log_loss"], rel=1e-6)


@pytest.mark.parametrize("tail", ["normal", "student_t"])
def test_an_untrained_distribution_has_one_spread_in_the_windows_units(tail: str, tmp_path: Any) -> None:
    config, dataset = make_dataset(output_mode="distribution", tail=tail)
    _, forecasts = untrained(config, dataset, tmp_path)
    (bars,) = dataset.bars
    prices = np.stack([bars.columns[name] for name in ("open", "high", "low", "close")])
    unit_N = np.array([np.ptp(prices[:, i - 5 : i + 1]) for i in dataset.origins["test"]])
    spread_N = forecasts["test"].scale_NH[:, 0] / unit_N
    np.testing.assert_array_equal(forecasts["test"].location_NH, 0)
    # the root mean square of persistence's residuals over the training windows, from the bars themselves
    rows = dataset.origins["training"]
    close = bars.columns["close"]
    residuals = [(close[i + 1] - close[i]) / np.ptp(prices[:, i - 5 : i + 1]) for i in rows]
    np.testing.assert_allclose(spread_N, np.sqrt(np.mean(np.square(residuals))), rtol=1e-5)


LONGER, NUMBERS = 5, 4
VECTORS: list[dict[str, Any]] = [
    {}, {"average_encoder_output": True, "norm_encoder_prev": False}, {"flatten_encoder_output": True},
]  # fmt: skip


def with_contexts(batch: Batch, known_J: list[bool], seed: int = 0) -> Batch:
    """The batch beside two resolutions' longer bars, of which the same are there."""
    rng = np.random.default_rng(seed)
    size = len(batch.weight_B)
    known_BJ = jnp.tile(jnp.array(known_J), (size, 1))
    x = (jnp.float32(rng.normal(size=(size, LONGER, NUMBERS))) for _ in range(2))
    return batch._replace(contexts=tuple(Context(x_BJF, known_BJ) for x_BJF in x))


def test_longer_bars_are_positions_in_front_of_the_window() -> None:
    config = make_config(flatten_encoder_output=True)
    model = Transformer(config.model_config, head_for(config), BINS)
    batch = with_contexts(make_batch(config), [True] * LONGER)
    made = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]
    for name in ("context_0", "context_1"):
        assert made[name]["position"].shape == (LONGER, 8) and made[name]["project"]["kernel"].shape == (NUMBERS, 8)
    assert made["head_0"]["Dense_0"]["kernel"].shape == ((2 * LONGER + G + L) * 8 + H * (4 + A) + G, 8)


@pytest.mark.parametrize("vector", VECTORS)
def test_longer_bars_that_are_not_there_count_for_nothing(vector: dict[str, Any]) -> None:
    """Whatever stands in their places; those that are there count, and so does their order."""
    config = make_config(num_layers=2, **vector)
    model = Transformer(config.model_config, head_for(config), BINS)
    known_J = [False, False, True, True, True]
    batch = with_contexts(make_batch(config), known_J)
    params = randomised(jax.jit(model.init)(jax.random.key(0), batch)["params"])
    outputs: Any = jax.jit(lambda batch: model.apply({"params": params}, batch))

    def location(contexts: tuple[Context, ...]) -> np.ndarray:
        return np.asarray(outputs(batch._replace(contexts=contexts))["location"])

    def changed(j: int) -> np.ndarray:
        return location(tuple(c._replace(x_BJF=c.x_BJF.at[:, j].add(1.0)) for c in batch.contexts))

    plain = location(batch.contexts)
    for j, is_known in enumerate(known_J):
        assert np.array_equal(changed(j), plain) != is_known
    turned = location(tuple(c._replace(x_BJF=jnp.roll(c.x_BJF, 1, axis=1)) for c in batch.contexts))
    assert not np.array_equal(turned, plain)
    if "flatten_encoder_output" not in vector:  # as if there were none at all; a flat vector needs its places
        none = location(with_contexts(batch, [False] * LONGER).contexts)
        np.testing.assert_allclose(none, location(()), rtol=1e-5, atol=1e-6)
