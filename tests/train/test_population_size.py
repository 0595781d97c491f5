"""How many members help: doubled while that pays and there is memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import pytest
from experiments import make_dataset

from nextbar.engine import devices
from nextbar.engine.engine import Engine
from nextbar.engine.tapes import NoRoom
from nextbar.errors import ConfigError
from nextbar.train import population_size
from nextbar.train.population_size import helpful_size


def measured(monkeypatch: pytest.MonkeyPatch, seconds: Callable[[int], float | None]) -> list[int]:
    """Calls take so long by their number of members; the numbers that are tried."""
    tried: list[int] = []

    def fake(engine: Engine, state: Any) -> float | None:
        tried.append(len(engine.configs))
        return seconds(len(engine.configs))

    monkeypatch.setattr(population_size, "_seconds", fake)
    return tried


@pytest.mark.parametrize(
    ("seconds", "most", "size", "tried"),
    [
        (lambda n: 1.0, 8, 8, [1, 2, 4, 8]),  # members cost nothing
        (lambda n: 1.0, 7, 4, [1, 2, 4]),
        (lambda n: float(n), 8, 1, [1, 2]),  # side by side as long as one after another
        (lambda n: n / 1.05, 8, 1, [1, 2]),  # too little to be worth it
        (lambda n: 1.0 if n < 4 else n / 2, 64, 2, [1, 2, 4]),
        (lambda n: 1.0 if n < 4 else None, 64, 2, [1, 2, 4]),  # no memory for four
        (lambda n: 1.0, 1, 1, []),
    ],
)
def test_twice_as_many_while_it_pays(
    seconds: Callable[[int], float | None], most: int, size: int, tried: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured(monkeypatch, seconds)
    assert helpful_size(*make_dataset(), most) == size
    assert found == tried


def test_bars_that_the_device_may_not_hold_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit has room for the windows of four; none for those of one is an error of the experiment."""
    config, dataset = make_dataset(n=3_000)

    def refused(members: int) -> str:
        with pytest.raises(NoRoom) as told:
            Engine([replace(config, max_device_bytes=10)] * members, dataset)
        return str(told.value)

    assert "or use fewer members or a smaller batch_size" in refused(8) and "or use a smaller" in refused(1)
    least = int(re.findall(r"at least ([\d,]+)", refused(4))[0].replace(",", ""))
    found = measured(monkeypatch, lambda n: 1.0)
    assert helpful_size(replace(config, max_device_bytes=least), dataset, 8) == 4
    assert found == [1, 2, 4]
    with pytest.raises(ConfigError, match="max_device_bytes"):
        helpful_size(replace(config, max_device_bytes=10), dataset, 8)


def test_what_the_device_cannot_hold_is_not_tried_with_more(monkeypatch: pytest.MonkeyPatch) -> None:
    join = Engine.join

    def crowded(engine: Engine, states: Any) -> Any:
        if len(states) > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory while the members are joined")
        return join(engine, states)

    monkeypatch.setattr(Engine, "join", crowded)
    found = measured(monkeypatch, lambda n: 1.0)
    assert helpful_size(*make_dataset(), 8) == 2
    assert found == [1, 2]


def test_less_than_one_is_refused() -> None:
    with pytest.raises(ValueError, match="most: found 0"):
        helpful_size(*make_dataset(), 0)


def test_a_measurement_on_this_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine says, it is a power of two within bounds; without memory it is nothing but one."""
    config, dataset = make_dataset(dropout=0.1)
    assert helpful_size(config, dataset, 2) in (1, 2)
    monkeypatch.setattr(population_size, "room", lambda: 1)
    assert helpful_size(config, dataset, 2) == 1
    engine = Engine([config, config], dataset)
    assert population_size._seconds(engine, engine.join([engine.start(None)] * 2)) is None
    monkeypatch.undo()
    assert (devices.room() or 2**20) >= 2**20


def test_each_number_is_told_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    def seconds(members: int) -> float:
        assert told[-1] == members
        return 1.0 if members < 4 else members / 2

    measured(monkeypatch, seconds)
    assert helpful_size(*make_dataset(), 64, told.append) == 2
    assert told == [1, 2, 4]
