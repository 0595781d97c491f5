"""Blocks and threads: all rows once, results in order, the first error."""

from __future__ import annotations

import threading
from typing import Any

import jax
import numpy as np
import pytest

from nextbar.machine import long_arrays
from nextbar.machine.long_arrays import BLOCK, blocks, empty, in_threads


@pytest.mark.parametrize("shape", [(0,), (3, 0), (7,), (1000, 3)])
def test_the_device_takes_over_an_array_where_it_is_the_host(shape: tuple[int, ...]) -> None:
    array = empty(shape, np.float32)
    assert (array.shape, array.dtype, array.flags.c_contiguous) == (shape, np.float32, True)
    if array.size:
        array[:] = 1
        if jax.default_backend() == "cpu":
            assert jax.device_put(array).unsafe_buffer_pointer() == array.ctypes.data


@pytest.mark.parametrize("rows", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_every_row_is_in_one_block(rows: int) -> None:
    parts = [np.arange(rows)[block] for block in blocks(rows)]
    np.testing.assert_array_equal(np.concatenate([np.empty(0), *parts]), np.arange(rows))
    assert all(0 < len(part) <= BLOCK for part in parts)


def test_results_come_in_the_order_of_the_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the first call ends last; two are at work at once, which else would wait for ever."""
    monkeypatch.setattr(long_arrays, "cores", lambda: 2)
    second = threading.Event()

    def work(i: int, text: str) -> str:
        second.set() if i else second.wait(10)
        return f"{i}{text}"

    assert in_threads(work, [0, 1, 2], "abc") == ["0a", "1b", "2c"] and second.is_set()
    assert in_threads(work, [], []) == []
    with pytest.raises(ValueError):
        in_threads(work, [1, 2], "a")


def test_one_call_stays_in_this_thread() -> None:
    assert in_threads(lambda _: threading.current_thread(), [0]) == [threading.current_thread()]


def test_the_first_error_is_raised() -> None:
    def work(i: int) -> Any:
        raise KeyError(i)

    with pytest.raises(KeyError, match="3"):
        in_threads(work, [3, 4, 5])
