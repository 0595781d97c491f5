"""Room after the last rows of a tape: tapes of some more bars, or fewer, then have the same shapes.

So what was compiled for a fold, or for the bars of yesterday, serves the next fold and today's.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from nextbar.data.contexts import ContextTape
from nextbar.data.windows import Tape
from nextbar.machine.long_arrays import empty

MANY = 2**20
"""rows from which on a tape stays as it is: memory then counts for more than a compilation"""

Arrays = TypeVar("Arrays", Tape, ContextTape)


def with_room(tape: Tape) -> Tape:
    """A tape, on the host, with zeros up to a power of two after the last rows of its bars, contexts and chains of
    slots, which grow with the bars of an exchange."""
    contexts, chain_SZ = tuple(map(_filled, tape.contexts)), tape.chain_SZ
    if chain_SZ.size < MANY:
        chain_SZ = np.ascontiguousarray(_up(chain_SZ.T).T)
    return _filled(tape)._replace(contexts=contexts, chain_SZ=chain_SZ)


def _filled(arrays: Arrays) -> Arrays:
    # by the letter of their first axis
    by_row = [name for name in arrays._fields if name.rpartition("_")[2][0] in "RU"]
    roomy: dict[str, Any] = {name: _up(getattr(arrays, name)) for name in by_row}
    return arrays._replace(**roomy)


def _up(array: np.ndarray) -> np.ndarray:
    rows = len(array)
    room = 2 ** (rows - 1).bit_length()
    if rows >= MANY or rows == room:
        return array
    roomy = empty((room, *array.shape[1:]), array.dtype)
    roomy[:rows], roomy[rows:] = array, 0
    return roomy
