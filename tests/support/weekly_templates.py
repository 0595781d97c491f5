"""Weekly templates at random, and the opening times of bars in some slots of the week."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from nextbar.bars.slots import DAY, HOUR, MONDAY, WEEK


def week_times(slots: np.ndarray, weeks: int, step: int, phase: int = 0, first_week: int = 2600) -> np.ndarray:
    """Opening times of the given slots in each of several weeks."""
    starts = MONDAY + phase + (first_week + np.arange(weeks)) * WEEK
    return (starts[:, None] + np.asarray(slots) * step).ravel()


@st.composite
def templates(draw):
    step = draw(st.sampled_from([HOUR, 4 * HOUR, 12 * HOUR, DAY]))
    cycle = WEEK // step
    slots = draw(st.lists(st.integers(0, cycle - 1), min_size=1, max_size=cycle, unique=True))
    return step, draw(st.integers(0, step - 1)), sorted(slots)
