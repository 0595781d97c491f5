"""How many trainings side by side help on this device: measured, since that depends on device and shape."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.engine.devices import room
from nextbar.engine.engine import Engine
from nextbar.engine.tapes import NoRoom
from nextbar.logger import get_logger
from nextbar.machine.compilation import enable_cache
from nextbar.train.scored_spans import ScoredSpans

GAIN = 1.1
"""how much more windows a second twice as many members must give, or they only cost memory and compilation"""

ROOM = 0.8
"""share of the memory that is left that a population may take"""

CALLS = 3
"""timed calls of the compiled code; the fastest counts, since whatever else the machine does only slows one down"""


def helpful_size(
    config: ExperimentConfig, dataset: Dataset, most: int, trying: Callable[[int], object] = lambda members: None
) -> int:
    """How many members a population of this shape should have: 1, 2, 4, ..., at most ``most``.

    Doubles the number while that makes the steps of a member at least a tenth cheaper and there is memory. Takes a
    compilation and a few calls of the training code for each number tried; what was compiled is found in JAX's
    persistent cache afterwards. On a CPU, whose cores one training of a large model keeps busy, it will often be 1.

    Args:
        config: one of the experiments; only what all members share matters.
        dataset: its windows.
        most: how many there are to train.
        trying: called with each number before it is tried, which may end the process where memory is short.

    Raises:
        ValueError: ``most`` below 1.
        ConfigError: ``max_device_bytes`` is not enough for one.
    """
    if most < 1:
        raise ValueError(f"most: found {most}, should be at least 1")
    enable_cache()
    best, pace, size, tapes = 1, np.inf, 1, None
    frequencies = ScoredSpans(config, dataset).reference.frequencies_HK
    while size <= most and most > 1:
        trying(size)
        try:
            engine = Engine([config] * size, dataset, tapes)
            seconds = _seconds(engine, engine.join([engine.start(frequencies)] * size))
        except NoRoom:
            if size == 1:
                raise
            break
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            break
        tapes = engine.tapes
        if seconds is None or seconds / size * (GAIN if size > 1 else 1) > pace:
            break
        get_logger().debug("%d members: %.3g s a member and call", size, seconds / size)
        best, pace, size = size, seconds / size, 2 * size
    return best


def _seconds(engine: Engine, state: Any) -> float | None:
    """Time of one call of the training code; None where it would take more memory than it may."""
    arguments = next(engine.calls(engine.orders([1] * len(engine.configs))))
    call = engine.functions.train.lower(state, *arguments).compile()
    need, free = _need(call), room()
    if need is not None and free is not None and need > ROOM * free:
        return None
    taken = []
    for _ in range(1 + CALLS):
        began = time.perf_counter()
        state, _ = jax.block_until_ready(call(state, *arguments))
        taken.append(time.perf_counter() - began)
    return min(taken[1:])  # the first call of a program sets up what the others find


def _need(call: Any) -> int | None:
    """Bytes that a compiled call takes beside its arguments, which are there already; None: not known."""
    sizes = call.memory_analysis()
    return None if sizes is None else int(sizes.temp_size_in_bytes + sizes.output_size_in_bytes)
