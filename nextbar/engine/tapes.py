"""Tapes that compiled code reads its bars from: a whole one on the device, or excerpts from the host.

The whole tape lies on the device or, where that has no room, on the host; then each call gets an excerpt, which is cut
and copied while the call before computes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property

import jax
import numpy as np

from nextbar.data.excerpt import excerpt, origins_in
from nextbar.data.room import with_room
from nextbar.data.window_spec import WindowSpec
from nextbar.data.windows import Tape
from nextbar.engine.devices import Devices, free_memory
from nextbar.engine.program import Program
from nextbar.errors import ConfigError
from nextbar.machine.hosts import from_first
from nextbar.types import Array

SHARE = 0.5
"""part of the device's free memory that bars may take, where the configuration does not say how much"""

AT_ONCE = 2
"""excerpts on the device: that of the call that computes, and that of the next"""


class NoRoom(ConfigError):
    """The device may not hold the bars of a single step."""


@dataclass(frozen=True, eq=False)
class WholeTape:
    """A tape on the device, which every call has."""

    tape: Tape
    devices: Devices

    def on(self, devices: Devices) -> WholeTape:
        """The same on other devices; itself where it is there already."""
        return self if devices == self.devices else WholeTape(devices.place(self.tape), devices)

    def fit(self, program: Program, members: int, steps: int) -> Program:
        """The program as it is."""
        return program

    def most_steps(self, batch: int) -> int:
        """Steps that a call may have; no bound."""
        return sys.maxsize

    def of_rows(self, row: np.ndarray, each: bool = False) -> tuple[Tape, Array]:
        """The tape that windows are cut from, and the rows of their last known bars on it.

        Args:
            row: those on the whole tape, with any axes.
            each: the first of them is that of members.
        """
        return self.tape, self.devices.place(row, each)


@dataclass(frozen=True, eq=False)
class Excerpts:
    """A tape on the host; each call has the windows that it computes, and the device no more than ``most`` bytes."""

    tape: Tape
    devices: Devices
    spec: WindowSpec
    most: int

    def on(self, devices: Devices) -> Excerpts:
        """The same for other devices; itself where it is for them already."""
        return self if devices == self.devices else Excerpts(self.tape, devices, self.spec, self.most)

    def fit(self, program: Program, members: int, steps: int) -> Program:
        """The program with calls that are short enough.

        Args:
            program: of an experiment.
            members: how many are computed side by side, each on windows of its own.
            steps: of an epoch.

        Raises:
            NoRoom: for the windows of a single step.
        """
        step = members * program.batch_size
        least = max(step, program.evaluation_batch)
        if not self.most_steps(least):
            fewer = "fewer members or a" if step > program.evaluation_batch else "a"
            raise NoRoom(
                f"max_device_bytes: bars may take {self.most:,} bytes of the device, should be at least "
                f"{AT_ONCE * self.size(least):,}, {AT_ONCE} times those of the {least} windows that are computed at "
                f"once, since the next ones are copied meanwhile; or use {fewer} smaller batch_size"
            )
        return program.in_shorter_calls(self.most_steps(step), steps)

    def most_steps(self, batch: int) -> int:
        """Steps that a call may have; 0: there is no room for one."""
        return max(0, self.most // AT_ONCE - self._sizes[0]) // (batch * self._sizes[1])

    def size(self, windows: int) -> int:
        """Bytes of an excerpt."""
        same, each = self._sizes
        return same + windows * each

    @cached_property
    def _sizes(self) -> tuple[int, int]:
        """Bytes that every excerpt has, and those of each of its windows."""
        first = self.spec.seq_len - 1
        bytes_of_one, bytes_of_two = (tape_bytes(self._cut(np.full(n, first))) for n in (1, 2))
        return 2 * bytes_of_one - bytes_of_two, bytes_of_two - bytes_of_one

    def of_rows(self, row: np.ndarray, each: bool = False) -> tuple[Tape, Array]:
        """As of ``WholeTape``.

        An excerpt is cut and copied when it is asked for. So ask while the call before computes, and only once the one
        before that has ended, whose excerpt is gone then.
        """
        return self.devices.place(self._cut(row.reshape(-1))), self.devices.place(self._origins(row.shape), each)

    def _cut(self, origin_N: np.ndarray) -> Tape:
        return excerpt(self.tape, origin_N, self.spec, self.spec.horizon)

    def _origins(self, shape: tuple[int, ...]) -> np.ndarray:
        """Rows of an excerpt's origins, which were handed over in that shape."""
        return origins_in(int(np.prod(shape)), self.spec, self.spec.horizon).reshape(shape)


Tapes = WholeTape | Excerpts


def tapes_of(tape: Tape, devices: Devices, spec: WindowSpec, max_device_bytes: int) -> Tapes:
    """The whole tape, if it fits, else excerpts; of several processes the first decides.

    Args:
        tape: bars on the host.
        devices: what computes.
        spec: what a window consists of.
        max_device_bytes: that bars may take; 0: a share of the device's free memory, where that is known.
    """
    most = max_device_bytes or from_first(_room)
    fitting = (whole for whole in (with_room(tape), tape) if most is None or tape_bytes(whole) <= most)
    whole = next(fitting, None)
    return Excerpts(tape, devices, spec, most or 0) if whole is None else WholeTape(devices.place(whole), devices)


def tape_bytes(tape: Tape) -> int:
    """Size of a tape."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tape))


def _room() -> int | None:
    free = free_memory()
    return None if free is None else int(SHARE * free)
