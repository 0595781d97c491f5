"""Programs: NumPy code recorded as a list of steps, which ``forecast.run`` goes through.

A ``Value`` stands for an array that is not there yet. Operators, indices and functions of NumPy make others of it, and
each is a step: a name for the result, the function, and what it takes. So what models make of bars is written in NumPy,
and the script needs no code for it, least of all for what a run does not use. Its annotations say ``Array``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from nextbar.types import Array

Step = list[Any]


class Recording:
    """A program while it is recorded: its steps, and the arrays that are constants in it."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.constants: dict[str, np.ndarray] = {}

    def given(self, name: str) -> Array:
        """A value that is there before the program is gone through, or that an earlier step made."""
        return Value(self, name)

    def constant(self, name: str, array: Any) -> Array:
        """An array that is saved with the program."""
        self.constants[name] = np.asarray(array)
        return Value(self, name)

    def layers(self, params: Mapping[str, Any], name: str = "") -> dict[str, Any]:
        """The constants of nested parameters, likewise nested."""
        return {
            key: self.layers(value, f"{name}{key}.") if isinstance(value, Mapping) else self.constant(name + key, value)
            for key, value in params.items()
        }

    def step(self, function: str, *given: Any, name: str = "") -> Array:
        """A step, by default named after its function; ``given`` are values, numbers, None and slices."""
        name = name or f"{function}_{len(self.steps)}"
        self.steps.append([name, function, *(self._plain(a) for a in given)])
        return Value(self, name)

    def call(self, name: str, value: Array) -> Array:
        """Give the value a name that others know it by, or that tells a reader what it is."""
        if not self.steps or self.steps[-1][0] != value.name:
            return self.step("asarray", value, name=name)
        self.steps[-1][0] = value.name = name  # nobody has it by another yet
        return value

    def _plain(self, given: Any) -> Any:
        """What a step takes as it stands in JSON; a slice is a list of its two ends."""
        if isinstance(given, Value):
            return given.name
        if isinstance(given, slice):
            return [given.start, given.stop]
        if isinstance(given, np.ndarray):
            return self.constant(f"array_{len(self.constants)}", given).name
        return given.item() if isinstance(given, np.generic) else given


class Value(NDArrayOperatorsMixin):
    """An array of a program, by its name."""

    def __init__(self, program: Recording, name: str) -> None:
        self.program, self.name = program, name

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *given: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        return self.program.step(ufunc.__name__, *given)

    def __array_function__(self, function: Callable[..., Any], types: Any, given: Any, options: Any) -> Any:
        return NotImplemented if options else self.program.step(function.__name__, *given)

    def __getitem__(self, index: Any) -> Array:
        return self.program.step("get", self, *(index if isinstance(index, tuple) else (index,)))

    def reshape(self, *shape: int) -> Array:
        """Its numbers in another shape."""
        return self.program.step("reshape", self, *shape)


def stack(values: Sequence[Array], axis: int = 0) -> Array:
    """Values of one shape along a new axis; arrays may be among them."""
    program = next(value.program for value in values if isinstance(value, Value))
    return program.step("stack", axis, *values)


def join(values: Sequence[Array]) -> Array:
    """Values end to end along their first axis; arrays may be among them."""
    program = next(value.program for value in values if isinstance(value, Value))
    return program.step("join", *values)


def float32(value: Array) -> Array:
    """A value as the device has it."""
    return value.program.step("float32", value)
