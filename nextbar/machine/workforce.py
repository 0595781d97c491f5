"""``Workforce``: how many workers a cluster has, and how long it has had none."""

from __future__ import annotations

import time
from collections.abc import Callable

from nextbar.errors import RunError
from nextbar.logger import get_logger
from nextbar.machine.interruptible import pause
from nextbar.machine.units import LOOKS

SETTLED = 3.0
"""seconds without a change after which the workers that are being started count as complete"""

ALONE = 300.0
"""seconds to wait for a worker where there is none: a launcher may be about to start some"""

AGAIN = "the same command goes on from what is saved"


class Workforce:
    """The workers of a cluster.

    Args:
        address: of the cluster, in messages.
        count: says how many there are.
        start: a command that starts one.
    """

    def __init__(self, address: str, count: Callable[[], int], start: str) -> None:
        self._address, self._count, self._start = address, count, start
        self._seen = time.monotonic()

    def settled(self) -> int:
        """How many there are once none has come or gone for a while; waits for the first.

        Raises:
            RunError: none comes.
        """
        number, since = self.present(), time.monotonic()
        if not number:
            get_logger().info("%s has no worker yet: waiting for one", self._address)
        while not number or time.monotonic() - since < SETTLED:
            pause(min(LOOKS, SETTLED))
            before, number = number, self.present()
            if number != before:
                since = time.monotonic()
        return number

    def present(self) -> int:
        """How many there are now.

        Raises:
            RunError: there has been none for long.
        """
        number, now = self._count(), time.monotonic()
        if number:
            self._seen = now
        elif now - self._seen > ALONE:
            raise RunError(f"{self._address} has had no worker for {ALONE:g} s; start some ({self._start}), {AGAIN}")
        return number
