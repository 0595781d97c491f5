"""Bars on the host train as bars on the device do, bit by bit, and take no more of it than they may."""

from __future__ import annotations

import re
import weakref
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from builders import make_bars, make_config, make_frame
from experiments import assert_bit_equal, compilations
from jax.sharding import Mesh
from trainings import assert_same_run, interrupt, parameters

from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.windows import Tape
from nextbar.engine import devices, tapes
from nextbar.engine import program as sizes
from nextbar.engine.devices import SINGLE_DEVICE, Devices
from nextbar.engine.engine import Engine
from nextbar.engine.tapes import Excerpts, WholeTape, tape_bytes, tapes_of
from nextbar.errors import ConfigError, TrainingInterrupted
from nextbar.runs.summary import read_summary
from nextbar.train.trainer import Trainer

pytestmark = pytest.mark.compiled

FIELDS: dict[str, Any] = {
    "tickers": ["aaa", "bbb"], "horizon": 2, "dropout": 0.1, "output_mode": "distribution", "indicators": ["rsi"],
    "batch_size": 8,
}  # fmt: skip
SERIES = [make_bars("aaa", n=500, seed=1, holes=(60, 61, 62)), make_bars("bbb", n=700, seed=2, holes=(100,))]


@cache
def dataset() -> Dataset:
    """Two series with holes."""
    return build_dataset(make_config(**FIELDS), SERIES)


def engine(members: int = 1, limit: int = 0) -> Engine:
    configs = [make_config(**FIELDS, seed=i, max_device_bytes=limit) for i in range(members)]
    return Engine(configs, dataset())


def least(members: int) -> int:
    """The smallest limit."""
    with pytest.raises(ConfigError, match=r"max_device_bytes: .* 10 bytes.* or use .*a smaller batch_size") as told:
        engine(members, 10)
    return int(re.findall(r"at least ([\d,]+)", str(told.value))[0].replace(",", ""))


class Two:
    """Two epochs and an evaluation."""

    def __init__(self, members: int, limit: int) -> None:
        with compilations() as self.compiled:
            self.engine = engine(members, limit)
            state = self.engine.join([self.engine.start(None, i) for i in range(members)])
            for epoch in (1, 2):
                state, trained = self.engine.train_each(state, [epoch] * members)
            rows = np.concatenate([dataset().origins[span] for span in ("validation", "test")])
            self.results = state, trained, self.engine.evaluate_each(state.params, rows)


@pytest.fixture(scope="module", params=[1, 2], ids=["alone", "population"])
def pair(request: pytest.FixtureRequest) -> tuple[Two, Two]:
    """With bars on the device, and with as little as possible of them there."""
    return Two(request.param, 0), Two(request.param, least(request.param))


@pytest.mark.optimized
def test_parameters_and_forecasts_are_the_same_to_the_last_bit(pair: tuple[Two, Two]) -> None:
    whole, beyond = pair
    assert isinstance(whole.engine.tapes, WholeTape) and isinstance(beyond.engine.tapes, Excerpts)
    assert beyond.engine.program.steps_a_call < whole.engine.program.steps_a_call
    assert_bit_equal(whole.results[0].opt_state, beyond.results[0].opt_state)
    assert_bit_equal(whole.results[0].params, beyond.results[0].params)
    assert_bit_equal(whole.results[1:], beyond.results[1:])


def test_nothing_more_is_compiled(pair: tuple[Two, Two]) -> None:
    """Each function once, whatever the call, its steps and the epoch."""
    whole, beyond = pair
    assert set(beyond.compiled) <= set(whole.compiled) and len(beyond.compiled) == len(set(beyond.compiled)) > 2


def test_the_device_has_no_more_bars_than_it_may(pair: tuple[Two, Two], monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted while an epoch and an evaluation go on, until nobody holds an array any more."""
    held: dict[int, int] = {}
    most = 0
    place = Devices.place

    def counted(devices: Devices, tree: Any, each: bool = False) -> Any:
        nonlocal most
        placed = place(devices, tree, each)
        if isinstance(tree, Tape):
            for leaf in jax.tree.leaves(placed):
                held[id(leaf)] = leaf.nbytes
                weakref.finalize(leaf, held.pop, id(leaf))
            most = max(most, sum(held.values()))
        return placed

    monkeypatch.setattr(Devices, "place", counted)
    engine, members = pair[1].engine, len(pair[1].engine.configs)
    state = engine.join([engine.start(None, i) for i in range(members)])
    state, _ = engine.train_each(state, [1] * members)
    engine.evaluate_each(state.params, dataset().origins["training"])
    limit = engine.configs[0].max_device_bytes
    assert limit / 2 < most <= limit < tape_bytes(engine.tape) / 2
    assert not held


@pytest.mark.parametrize("kind", [WholeTape, Excerpts])
def test_a_tape_is_placed_once(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine takes it over as it is, unless it computes on other devices."""
    placed: list[Any] = []
    place = Devices.place

    def counted(devices: Devices, tree: Any, each: bool = False) -> Any:
        placed.extend([tree] if isinstance(tree, Tape) else [])
        return place(devices, tree, each)

    monkeypatch.setattr(Devices, "place", counted)
    first = engine(1, 0 if kind is WholeTape else least(1))
    assert isinstance(first.tapes, kind) and len(placed) == (kind is WholeTape)
    again = Engine(first.configs, dataset(), first.tapes)
    assert again.tapes is first.tapes and len(placed) == (kind is WholeTape)
    other = Devices(Mesh(np.array(jax.devices()[:1]).reshape(1, 1), (devices.MEMBERS, devices.WINDOWS)))
    assert first.tapes.on(other).devices == other and first.tapes.on(other) is not first.tapes


def test_fewer_members_have_longer_calls() -> None:
    """As after some of them have ended; the bars are taken over as they are."""
    former = engine(1, least(1))
    assert isinstance(former.tapes, Excerpts)
    room = replace(former.tapes, most=2 * former.tapes.size(6 * former.program.batch_size))
    steps = []
    for members in (1, 2, 3):
        taken = Engine([make_config(**FIELDS, seed=i) for i in range(members)], dataset(), room)
        assert taken.tape is former.tape
        steps.append(taken.program.steps_a_call)
    assert steps == [6, 3, 2]


@pytest.mark.parametrize(
    ("most", "steps", "wanted", "counted"),
    [(100, 84, 50, 50), (50, 84, 50, 50), (49, 84, 42, 49), (30, 84, 28, 30), (8, 84, 7, 8), (40, 83, 40, 40)],
)
def test_shorter_calls_divide_the_epoch_where_that_goes(
    most: int, steps: int, wanted: int, counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where steps are not counted."""
    program = replace(engine().program, steps_a_call=50)
    for devices_of, calls in ((set(), wanted), ({jax.default_backend()}, counted)):
        monkeypatch.setattr(sizes, "COUNTED", devices_of)
        shorter = program.in_shorter_calls(most, steps)
        assert shorter.steps_a_call == calls
        assert most >= 50 or shorter.counted == (bool(devices_of) or steps % calls > 0)


@pytest.mark.parametrize("members", [1, 2, 10])
def test_a_step_has_to_fit(members: int) -> None:
    enough = least(members)
    assert engine(members, enough).program.steps_a_call >= 1
    with pytest.raises(ConfigError, match=f"may take {enough - 1:,} bytes of .* should be at least {enough:,}"):
        engine(members, enough - 1)


@pytest.mark.parametrize(
    ("asked", "free", "kind"),
    [(0, None, WholeTape), (0, 2.0, WholeTape), (0, 1.9, Excerpts), (1.0, 0.1, WholeTape), (0.9, 9.0, Excerpts)],
)
def test_the_device_says_what_fits_unless_the_experiment_does(
    asked: float, free: float | None, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In sizes of the tape; bars may take half of what is free. Nothing is known of a CPU."""
    tape, spec = dataset().tape(), dataset().preparation.spec
    size = tape_bytes(tape)
    monkeypatch.setattr(tapes, "free_memory", lambda: None if free is None else int(free * size))
    assert isinstance(tapes_of(tape, SINGLE_DEVICE, spec, int(asked * size)), kind)
    monkeypatch.undo()
    assert jax.default_backend() != "cpu" or devices.free_memory() is None


@pytest.mark.optimized
def test_a_run_is_the_same_also_gone_on_with_and_fitted_finally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The first fits are the programs of ``pair``, found in the cache on the disk; the final fits are compiled."""
    caplog.set_level("INFO", "nextbar")
    frame, limit = make_frame(*SERIES), least(1)

    def run(name: str, limit: int) -> Path:
        config = make_config(**FIELDS, final_fit=True, log_dir=str(tmp_path / name), max_device_bytes=limit)
        return Trainer(config, frame, show=False).train_and_evaluate().run_dir

    whole = run("whole", 0)
    assert "stay on the host" not in caplog.text
    with monkeypatch.context() as patch:
        interrupt(patch, 2)
        with pytest.raises(TrainingInterrupted, match="after 1 whole epoch"):
            run("beyond", limit)
    beyond = run("beyond", limit)
    assert len(re.findall(r"bars: 117 kB stay on the host; [0-9.]+ kB a call", caplog.text)) == 3
    assert beyond.name == whole.name
    assert_same_run(beyond, whole)
    for fits in zip(parameters(beyond / "final"), parameters(whole / "final"), strict=True):
        assert_bit_equal(*fits)
    assert read_summary(beyond)["metrics"] == read_summary(whole)["metrics"]
