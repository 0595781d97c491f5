"""The compiled epoch: padding, chunks, order inside a batch, what compiles, what crosses to the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from builders import make_config
from experiments import GRID, assert_bit_equal, compilations, leaves, make_engine
from flax.training.train_state import TrainState

from nextbar.data.windows import gather
from nextbar.engine import engine as engine_module
from nextbar.engine import epoch as compiled
from nextbar.engine import program as sizes
from nextbar.engine.engine import Cancelled, Engine
from nextbar.engine.functions import functions_of
from nextbar.engine.order import Order, Steps
from nextbar.engine.program import Program

pytestmark = pytest.mark.compiled

CLOSE = {"rtol": 2e-5, "atol": 2e-6}
"""the same sums in another order; Adam divides by the gradient's own size, so parameters differ no less"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    """90 windows in 6 steps of 16, the last one of 10; dropout on."""
    made = make_engine(dropout=0.1)
    assert (made.n_windows, made.steps_per_epoch) == (90, 6)
    return made


@pytest.fixture(scope="module")
def calm() -> Engine:
    """The same without dropout."""
    return make_engine(dropout=0.0)


def epoch_steps(engine: Engine, epoch: int = 1) -> Steps:
    """All six steps of an epoch."""
    return Order.shuffled(engine.rows, engine.program.batch_size, engine.configs[0].seed, epoch).steps(0, 6)


@cache
def call_of(program: Program) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
    """The compiled call of a program; it consumes no buffers."""
    return jax.jit(partial(compiled.train_call, program))


def run_steps(engine: Engine, steps: Steps, steps_a_call: int, **fields: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """An epoch of the steps from the untrained state, in calls of so many; ``fields`` of the program."""
    call = call_of(replace(engine.program, steps_a_call=steps_a_call, **fields))
    state, made, of_epoch = engine.start(None), [], len(steps.row_TB)
    for first in range(0, of_epoch, steps_a_call):
        count = min(steps_a_call, of_epoch - first)
        filled = np.minimum(first + np.arange(steps_a_call), of_epoch - 1)
        part = Steps(steps.row_TB[filled], steps.weight_TB[filled])
        state, told = call(state, engine.tape, engine.hyper, part, jnp.int32(count), jnp.int32(of_epoch))
        made.append(jax.tree.map(lambda each_T, count=count: each_T[:count], told))
    return state, jax.tree.map(lambda *parts: np.concatenate(parts), *made)


def test_the_masked_last_batch_trains_like_the_short_one(calm: Engine) -> None:
    """An epoch equals plain optax on batches of 16, 16, 16, 16, 16 and 10 windows, without any padding."""
    trained, told = calm.train(calm.start(None), 1)
    steps = epoch_steps(calm)
    model, head = calm.program.model, calm.program.model.head
    params, tx = calm.start(None).params, optax.inject_hyperparams(optax.adamw)(1e-3, weight_decay=1e-4)
    opt_state = tx.init(params)

    @jax.jit
    def gradients(params: Any, row_B: jax.Array) -> tuple[jax.Array, Any]:
        batch = gather(calm.tape, row_B, jnp.ones(len(row_B)), calm.hyper.norm_mode, calm.program.spec)
        return jax.value_and_grad(lambda p: jnp.mean(head.loss(model.apply({"params": p}, batch), batch.y_BH)))(params)

    for step in range(6):
        row_B = steps.row_TB[step][steps.weight_TB[step] > 0]
        loss, grads = gradients(params, row_B)
        assert told.loss_T[step] == pytest.approx(float(loss), rel=1e-5)
        opt_state.hyperparams["learning_rate"] = jnp.float32(told.learning_rate_T[step])
        updates, opt_state = tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
    assert int(steps.weight_TB[-1].sum()) == 10
    for ours, plain in zip(leaves(trained.params), leaves(params), strict=True):
        np.testing.assert_allclose(ours, plain, **CLOSE)


def test_mean_loss_of_an_epoch_weighs_windows_not_batches(calm: Engine) -> None:
    _, told = calm.train(calm.start(None), 1)
    weights = [16] * 5 + [10]
    assert told.mean_loss(90, 16) == pytest.approx(np.average(told.loss_T.astype(float), weights=weights), rel=1e-12)
    # and from the forecasts made on the way, window by window
    outcome = calm.dataset.outcomes("training")
    labels = calm.labels()
    unit = (outcome.close_NH - outcome.last_close_N[:, None]) / np.where(labels == 0, 1, labels)
    error = (told.forecast.location_NH / unit - labels)[labels != 0]
    assert told.mean_loss(90, 16) == pytest.approx(np.mean(error**2), rel=1e-3)


@pytest.mark.optimized
def test_a_call_ends_with_the_epoch(engine: Engine) -> None:
    """Calls of 4 steps: the second has 2 left to do; the whole state is that of the plain epoch, bit by bit."""
    steps = epoch_steps(engine)
    filled, told = run_steps(engine, steps, 4, counted=True)
    plain, wanted = run_steps(engine, steps, 1, counted=True)
    assert int(filled.step) == int(plain.step) == 6
    assert_bit_equal(filled, plain)
    np.testing.assert_array_equal(told["loss"], wanted["loss"])

    program = replace(engine.program, steps_a_call=6, counted=True)
    begun = engine.start(None)
    idle, nothing = call_of(program)(begun, engine.tape, engine.hyper, steps, jnp.int32(0), jnp.int32(6))
    assert_bit_equal(idle, begun)
    assert not any(leaf.any() for leaf in leaves(nothing))


@pytest.mark.optimized
@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("steps_a_call", [2, 6])
def test_the_length_of_a_call_changes_nothing(engine: Engine, steps_a_call: int, counted: bool) -> None:
    """Bit-equal: the loop's body is compiled alike whatever its count, known to the compiler or not (on the CPU;
    elsewhere to rounding)."""
    steps = epoch_steps(engine)
    one, told_one = run_steps(engine, steps, 1, counted=True)
    many, told_many = run_steps(engine, steps, steps_a_call, counted=counted)
    if jax.default_backend() == "cpu":
        assert_bit_equal((one, told_one), (many, told_many))
    else:
        for a, b in zip(leaves((one, told_one)), leaves((many, told_many)), strict=True):
            np.testing.assert_allclose(a, b, **CLOSE)


@pytest.mark.optimized
def test_an_evaluation_is_the_same_whether_its_steps_are_counted(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit-equal on the CPU, elsewhere to rounding; 17 windows in 5 steps, of which a call has room for 5 or 64."""
    params, rows = engine.start(None).params, engine.rows[:17]
    program = replace(engine.program, batch_size=4, slices=1)
    answers = []
    for counted, room in ((True, 5), (False, 5), (True, 64)):
        monkeypatch.setattr(compiled, "counts_steps", lambda counted=counted: counted)
        steps = Order.straight(rows, 4).steps(0, room)
        call = jax.jit(partial(compiled.evaluate_call, program))
        told = call(params, engine.tape, engine.hyper.norm_mode, steps, jnp.int32(5))
        answers.append(jax.tree.map(lambda each_T: each_T[:5], told))
    for other in answers[1:]:
        if jax.default_backend() == "cpu":
            assert_bit_equal(answers[0], other)
        else:
            np.testing.assert_allclose(answers[0]["loss"], other["loss"], **CLOSE)


def test_the_order_inside_a_batch_changes_nothing_but_rounding(calm: Engine) -> None:
    steps = epoch_steps(calm)
    rng = np.random.default_rng(0)
    mixed = np.stack([rng.permutation(16) for _ in range(6)])
    straight, told = run_steps(calm, steps, 6)
    permuted, told_permuted = run_steps(calm, Steps(*(np.take_along_axis(a, mixed, axis=1) for a in steps)), 6)
    np.testing.assert_allclose(told_permuted["loss"], told["loss"], rtol=1e-5)
    for a, b in zip(leaves(straight.params), leaves(permuted.params), strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)
    # another composition of the batches is another training
    _, told_shifted = run_steps(calm, Steps(*(np.roll(a.reshape(-1), 5).reshape(6, 16) for a in steps)), 6)
    assert np.abs(told_shifted["loss"] - told["loss"]).max() > 1e-4


def test_training_is_a_function_of_the_seed(engine: Engine) -> None:
    def train(seed: int) -> list[np.ndarray]:
        other = make_engine(dropout=0.1, seed=seed)
        return leaves(other.train(other.start(None), 1)[0].params)

    assert all(np.array_equal(a, b) for a, b in zip(train(4), train(4), strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(train(4), train(5), strict=True))


def test_dropout_draws_anew_at_every_step(engine: Engine) -> None:
    """At learning rate 0 and with the same windows, two steps differ by their masks alone."""
    hyper = engine.hyper._replace(learning_rate=np.float32(0))
    steps = jax.tree.map(lambda a: jnp.broadcast_to(a[:1], a.shape), epoch_steps(engine))
    state = engine.start(None)
    # a head that says something, so that masks show
    params = jax.tree.map(lambda a: a + 0.1, state.params)
    call = call_of(replace(engine.program, steps_a_call=6))
    counts = jnp.int32(6), jnp.int32(6)
    _, told = call(state.replace(params=params), engine.tape, hyper, steps, *counts)
    assert len(np.unique(told["loss"])) == 6
    calm_hyper = hyper._replace(dropout=np.float32(0))
    _, calm = call(state.replace(params=params), engine.tape, calm_hyper, steps, *counts)
    np.testing.assert_allclose(calm["loss"], calm["loss"][0], rtol=1e-6)


@pytest.mark.parametrize("slices", [2, 8])
def test_a_batch_in_slices_trains_like_the_whole(calm: Engine, slices: int) -> None:
    """Also the last batch, whose slices hold other numbers of real windows, one of them none."""
    steps = epoch_steps(calm)
    whole = run_steps(calm, steps, 6)
    sliced = run_steps(calm, steps, 6, slices=slices)
    for a, b in zip(leaves(whole), leaves(sliced), strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)


def test_slices_draw_masks_of_their_own(engine: Engine) -> None:
    """A batch of one window over and over: nothing but the masks tells its elements apart."""
    state = engine.start(None)
    state = state.replace(params=jax.tree.map(lambda a: a + 0.1, state.params))
    row = jnp.broadcast_to(engine.rows[:1], (16,))
    batch = gather(engine.tape, row, jnp.ones(16), engine.hyper.norm_mode, engine.program.spec)
    program = replace(engine.program, slices=4)
    _, _, forecast = compiled.train_step(program, state, batch, engine.hyper, jnp.float32(0))
    assert len(np.unique(forecast["location_NH"])) > 10


def test_slices_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fewest equal parts that hold no more than is allowed; none on devices without a limit."""
    monkeypatch.setattr(sizes, "SLICE_TOKENS", {jax.default_backend(): 1000})
    assert [sizes._slices(128, tokens) for tokens in (1, 7, 8, 26, 100, 10_000)] == [1, 1, 2, 4, 16, 128]
    assert sizes._slices(96, 26) == 3  # 32 windows of 38 that would fit
    assert sizes._slices(127, 26) == 1  # a prime: slices of one window would cost more than they save
    assert sizes._slices(127, 500) == 127
    monkeypatch.setattr(sizes, "SLICE_TOKENS", {})
    assert sizes._slices(128, 10_000) == 1


OTHERS: dict[str, Any] = {
    "learning_rate": 7e-3, "lr_mode": "linear", "warmup_epochs": 9, "num_epochs": 7, "weight_decay": 0.3, "seed": 5,
    "norm_mode": "global_minmax", "dropout": 0.35,
}  # fmt: skip


def test_other_hyper_parameters_compile_nothing() -> None:
    """Any of the traced ones, and all of them together; the first run compiles, or the test could not fail."""
    with compilations() as first:
        train_one_epoch(dropout=0.1, batch_size=15)
    assert any("train_call" in name for name in first) and any("evaluate_call" in name for name in first)
    with compilations() as later:
        for overrides in ({"seed": 1}, {"norm_mode": "none"}, {"lr_mode": "constant"}, OTHERS):
            train_one_epoch(**{"dropout": 0.1, "batch_size": 15, **overrides})
    assert later == []


def test_another_gradient_clip_compiles_nothing() -> None:
    train_one_epoch(dropout=0.1, gradient_clip=0.1)
    with compilations() as later:
        train_one_epoch(dropout=0.1, gradient_clip=7.0)
    assert later == []


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere the compiler knows how many steps there are")
def test_another_number_of_windows_compiles_nothing() -> None:
    """As in a final fit, which has those of validation too: the same bars, other cuts."""
    bars = {"n": 300, "dropout": 0.1, "batch_size": 9}
    train_one_epoch(**bars)
    with compilations() as later:
        for split in (0.05, 0.3):
            engine = make_engine(**bars, validation_split=split)
            assert engine.n_windows != make_engine(**bars).n_windows
            train_one_epoch(**bars, validation_split=split)
    assert later == []


def train_one_epoch(**overrides: Any) -> None:
    engine = make_engine(**overrides)
    state, _ = engine.train(engine.start(None), 1)
    state, _ = engine.train(state, 2)
    engine.evaluate(state.params, engine.dataset.origins["test"])


@pytest.fixture
def no_implicit_transfers() -> Iterator[None]:
    """Set globally, since the context manager knows its own thread alone."""
    jax.config.update("jax_transfer_guard", "disallow")
    yield
    jax.config.update("jax_transfer_guard", "allow")


def test_nothing_crosses_unasked_in_an_epoch(engine: Engine, request: pytest.FixtureRequest) -> None:
    state, _ = engine.train(engine.start(None), 1)  # constants are placed when compiled
    params = jax.tree.map(jnp.array, state.params)
    request.getfixturevalue("no_implicit_transfers")
    with pytest.raises(Exception, match="transfer"):  # the guard is on
        jax.jit(lambda x: x + 1)(np.float32(1))
    engine.train(state, 2)
    engine.evaluate(params, engine.dataset.origins["test"])


@pytest.mark.parametrize("mode", ["mean", "distribution", "discrete_grid"])
def test_evaluation_does_not_depend_on_the_batch_size(mode: str) -> None:
    levels = GRID if mode == "discrete_grid" else None
    answers = []
    params = None
    for batch_size in (1, 5, 64):
        engine = make_engine(output_mode=mode, discrete_grid_levels=levels, batch_size=batch_size, horizon=2)
        if params is None:
            start = engine.start(np.full((2, len(GRID) - 1), 0.25) if levels else None).params
            params = jax.tree.map(lambda a: a + 0.1 * jnp.sin(jnp.arange(a.size)).reshape(a.shape), start)
        answers.append(engine.evaluate(params, engine.dataset.origins["test"]))
    n = len(engine.dataset.origins["test"])
    for answer in answers:
        assert answer.loss_N.shape == (n,)
        assert np.ptp(answer.loss_N) > 0
        for a, b in zip(leaves(answer), leaves(answers[0]), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_evaluation_drops_nothing(engine: Engine, calm: Engine) -> None:
    """Dropout belongs to training alone."""
    params = jax.tree.map(lambda a: a + 0.1, engine.start(None).params)
    rows = engine.dataset.origins["test"]
    assert_bit_equal(engine.evaluate(params, rows).loss_N, engine.evaluate(params, rows).loss_N)
    np.testing.assert_allclose(engine.evaluate(params, rows).loss_N, calm.evaluate(params, rows).loss_N, rtol=1e-5)


def test_forecasts_of_an_epoch_belong_to_their_windows(calm: Engine) -> None:
    """With a learning rate of 0 the forecasts made in training are those of an evaluation of the same rows."""
    start = calm.start(None)
    params = jax.tree.map(lambda a: a + 0.1, start.params)
    wanted = calm.evaluate(params, calm.dataset.origins["training"]).forecast.location_NH
    hyper = calm.hyper
    calm.hyper = jax.device_put(hyper._replace(learning_rate=np.float32(0)))
    try:
        _, told = calm.train(start.replace(params=jax.tree.map(jnp.array, params)), 3)
    finally:
        calm.hyper = hyper
    np.testing.assert_allclose(told.forecast.location_NH, wanted, rtol=1e-4, atol=1e-5)
    assert np.ptp(wanted) > 0


def test_labels_are_those_of_the_bars(calm: Engine) -> None:
    """Change over the window's price range, in float64 from the bars themselves."""
    outcome = calm.dataset.outcomes("training")
    (bars,) = calm.dataset.bars
    prices = np.stack([bars.columns[name] for name in ("open", "high", "low", "close")])
    windows = [prices[:, i - 5 : i + 1] for i in calm.dataset.origins["training"]]
    wanted = (outcome.close_NH[:, 0] - outcome.last_close_N) / [np.ptp(w) for w in windows]
    np.testing.assert_allclose(calm.labels()[:, 0], wanted, rtol=1e-5, atol=1e-6)


def test_a_cancelled_epoch_stops() -> None:
    engine = make_engine(dropout=0.1)
    state = engine.start(None)
    engine.cancelled.set()
    with pytest.raises(Cancelled):
        engine.train(state, 1)
    with pytest.raises(Cancelled):
        engine.evaluate(engine.start(None).params, engine.dataset.origins["test"])


def test_progress_is_told_up_to_the_whole_epoch(engine: Engine) -> None:
    told: list[int] = []
    engine.train(engine.start(None), 1, told.append)
    assert told[-1] == engine.steps_per_epoch and told == sorted(told)


def test_a_loss_that_is_not_finite_names_its_step() -> None:
    engine = make_engine(learning_rate=1e38, norm_mode="none", price=1e6, lr_mode="constant")
    _, told = engine.train(engine.start(None), 1)
    bad = told.first_bad_step
    assert bad is not None and bad > 0
    assert np.isfinite(told.loss_T[:bad]).all() and not np.isfinite(told.loss_T[bad])


def test_no_batch_is_larger_than_there_are_windows() -> None:
    """However large a batch may be: memory follows the windows, and so does the result."""
    large, whole = (make_engine(batch_size=size) for size in (10**9, 90))
    assert large.program.batch_size == large.n_windows == 90 and large.steps_per_epoch == 1
    assert_bit_equal(large.train(large.start(None), 1)[0].params, whole.train(whole.start(None), 1)[0].params)


@pytest.mark.parametrize(
    ("steps", "step_flops", "wanted"),
    [
        (100, 1e10, (5, False)),  # exactly the budget of 5e10
        (20, 0.7e10, (10, False)),  # 7.1 would do: 5 and 10 divide, and 10 is nearer by a hair
        (1723, 0.7e10, (7, True)),  # a prime: the last call is shorter
        (13, 0.5e10, (13, False)),  # 10 would do; all in one is within a factor of two
        (3, 1e9, (3, False)),
        (1000, 1e12, (1, True)),
    ],
)
def test_calls_have_equally_many_steps_where_that_goes(
    steps: int, step_flops: float, wanted: tuple[int, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "COUNTED", set())
    monkeypatch.setitem(sizes.CHUNK_FLOPS, jax.default_backend(), 5e10)
    assert sizes._calls(steps, step_flops, 16) == wanted


@pytest.mark.parametrize(
    ("step_flops", "batch_size", "wanted"), [(1e10, 16, 5), (0.7e10, 16, 7), (1e12, 16, 1), (1e9, 2**14, 16)]
)
def test_where_steps_are_counted_calls_do_not_follow_from_the_windows(
    step_flops: float, batch_size: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for room that few steps would leave empty."""
    monkeypatch.setattr(sizes, "COUNTED", {jax.default_backend()})
    monkeypatch.setitem(sizes.CHUNK_FLOPS, jax.default_backend(), 5e10)
    assert {sizes._calls(steps, step_flops, batch_size) for steps in (1, 7, 100, 10**6)} == {(wanted, True)}
    assert [sizes._calls(steps, 1e7, 16)[0] for steps in (1, 64, 65, 129, 10**6)] == [64, 64, 128, 256, 256]


@pytest.mark.parametrize("clipped", [False, True])
def test_where_steps_are_not_counted_an_epoch_is_the_same(
    engine: Engine, clipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on accelerators: whole calls, or a last one that is shorter; evaluations in parts alike, the last overfull."""
    state, told = engine.train(engine.start(None), 1)
    wanted = leaves((state.params, told, engine.evaluate(state.params, engine.rows)))
    functions_of.cache_clear()
    monkeypatch.setattr(sizes, "COUNTED", set())
    monkeypatch.setitem(sizes.CHUNK_FLOPS, jax.default_backend(), 1e30)
    monkeypatch.setattr(engine_module, "EVALUATION_STEPS", 2)
    other = make_engine(dropout=0.1)
    if clipped:
        other.program = replace(other.program, steps_a_call=4, counted=True)
        other.functions = functions_of(other.program)
    assert (other.program.steps_a_call, other.program.counted) == ((4, True) if clipped else (6, False))
    state, told = other.train(other.start(None), 1)
    found = leaves((state.params, told, other.evaluate(state.params, other.rows)))
    functions_of.cache_clear()
    for a, b in zip(wanted, found, strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)


@pytest.mark.parametrize(
    ("fields", "few"),
    [({"seq_len": 400, "d_model": 8}, True), ({"seq_len": 6, "batch_size": 1}, False)],
)
def test_a_call_is_short_also_where_attention_costs_most(fields: dict[str, Any], few: bool) -> None:
    """By the model of costs; a long context makes attention scores, not weights, the work of a step."""
    config = make_config(batch_size=fields.pop("batch_size", 128), num_layers=2, n_heads=4, **fields)
    spec = replace(make_engine().program.spec, seq_len=config.dataset_config.seq_len)
    steps = Program.of(config, spec, 100_000).steps_a_call
    assert steps <= 2 if few else steps == sizes.MOST_STEPS
