"""What a run keeps of its bars: the same bars are recognised, and whatever changed in them is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import make_bars, with_columns
from hypothesis import given
from hypothesis import strategies as st

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.bars.record import BLOCKS, FEWEST, SeriesRecord, changes

N = 150
LONGER = make_bars("abc", n=N + 40)
BARS = LONGER.between(final=int(LONGER.close_time_N[N - 1]))
RECORD = SeriesRecord.of(BARS)


def without(bars: Bars, row: int) -> Bars:
    return Bars(
        bars.ticker,
        bars.resolution,
        np.delete(bars.time_N, row),
        {name: np.delete(values, row) for name, values in bars.columns.items()},
    )


def test_json_keeps_it_and_it_knows_its_bars() -> None:
    again = SeriesRecord.from_dict(json.loads(json.dumps(RECORD.to_dict())))
    assert again == RECORD
    assert again.revision(BARS) == again.revision(LONGER) == ""
    assert again.counts(BARS) == (0, 0) and again.counts(LONGER) == (0, 40)
    extra = with_columns(LONGER, unused=np.zeros(N + 40))
    assert again.revision(extra) == ""


@given(st.integers(0, N - 1), st.sampled_from(sorted(BARS.columns)), st.sampled_from([0.0, 1e-12, 1.0, np.nan]))
def test_any_value_that_changed_is_found_in_the_block_it_lies_in(row: int, column: str, added: float) -> None:
    """A value is moved by a share; the dates named hold the bar, and are no wider than a block."""
    values = LONGER.columns[column].copy()
    values[row] = values[row] * (1 + added)
    said = RECORD.revision(with_columns(LONGER, **{column: values}))
    if added == 0:
        assert said == ""
        return
    start = row // FEWEST * FEWEST
    assert f"abc_1h: bars were revised from {iso(int(BARS.time_N[start]))} on" in said
    assert f"1 of its {-(-N // FEWEST)} blocks differ" in said
    end = min(start + FEWEST, N)
    until = int(BARS.time_N[end]) if end < N else RECORD.last_time + 1
    assert f"before {iso(until)}:" in said


@given(st.integers(1, N - 2))
def test_a_bar_that_is_missing_is_found_and_later_blocks_stay(row: int) -> None:
    said = RECORD.revision(without(LONGER, row))
    assert "1 of its" in said and "which are 149 now instead of 150" in said
    assert SeriesRecord.of(without(BARS, row)).revision(LONGER)  # one that was inserted as well


def test_several_blocks_and_a_lost_column_are_named() -> None:
    close = LONGER.columns["close"].copy()
    close[[5, 100]] *= 1.01
    said = RECORD.revision(with_columns(LONGER, close=close))
    assert f"from {iso(int(BARS.time_N[0]))} on" in said and "2 of its 5 blocks differ, 64 of 150 bars" in said
    rest = {name: values for name, values in BARS.columns.items() if name != "volume"}
    assert RECORD.revision(Bars("abc", "1h", BARS.time_N, rest)) == "abc_1h has no column volume any more"


def test_a_record_stays_small() -> None:
    record = SeriesRecord.of(make_bars(n=100_000))
    assert len(record.blocks) <= BLOCKS and len(json.dumps(record.to_dict())) < 11_000


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ([LONGER], ["abc_1h has grown by 40 bars after 2020-01-12T05:00:00Z"]),
        ([make_bars("xyz", n=N)], ["xyz_1h was not there", "abc_1h is not there any more"]),
        ([with_columns(BARS, trades=BARS.columns["volume"])], ["abc_1h has a column trades now"]),
        ([BARS], []),
    ],
)
def test_changes_are_told_one_by_one(used: list[Bars], said: list[str]) -> None:
    assert changes([RECORD], used) == said


def test_an_earlier_beginning_is_told() -> None:
    late = SeriesRecord.of(BARS.between(initial=int(BARS.close_time_N[9])))
    assert changes([late], [BARS]) == ["abc_1h has 10 bars before 2020-01-06T10:00:00Z"]
