"""Axis R: rows of all series end to end, and of each by itself."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
from builders import make_bars, with_columns

from nextbar.bars.bars import Bars
from nextbar.bars.naming import Naming
from nextbar.data.panel import Panel

A, B = make_bars("a", n=5), make_bars("b", n=3)
PANEL = Panel((A, B), 2, Naming("1h"))


def test_rows_count_over_all_series() -> None:
    assert PANEL.names == ("a", "b")
    np.testing.assert_array_equal(PANEL.starts, [0, 5, 8])
    np.testing.assert_array_equal(PANEL.series_R, [0] * 5 + [1] * 3)
    np.testing.assert_array_equal(PANEL.close_R, [*A.columns["close"], *B.columns["close"]])
    np.testing.assert_array_equal(PANEL.time_R, [*A.time_N, *B.time_N])
    np.testing.assert_array_equal(PANEL.close_time_R, PANEL.time_R + 3600)
    np.testing.assert_array_equal(PANEL.per_series([7, 9]), [7] * 5 + [9] * 3)


def test_parts_lie_end_to_end_and_are_made_one_at_a_time() -> None:
    alive: list[int] = []

    def parts() -> Iterator[np.ndarray]:
        for b in (A, B):
            part = np.stack([b.columns["open"], b.columns["close"]], axis=1)
            weakref.finalize(part, alive.remove, len(b))
            alive.append(len(b))
            yield part
            del part
            assert len(alive) == 1  # the one that was just laid down

    whole = PANEL.end_to_end(parts(), np.float32)
    assert whole.dtype == np.float32 and whole.shape == (8, 2) and not alive
    np.testing.assert_array_equal(whole[:, 1], PANEL.close_R.astype(np.float32))
    assert PANEL.end_to_end([A.time_N, B.time_N]).dtype == np.int64


def test_rows_of_each_series_are_joined_and_found_again() -> None:
    joined = PANEL.join([np.array([1, 4]), np.array([0])])
    np.testing.assert_array_equal(joined, [1, 4, 5])
    np.testing.assert_array_equal(PANEL.within(joined, 0), [1, 4])
    np.testing.assert_array_equal(PANEL.within(joined, 1), [0])
    assert PANEL.join([np.empty(0, np.int64)] * 2).dtype == np.int32


def test_outcomes_are_the_next_closes() -> None:
    came = PANEL.outcomes(np.array([2, 5]))
    np.testing.assert_array_equal(came.close_NH, [A.columns["close"][3:5], B.columns["close"][1:3]])
    np.testing.assert_array_equal(came.last_close_N, [A.columns["close"][2], B.columns["close"][0]])
    np.testing.assert_array_equal(came.series_N, [0, 1])


def test_realised_variance_is_that_of_the_bars_to_come_by_their_ranges_and_gaps() -> None:
    """Garman and Klass (1980) written out, and the squared gap between a close and the next opening."""
    variance = []
    for i in (3, 4):
        before, (o, h, low, c) = (
            A.columns["close"][i - 1],
            (A.columns[name][i] for name in ("open", "high", "low", "close")),
        )
        inside = 0.5 * np.log(h / low) ** 2 - (2 * np.log(2) - 1) * np.log(c / o) ** 2
        variance.append(np.log(o / before) ** 2 + inside)
    np.testing.assert_allclose(PANEL.realised_variance(np.array([2]))[0], np.cumsum(variance), rtol=1e-12)


def test_without_ranges_there_is_no_realised_variance() -> None:
    closes = Bars(B.ticker, B.resolution, B.time_N, {"close": B.columns["close"]})
    negative = with_columns(B, low=-B.columns["low"])
    for other in (closes, negative):
        realised_NH = Panel((A, other), 2, Naming("1h")).realised_variance(np.array([2, 5]))
        assert np.isfinite(realised_NH[0]).all() and np.isnan(realised_NH[1]).all()
