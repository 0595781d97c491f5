"""Programs: what is recorded of a function of NumPy is what the function does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nextbar.exporting import forecast
from nextbar.exporting.program import Recording, float32, join, stack

CODE: dict[str, Callable[[Any, Any], Any]] = {
    "operators": lambda x, y: 2.0 * x - y / (x + 3) ** 2,
    "functions": lambda x, y: np.where(x > y, np.exp(np.minimum(x, 1.0)), np.cumsum(y, 1)),
    "indices": lambda x, y: x[-1:, None, 1:] + y[:, 0][np.array([0, 2])][1],
    "products": lambda x, y: np.swapaxes(x, 0, 1) @ y,
    "arrays": lambda x, y: x + np.arange(4.0),
}


@pytest.mark.parametrize("name", CODE)
def test_going_through_the_steps_is_running_the_code(name: str) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 3, 4))
    p = Recording()
    p.call("result", CODE[name](p.given("x"), p.given("y")))
    steps = json.loads(json.dumps(p.steps))
    found = forecast.run(steps, {"x": x, "y": y} | p.constants)["result"]
    np.testing.assert_array_equal(found, CODE[name](x, y))


def test_what_numpy_takes_as_a_list() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 3, 4))
    p = Recording()
    both = p.given("x"), p.given("y")
    for name, value in {"stacked": stack(both, axis=1), "joined": float32(join([*both, np.zeros((1, 4))]))}.items():
        p.call(name, value)
    found = forecast.run(p.steps, {"x": x, "y": y} | p.constants)
    np.testing.assert_array_equal(found["stacked"], np.stack([x, y], axis=1))
    np.testing.assert_array_equal(found["joined"], np.concatenate([x, y, np.zeros((1, 4))]).astype(np.float32))


def test_a_name_is_that_of_the_step_itself_where_it_can_be() -> None:
    p = Recording()
    first = p.given("x") + 1.0
    p.call("last", np.log(first))
    p.call("first", first)
    assert p.steps == [["add_0", "add", "x", 1.0], ["last", "log", "add_0"], ["first", "asarray", "add_0"]]


def test_what_cannot_be_a_step_is_refused() -> None:
    x = Recording().given("x")
    for refused in (lambda: np.add.reduce(x), lambda: np.sum(x, axis=0), lambda: np.add(x, 1.0, dtype=np.float32)):
        with pytest.raises(TypeError):
            refused()


def test_the_script_can_be_read() -> None:
    """A page or five, and no function of NumPy that writes or reads anything."""
    assert len(Path(forecast.__file__).read_text().splitlines()) <= 250
    assert not [name for name in forecast.NUMPY.split() if "load" in name or "save" in name or "file" in name]
