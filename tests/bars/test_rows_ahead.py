"""Rows ahead: which rows of a table are none of bars, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame

from nextbar.bars.bars import Bars, frame_bars, load_bars
from nextbar.bars.columns import TableNeeds
from nextbar.bars.importing import ImportOptions, import_bars
from nextbar.bars.inventory import take_inventory
from nextbar.bars.present import Present
from nextbar.bars.rows_ahead import RowsAhead, rows_ahead_of
from nextbar.bars.table import Table
from nextbar.errors import DataError

N = 40
USUAL = ["open", "high", "low", "close", "volume"]


def frame(ahead: int = 3) -> pd.DataFrame:
    """Forty bars with an event and a rate, the last few without prices."""
    whole = make_frame(make_bars(n=N)).drop(columns=["ticker", "resolution"])
    whole = whole.assign(event=np.arange(N) % 5.0, rate=np.arange(N) / 7)
    whole.loc[N - ahead :, [*USUAL, "rate"]] = np.nan
    return whole


def read(table: pd.DataFrame, **needs: Any) -> Bars:
    return frame_bars(table, "1h", TableNeeds(**needs))[0]


def test_rows_without_prices_after_the_last_bar_are_rows_ahead() -> None:
    bars = read(frame(), indicators=("event", "rate"))
    assert len(bars) == N - 3 and bars.ahead is not None and len(bars.ahead) == 3
    np.testing.assert_array_equal(bars.ahead.time_N, bars.time_N[-1] + 3600 * np.arange(1, 4))
    np.testing.assert_array_equal(bars.ahead.values("Event"), [2, 3, 4])
    assert np.isnan(bars.ahead.values("rate")).all() and np.isnan(bars.ahead.values("gone")).all()
    assert set(bars.ahead.columns) == {"event", "rate"}
    said = (
        "3 rows after the last bar (first: record 38) have no price: rows ahead, of which only columns named in "
        "known_ahead are used"
    )
    assert bars.notices == (said,), "the rate is not empty where there are bars"
    assert read(frame(ahead=0)).ahead is None
    shuffled = read(frame().sample(frac=1, random_state=0), indicators=("event",))
    np.testing.assert_array_equal(shuffled.ahead.values("event"), [2, 3, 4])  # type: ignore[union-attr]


def test_other_rows_without_prices_are_refused_as_ever() -> None:
    """In the middle, with a volume, or with nothing at all."""
    middle = frame()
    middle.loc[10, [*USUAL, "rate"]] = np.nan
    with pytest.raises(DataError, match="record 11: close is empty or NaN"):
        read(middle)
    traded = frame().assign(volume=1.0)
    with pytest.raises(DataError, match="record 38: close is empty or NaN"):
        read(traded)
    blank = frame()
    blank.loc[N - 1, "event"] = np.nan
    with pytest.raises(DataError, match="record 40: close is empty or NaN"):
        read(blank)
    with pytest.raises(DataError, match="record 38: event 'soon' is not a finite number"):
        read(frame().astype({"event": object}).assign(event=lambda f: f["event"].where(f.index != 37, "soon")),
             indicators=("event",))  # fmt: skip
    with pytest.raises(DataError, match="close is empty"):
        read(frame().assign(**dict.fromkeys(USUAL, np.nan)))


def test_rows_ahead_have_dates_like_others() -> None:
    twice = frame()
    twice.loc[N - 1, "date"] = twice.loc[N - 2, "date"]
    with pytest.raises(DataError, match=r"record 40: date .* is there already in record 39"):
        read(twice)


def test_a_file_with_rows_ahead_is_sound(tmp_path: Path) -> None:
    folder = tmp_path / "1h"
    folder.mkdir()
    frame().to_csv(folder / "abc_1h.csv", index=False)
    (holding,) = take_inventory(tmp_path)
    assert holding.rows == N - 3 and not holding.problems
    assert holding.notices[0].startswith("3 rows after the last bar (first: line 39) have no price: rows ahead")


def test_rows_ahead_are_imported_with_their_bars(tmp_path: Path) -> None:
    """From one file, or from two of which the later has them."""
    whole = frame()
    whole.to_csv(tmp_path / "abc_1h.csv", index=False)
    whole.head(20).to_csv(tmp_path / "first.csv", index=False)
    whole.tail(25).to_csv(tmp_path / "second.csv", index=False)
    import_bars([tmp_path / "abc_1h.csv"], tmp_path / "one")
    options = ImportOptions("abc", "1h")
    import_bars([tmp_path / "second.csv", tmp_path / "first.csv"], tmp_path / "two", options)
    for folder in ("one", "two"):
        (bars,) = load_bars(tmp_path / folder, ["abc"], ["1h"])
        assert bars.ahead is not None and len(bars) == N - 3
        np.testing.assert_array_equal(bars.ahead.values("event"), [2, 3, 4])


def test_the_rows_ahead_of_a_raw_table() -> None:
    def found(table: pd.DataFrame) -> list[int]:
        return np.flatnonzero(rows_ahead_of(Table("t", table, np.arange(len(table))), TableNeeds())).tolist()

    assert found(frame()) == found(frame().astype({"event": str})) == [37, 38, 39]
    assert found(frame(ahead=0)) == found(frame().head(0)) == found(frame().drop(columns="date")) == []


def test_bars_that_have_not_closed_leave_what_is_known_ahead_of_them() -> None:
    bars = read(frame(), indicators=("event",))
    present = Present(now=int(bars.close_time_N[-3]))
    closed = present.closed_bars(bars)
    assert len(closed) == len(bars) - 2 and closed.ahead is not None and set(closed.ahead.columns) == {"event", "rate"}
    np.testing.assert_array_equal(closed.ahead.values("event"), [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(closed.ahead.time_N, closed.time_N[-1] + 3600 * np.arange(1, 6))
    assert present.closed_bars(closed.last(5)).ahead is closed.ahead
    assert closed.first(3).ahead is None and closed.between(None, int(closed.close_time_N[4])).ahead is None


def test_columns_that_are_lacking_in_later_rows_are_empty_there() -> None:
    later = RowsAhead(np.array([2]), {"event": np.array([1.0])})
    both = RowsAhead.of(np.array([1]), {"event": np.array([0.0]), "x": np.array([3.0]), "close": np.ones(1)}, later)
    np.testing.assert_array_equal(both.values("x"), [3.0, np.nan])
    np.testing.assert_array_equal(both.values("event"), [0.0, 1.0])
    assert "close" not in both.columns and len(both) == 2
