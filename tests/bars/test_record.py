"""What a run keeps of its bars: the same bars are recognised, and whatever changed in them is named."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from builders import make_bars, with_columns
from hypothesis import given
from hypothesis import strategies as st

from nextbar.bars.bars import Bars, fingerprint
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


def test_a_record_is_plain_json_of_known_keys() -> None:
    """Runs keep it, so every version must find it again."""
    record = SeriesRecord.of(BARS)
    starts = BARS.time_N[::FEWEST].tolist()
    plain = record.to_dict()
    assert plain | {"digest": "", "blocks": ""} == {
        "ticker": "abc",
        "resolution": "1h",
        "columns": ["close", "high", "low", "open", "volume"],
        "bars": N,
        "first": "2020-01-06T00:00:00Z",
        "last": "2020-01-12T05:00:00Z",
        "digest": "",
        "block_starts": " ".join(map(str, starts)),
        "blocks": "",
    }
    assert plain["digest"] == fingerprint([BARS]) == record.digest
    blocks = [
        BARS.between(BARS.time_N[row], BARS.close_time_N[min(row + FEWEST, N) - 1]) for row in range(0, N, FEWEST)
    ]
    assert [len(block) for block in blocks] == [32, 32, 32, 32, 22]
    assert plain["blocks"] == "".join(fingerprint([block])[:8] for block in blocks)
    assert record.name == "abc_1h" and record.last_time == BARS.time_N[-1]
    for wrong in ({**plain, "last": "soon"}, {**plain, "bars": "x"}, {**plain, "columns": None}):
        with pytest.raises((TypeError, ValueError)):
            SeriesRecord.from_dict(wrong)


def test_a_long_series_has_as_many_blocks_as_allowed() -> None:
    long = make_bars(n=FEWEST * BLOCKS + 1)
    record = SeriesRecord.of(long)
    assert np.diff(record.starts).tolist() == [33 * 3600] * (len(record.starts) - 1) and len(record.blocks) == 497
    assert len(SeriesRecord.of(long.between(final=int(long.close_time_N[-2]))).blocks) == BLOCKS


def test_a_revision_is_a_sentence() -> None:
    close = LONGER.columns["close"].copy()
    close[[40, 130]] += 1
    revised = with_columns(LONGER, close=close)
    begin, until, after = (iso(int(time)) for time in (BARS.time_N[32], RECORD.last_time + 1, BARS.time_N[64]))
    said = (
        f"abc_1h: bars were revised from {begin} on, before {until}: 2 of its 5 blocks differ, {{}} of 150 bars, the "
        f"first of them before {after}"
    )
    assert RECORD.revision(revised) == said.format(54)
    assert RECORD.revision(without(revised, 41)) == said.format(53) + ", which are 149 now instead of 150"
    rest = {name: values for name, values in BARS.columns.items() if name not in ("volume", "high")}
    assert RECORD.revision(Bars("abc", "1h", BARS.time_N, rest)) == "abc_1h has no column high, volume any more"


def test_a_revision_between_the_blocks_is_told_with_the_end_alone() -> None:
    """As where only the digest of the whole is another one."""
    other = dataclasses.replace(RECORD, digest="", bars=1_000)
    assert other.revision(BARS) == (
        "abc_1h: bars before 2020-01-12T05:00:01Z were revised, which are 150 now instead of 1,000"
    )
    assert dataclasses.replace(RECORD, digest="").revision(BARS) == (
        "abc_1h: bars before 2020-01-12T05:00:01Z were revised"
    )
    assert dataclasses.replace(RECORD, bars=151).revision(BARS).endswith(", which are 150 now instead of 151")


def test_a_bar_a_second_later_is_another_bar() -> None:
    seconds = make_bars("abc", "1s", n=40)
    record = SeriesRecord.of(seconds.between(final=int(seconds.close_time_N[-2])))
    assert record.revision(seconds) == "" and record.counts(seconds) == (0, 1)


def test_all_changes_of_all_series_are_told() -> None:
    late = SeriesRecord.of(make_bars("abc", n=2_000).between(initial=int(BARS.close_time_N[9])))
    gone = SeriesRecord.of(make_bars("gone", n=40))
    close = make_bars("abc", n=4_000).columns["close"] * 2
    used = with_columns(make_bars("abc", n=4_000), close=close, trades=close, rsi=close)
    said = changes([gone, late], [make_bars("new", n=40), used])
    assert said[:4] == [
        "new_1h was not there",
        "abc_1h has grown by 2,000 bars after 2020-03-29T07:00:00Z",
        "abc_1h has 10 bars before 2020-01-06T10:00:00Z",
        "abc_1h has a column trades, rsi now",
    ]
    assert said[4].startswith("abc_1h: bars were revised from 2020-01-06T10:00:00Z on") and len(said) == 6
    assert said[5] == "gone_1h is not there any more"
    assert "63 of its 63 blocks differ, 1,990 of 1,990 bars" in said[4]
    longer = make_bars("abc", n=5_000)
    early = SeriesRecord.of(longer.between(initial=int(longer.close_time_N[1_999])))
    assert changes([early], [longer]) == ["abc_1h has 2,000 bars before 2020-03-29T08:00:00Z"]
