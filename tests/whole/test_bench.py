"""The measurements: what they count is what the model computes, and the comparison runs where PyTorch is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from builders import make_bars, make_config, with_columns
from experiments import make_dataset
from jax.extend.core import jaxprs_in_params

from nextbar.data.dataset import build_dataset
from nextbar.data.spreads import BINS
from nextbar.data.windows import gather
from nextbar.engine.engine import Engine
from nextbar.engine.epoch import train_step

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.append(str(BENCH))
pytest.importorskip("limit", reason="the measurements are not part of an installed package")

from allowed import laws, likeliest_weights  # noqa: E402
from limit import Product, forward_products, multiplier, step_products  # noqa: E402
from peers import COMPILING, MISSING, PEERS, Peer, versions  # noqa: E402
from size import PROCESSES, bartlett, rejections, sizes  # noqa: E402

SIZES = {"d_model": 8, "num_layers": 3, "n_heads": 2, "dim_feedforward": 16, "head_layers": 2, "dropout": 0.1,
         "use_extra_tokens": True}  # fmt: skip


def dot_flops(jaxpr: Any) -> Iterator[float]:
    """Of every matrix product of a program, those in loops as often as they run."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            ((contracted, _), _) = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            yield 2.0 * np.prod(equation.outvars[0].aval.shape) * np.prod([left[i] for i in contracted])
        times = equation.params.get("length", 1)
        for inner in jaxprs_in_params(equation.params):
            yield from (times * flops for flops in dot_flops(inner))


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param({}, id="last"),
        pytest.param({"average_encoder_output": True}, marks=pytest.mark.slow, id="average"),
        pytest.param({"flatten_encoder_output": True}, id="flatten"),
        pytest.param({"use_extra_tokens": False}, marks=pytest.mark.slow, id="no tokens"),
    ],
)
def test_the_products_counted_are_those_of_the_model(overrides: dict[str, Any]) -> None:
    """Forward, and forward and backward; beside them only the output layer, the look-up of the spread tokens, and where
    the last block has one query, products with zeros and ones in place of its attention's."""
    config, dataset = make_dataset(**{**SIZES, **overrides})
    engine = Engine(config, dataset)
    program, state = engine.program, engine.start(None)
    n, width = 16, SIZES["d_model"]
    batch = gather(engine.tape, engine.rows[:n], jnp.ones(n), engine.hyper.norm_mode, program.spec)
    output = 2.0 * n * width * program.spec.horizon
    c = config.model_config
    last_only = not (c.flatten_encoder_output or c.average_encoder_output)
    tokens = program.spec.seq_len + len(program.spec.groups) * c.use_extra_tokens
    one = 2.0 * n * tokens * width * last_only  # a product of all heads with one query
    look_up = 2.0 * n * len(program.spec.groups) * BINS * width * c.use_extra_tokens

    forward = jax.make_jaxpr(lambda params: program.model.apply({"params": params}, batch))(state.params)
    wanted = sum(p.flops for p in forward_products(config, program.spec, n))
    assert sum(dot_flops(forward.jaxpr)) == wanted + (2 * c.n_heads - 2) * one + output + look_up

    step = jax.make_jaxpr(lambda state: train_step(program, state, batch, engine.hyper, jnp.float32(0)))(state)
    wanted = sum(p.flops for p in step_products(config, program.spec, n))
    unread = next(forward_products(config, program.spec, n)).flops  # by the features; the compiler leaves it out
    assert sum(dot_flops(step.jaxpr)) == wanted + (4 * c.n_heads - 6) * one + 3 * output + 2 * look_up + unread


def test_a_product_of_many_and_one_by_one_take_time() -> None:
    for product in (Product(1, 64, 32, 16), Product(2, 64, 32, 16), Product(50, 4, 8, 4)):
        assert product.flops == 2 * product.count * product.m * product.k * product.n
        assert 0 < multiplier(product)() < 1


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_the_peer_learns() -> None:
    """Its loss falls: the network, the labels and the optimiser belong together."""
    import torch
    from torch_peer import torch_epoch

    config, dataset = make_dataset(**{**SIZES, "learning_rate": 0.01})
    engine = Engine(config, dataset)
    rows = engine.rows
    windows = jax.device_get(
        gather(engine.tape, rows, jnp.ones(len(rows)), engine.hyper.norm_mode, engine.program.spec)
    )
    losses: list[float] = []
    plain = torch.nn.functional.mse_loss

    def noted(said: Any, label: Any) -> Any:
        losses.append(float(plain(said.detach(), label)))
        return plain(said, label)

    epoch = torch_epoch(config, windows._replace(y_BH=windows.x_BLF[:, -1, :1]), way="eager")
    torch.nn.functional.mse_loss = noted
    try:
        assert all(epoch() > 0 for _ in range(30))
    finally:
        torch.nn.functional.mse_loss = plain
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


@pytest.mark.slow
def test_training_is_measured() -> None:
    command = [sys.executable, str(BENCH / "train.py"), "--shapes", "A", "--rounds", "1", "--max-windows", "300"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    (shape,) = told["shapes"]
    assert 200 < shape["windows"] < 310
    assert shape["ratios"]["epoch / bare_step"]["median"] > 0
    assert told["peers"] == versions()
    installed = {name for name, package in PEERS.items() if versions()[package] != MISSING} - {*COMPILING}
    assert {name for name in PEERS if f"epoch / {name}" in shape["ratios"]} == installed


@pytest.mark.slow
def test_the_page_of_a_gpu_is_written_on_any_machine(tmp_path: Path) -> None:
    page = tmp_path / "gpu.md"
    command = [sys.executable, str(BENCH / "gpu.py"), "--small", "--minutes", "10", "--out", str(page)]
    subprocess.run(command, check=True, capture_output=True)
    text = page.read_text()
    assert "1 passed" in text and "not finished" not in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| A | ")]
    training, one, two, attention = rows
    assert training[1] == "fp32" and float(training[2].replace(",", "")) > 1
    assert (one[1], two[1]) == ("1", "2") and one[3].startswith("1.00")
    assert all(float(way.split(", ")[1]) < 1e-2 for way in attention[1:3])


def test_what_a_gpu_does_not_get_to_is_told(tmp_path: Path) -> None:
    page = tmp_path / "gpu.md"
    command = [sys.executable, str(BENCH / "gpu.py"), "--small", "--minutes", "0", "--out", str(page)]
    assert subprocess.run(command, capture_output=True).returncode == 1  # what was not tried is not to be trusted
    assert page.read_text().count("no time was left") == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torch_eager", "neuralforecast", "darts"])
def test_a_peer_trains_in_a_process_of_its_own(name: str) -> None:
    if versions()[PEERS[name]] == MISSING:
        pytest.skip(f"{PEERS[name]} is not installed")
    peer = Peer(name, "A", 200, "fp32")
    assert all(1 < peer() < 1e7 for _ in range(2))
    peer.close()


def test_peers_that_are_not_there_are_told() -> None:
    for peers, words in {"pytorch": "no 'pytorch'; there are torch_eager", "darts": "darts needs darts"}.items():
        if peers == "darts" and versions()["darts"] != MISSING:
            continue
        command = [sys.executable, str(BENCH / "train.py"), "--peers", peers]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1 and words in done.stderr


@pytest.mark.parametrize("name", PROCESSES)
def test_the_forecasts_whose_test_is_measured_are_equally_good(name: str) -> None:
    """Mean differentials of 2,000 draws, within four standard errors."""
    rng = np.random.default_rng(0)
    for horizon in (1, 3):
        difference_RT = PROCESSES[name](rng, 2000, 60, horizon)
        mean_R = difference_RT.mean(axis=1)
        assert difference_RT.shape == (2000, 60)
        assert abs(mean_R.mean()) < 4 * mean_R.std() / np.sqrt(2000)


def test_the_tests_that_are_measured_beside_are_what_they_are_called() -> None:
    """Newey-West against statsmodels; all of them hold for many origins without memory."""
    sm = pytest.importorskip("statsmodels.api")
    difference_RT = np.random.default_rng(1).normal(size=(3, 200)).cumsum(axis=1) / 10
    for row_T, variance in zip(difference_RT, bartlett(difference_RT, 5), strict=True):
        fit = sm.OLS(row_T, np.ones(200)).fit(cov_type="HAC", cov_kwds={"maxlags": 5})
        assert variance / 200 == pytest.approx(fit.bse[0] ** 2, rel=1e-9)
    for value in sizes(PROCESSES["normal"], 500, 1, draws=2000, seed=0).values():
        assert value is not None and 3 < value < 7
    assert rejections(difference_RT[:, :20], 1)["cosine"] is None


def test_laws_that_show_what_the_data_allow_know_no_later_bar() -> None:
    """Other prices late in the test span change no law before them, whatever is fitted and grown."""
    pytest.importorskip("sklearn")
    config = make_config(resolution="1d", output_mode="distribution", tail="student_t", target="log_return")
    bars = make_bars(resolution="1d", n=2500)
    changed = 2400 + np.argmin(np.abs(np.diff(np.log(bars.columns["close"])[2399:2450])))  # a calm bar turns wild
    wild = {name: column * np.where(np.arange(2500) < changed, 1.0, 1.5) for name, column in bars.columns.items()}
    plain, other = (build_dataset(config, [b]) for b in (bars, with_columns(bars, **wild)))
    (expected,), (found,) = (laws(dataset, "test", "student_t") for dataset in (plain, other))
    assert {*expected} == {"range_har_t", "start", "trees", "pooled_trees"}
    for name, forecast in expected.items():
        scale_N, other_N = forecast.scale_NH[:, 0], found[name].scale_NH[:, 0]
        np.testing.assert_array_equal(scale_N[:changed], other_N[:changed])
        assert not np.allclose(scale_N[changed:], other_N[changed:])


def test_the_weights_of_a_mixture_are_the_likeliest() -> None:
    """Draws from a mixture of two normal laws, and a third that none is from: no other weights are likelier."""
    rng = np.random.default_rng(0)
    draw_N = np.where(rng.random(4000) < 0.7, rng.normal(size=4000), rng.normal(3.0, 1.0, 4000))
    density_MN = np.exp(-0.5 * (draw_N - np.array([[0.0], [3.0], [8.0]])) ** 2)
    weight_M = likeliest_weights(density_MN)
    np.testing.assert_allclose(weight_M, [0.7, 0.3, 0.0], atol=0.03)
    others = rng.dirichlet(np.ones(3), 200)
    assert (np.log(others @ density_MN).mean(axis=1) <= np.log(weight_M @ density_MN).mean()).all()
