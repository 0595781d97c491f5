"""Room after the last rows of a tape: tapes of some more bars, or fewer, then have the same shapes.

So what was compiled for a fold, or for the bars of yesterday, serves the next fold and today's.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from nextbar.data.contexts import ContextTape
from nextbar.data.windows import Tape

MANY = 2**20
"""rows from which on a tape stays as it is: memory then counts for more than a compilation"""

Arrays = TypeVar("Arrays", Tape, ContextTape)


def with_room(tape: Tape) -> Tape:
    """A tape, on the host, with zeros after the last rows of its bars and contexts, up to a power of two."""
    return _filled(tape)._replace(contexts=tuple(map(_filled, tape.contexts)))


def _filled(arrays: Arrays) -> Arrays:
    by_row = [
        name for name in arrays._fields if name.rpartition("_")[2][0] in "RU"
    ]  # by the letter of their first axis
    return arrays._replace(**{name: _up(getattr(arrays, name)) for name in by_row})


def _up(array: np.ndarray) -> Any:
    rows = len(array)
    if rows >= MANY:
        return array
    filling = np.zeros((2 ** (rows - 1).bit_length() - rows, *array.shape[1:]), array.dtype)
    return np.concatenate([array, filling])
