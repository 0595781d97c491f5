"""Room after the last rows: windows stay what they are, and tapes of about as many bars have the same shapes."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from builders import make_bars, make_config
from window_reference import MODES

from nextbar.data import room
from nextbar.data.dataset import SPANS, Dataset, build_dataset
from nextbar.data.room import with_room
from nextbar.data.windows import Tape, gather

FIELDS: dict[str, Any] = {
    "tickers": ["aaa", "bbb"], "resolution": "1d", "output_mode": "distribution", "target": "log_return", "horizon": 2,
    "context_resolutions": ["1w"], "context_len": 2, "range_loss": 1.0,
}  # fmt: skip


def dataset(bars: int) -> Dataset:
    """Two series of so many bars together."""
    series = [make_bars("aaa", "1d", bars // 2, seed=1, holes=(80,)), make_bars("bbb", "1d", bars // 2 + 1, seed=2)]
    return build_dataset(make_config(**FIELDS), series)


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


def test_tapes_of_about_as_many_bars_have_the_same_shapes() -> None:
    fewer, more, twice = (dataset(bars).tape() for bars in (600, 700, 1_100))
    assert shapes(fewer) != shapes(more) and shapes(with_room(fewer)) == shapes(with_room(more))
    assert shapes(with_room(more)) != shapes(with_room(twice))
    for filled, own in zip(jax.tree.leaves(with_room(fewer)), jax.tree.leaves(fewer), strict=True):
        assert filled.dtype == own.dtype and filled.shape[1:] == own.shape[1:]
        if own.ndim:
            np.testing.assert_array_equal(filled[: len(own)], own)
            assert not filled[len(own) :].any() and len(filled) < 2 * len(own)
    assert shapes(with_room(with_room(fewer))) == shapes(with_room(fewer))


def test_a_tape_of_many_bars_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MANY", 600)
    tape = dataset(600).tape()
    assert with_room(tape).rows_RX is tape.rows_RX and with_room(tape).series_R is tape.series_R
