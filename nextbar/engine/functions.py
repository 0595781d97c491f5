"""The jitted functions of a program, for one training or for a population of them."""

from __future__ import annotations

from functools import lru_cache, partial, wraps
from typing import Any

import jax

from nextbar.engine import epoch as compiled
from nextbar.engine.program import Program

STARTING = {"cpu": {"xla_backend_optimization_level": 1}}
"""how the untrained state is compiled, which is computed once: to the same bits, in two thirds of the time"""

KEPT = 4
"""compiled programs kept in a process, one for each number of members; a search over many shapes would otherwise grow
without end"""


class Functions:
    """The functions of one program; they and their executables die together.

    With members, ``train`` and ``evaluate`` work on states, parameters and hyper-parameters that have a
    leading axis P; bars stay shared, and the rows of an evaluation.
    """

    def __init__(self, program: Program, members: int | None, alone: Functions | None, with_outputs: bool) -> None:
        # the very object: a state carries its model's apply, which jit compares by identity
        self.program: Program = alone.program if alone else program
        program = self.program
        jit = program.devices.jit
        self.initialise: Any = (
            alone.initialise if alone else jit(partial(compiled.initial_state, program), compiler_options=_starting())
        )
        self.label: Any = alone.label if alone else jit(partial(compiled.label_call, program))
        each = partial(_jitted, program, members)
        self.train = each(partial(compiled.train_call, program), (0, None, 0, 0, None, None), donate_argnums=0)
        evaluate = partial(compiled.evaluate_call, program, with_outputs=with_outputs)
        self.evaluate = each(evaluate, (0, None, 0, None, None))


@lru_cache(maxsize=KEPT)
def functions_of(program: Program, members: int | None = None, with_outputs: bool = False) -> Functions:
    """The functions of a program; equal programs share them, with their executables.

    Args:
        program: what compiled code depends on.
        members: P; None: a training without that axis.
        with_outputs: ``evaluate`` hands back the head's outputs too.
    """
    return Functions(program, members, None if members is None else functions_of(program), with_outputs)


def _starting() -> dict[str, Any]:
    """Options of the compiler for the untrained state, unless it is to optimise less anyway."""
    optimised = not jax.config.values["jax_disable_most_optimizations"]
    return STARTING.get(jax.default_backend(), {}) if optimised else {}


def _jitted(program: Program, members: int | None, function: Any, axes: tuple[int | None, ...], **options: Any) -> Any:
    """The jitted function; with ``members``, under its own name, with an axis P on the arguments whose axis is 0."""
    devices = program.devices
    if members is not None:
        function = wraps(function.func)(devices.each(function, axes, members, program.members_at_once))
    return devices.jit(function, members is not None, **options)
