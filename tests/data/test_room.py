"""Room after the last rows: windows stay what they are, and tapes of about as many bars have the same shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from builders import make_bars, make_config
from exchange_bars import sessions_between
from window_reference import MODES

from nextbar.data import room
from nextbar.data.dataset import SPANS, Dataset, build_dataset
from nextbar.data.room import with_room
from nextbar.data.windows import Tape, gather

FIELDS: dict[str, Any] = {
    "tickers": ["aaa", "bbb"], "resolution": "1d", "output_mode": "distribution", "target": "log_return", "horizon": 2,
    "context_resolutions": ["1w"], "context_len": 2, "range_loss": 1.0,
}  # fmt: skip


def dataset(bars: int, **fields: Any) -> Dataset:
    """Two series of so many bars together."""
    series = [make_bars("aaa", "1d", bars // 2, seed=1, holes=(80,)), make_bars("bbb", "1d", bars // 2 + 1, seed=2)]
    if fields.get("calendar") == "XNYS":  # whose days these are then
        time_N = sessions_between("XNYS", "2018-01-02", "2021-12-31")
        series = [replace(b, time_N=time_N[: len(b)]) for b in series]
    return build_dataset(make_config(**FIELDS | fields), series)


def shapes(tape: Tape) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(tape)]


def test_windows_are_those_of_the_tape_itself() -> None:
    some = dataset(600)
    spec, tape = some.preparation.spec, some.tape()
    rows = np.concatenate([some.origins[span] for span in SPANS]).astype(np.int32)
    call = jax.jit(gather, static_argnums=4)
    own, roomy = (call(each, rows, np.ones(len(rows), np.float32), MODES[0], spec) for each in (tape, with_room(tape)))
    for one, other in zip(jax.tree.leaves(own), jax.tree.leaves(roomy), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.ptp(own.y_BH) > 0


@pytest.mark.parametrize("calendar", ["auto", "XNYS"])
def test_tapes_of_about_as_many_bars_have_the_same_shapes(calendar: str) -> None:
    """Also where an exchange's days are counted one by one."""
    fewer, more, twice = (dataset(bars, calendar=calendar).tape() for bars in (540, 600, 1_100))
    assert shapes(fewer) != shapes(more) and shapes(with_room(fewer)) == shapes(with_room(more))
    assert shapes(with_room(more)) != shapes(with_room(twice))
    for filled, own in zip(jax.tree.leaves(with_room(fewer)), jax.tree.leaves(fewer), strict=True):
        assert filled.dtype == own.dtype and filled.ndim == own.ndim
        np.testing.assert_array_equal(filled[tuple(map(slice, own.shape))], own)
        assert np.count_nonzero(filled) == np.count_nonzero(own) and filled.size < 4 * max(own.size, 1)
    assert shapes(with_room(with_room(fewer))) == shapes(with_room(fewer))


def test_the_device_of_a_cpu_takes_it_over_as_it_is() -> None:
    """Arrays on borders of 64 bytes, so that nothing is copied a second time; nor one that has its size already."""
    tape = with_room(dataset(600).tape())
    assert tape.rows_RX.ctypes.data % 64 == 0 and with_room(tape).rows_RX is tape.rows_RX


def test_a_tape_of_many_bars_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MANY", 600)
    tape = dataset(600).tape()
    assert with_room(tape).rows_RX is tape.rows_RX and with_room(tape).series_R is tape.series_R
