"""What a log knows of a series' bars, and how bars that were revised are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import make_bars, with_columns

from nextbar.bars.bars import Bars
from nextbar.bars.record import SeriesRecord
from nextbar.errors import DataError
from nextbar.updating.known_bars import NAMED, KnownBars, plain_bars, revision_of, used_columns

BARS = make_bars("abc", n=120)
COLUMNS = ("close", "volume")


def known(n: int = 110, own: int = 100) -> KnownBars:
    """The first ``own`` bars as a record, the next ones with their values."""
    used = used_columns(BARS, COLUMNS)
    first = {
        "ticker": "abc",
        "resolution": "1h",
        "columns": list(COLUMNS),
        "record": SeriesRecord.of(used.first(own)).to_dict(),
    }
    state = KnownBars.of_line(first)
    if n > own:
        state.add(plain_bars(used.first(n).last(n - own)))
    return state


def changed(rows: dict[int, float], column: str = "close", bars: Bars = BARS) -> Bars:
    values = bars.columns[column].copy()
    for row, value in rows.items():
        values[row] = value
    return used_columns(with_columns(bars, **{column: values}), COLUMNS)


def without(*rows: int) -> Bars:
    return used_columns(make_bars("abc", n=120, holes=rows), COLUMNS)


def applied(state: KnownBars, bars: Bars) -> KnownBars:
    revision = revision_of(state, bars)
    assert revision is not None
    state.revise(revision.to_dict())
    return state


def test_bars_come_back_bit_by_bit_also_where_a_value_is_missing() -> None:
    bars = changed({105: np.nan}, "volume")
    state = known(100)
    for n in (105, 110):
        state.add(plain_bars(bars.first(n).last(5)))
    for name in COLUMNS:
        np.testing.assert_array_equal(state.later.columns[name], bars.columns[name][100:110])
    np.testing.assert_array_equal(state.later.time_N, BARS.time_N[100:110])
    assert state.last_time == BARS.time_N[109]
    assert revision_of(state, bars) is None


def test_the_same_bars_and_later_ones_are_no_revision() -> None:
    for bars in (BARS, BARS.first(110), BARS.last(15), BARS.last(30)):
        assert revision_of(known(), used_columns(bars, COLUMNS)) is None


@pytest.mark.parametrize(
    ("bars", "words"),
    [
        (changed({104: 90.0}), "abc_1h: close was {was} and is 90 ("),
        (changed({104: 0.0}, "volume"), "volume was"),
        (without(104), "the bar of 2020-01-10T08:00:00Z is not there any more"),
        (changed({40: 90.0}), "bars were revised from"),
        (without(40), "which are 99 now instead of 100"),
    ],
)
def test_a_revision_is_named_and_then_known(bars: Bars, words: str) -> None:
    state = known()
    revision = revision_of(state, bars)
    assert revision is not None and len(revision.sentences) == 1
    assert words.format(was=f"{BARS.columns['close'][104]:.10g}") in revision.sentences[0]
    after = applied(state, bars)
    assert revision_of(after, bars) is None
    assert revision_of(after, used_columns(BARS, COLUMNS)) is not None, "back again is another revision"


def test_a_bar_that_is_there_now_is_named() -> None:
    state = applied(known(), without(104))
    assert len(state.later) == 9
    (sentence,) = revision_of(state, used_columns(BARS, COLUMNS)).sentences  # type: ignore[union-attr]
    assert "a bar of 2020-01-10T08:00:00Z is there now" in sentence
    assert len(applied(state, used_columns(BARS, COLUMNS)).later) == 10


def test_of_many_the_first_are_named_and_all_are_taken() -> None:
    rows: dict[int, Any] = {row: 50.0 for row in range(100, 110)}
    revision = revision_of(known(), changed(rows))
    assert revision is not None and len(revision.sentences) == NAMED + 1 and "5 more" in revision.sentences[-1]
    assert len(revision.changed) == 10
    assert revision_of(applied(known(), changed(rows)), changed(rows)) is None


def test_a_file_that_begins_later_says_nothing_of_what_was_before() -> None:
    assert revision_of(known(), changed({40: 90.0}, bars=BARS).last(70)) is None
    assert revision_of(known(), changed({104: 90.0}).last(70)) is not None


def test_where_all_of_the_runs_bars_are_others_there_is_nothing_to_continue() -> None:
    earlier = make_bars("abc", n=120)
    moved = Bars("abc", "1h", earlier.time_N - 3600 * 1000, used_columns(earlier, COLUMNS).columns)
    with pytest.raises(DataError, match="none of the bars"):
        revision_of(known(), moved)
