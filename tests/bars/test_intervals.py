"""The resolution of a table, by the distances of its dates."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nextbar.bars.folder import list_series
from nextbar.bars.intervals import resolution_of
from nextbar.bars.inventory import take_inventory
from nextbar.bars.table import Table, UndecidedError


def table(dates: pd.DatetimeIndex) -> Table:
    return Table.of("spx.csv", pd.DataFrame({"date": dates, "close": 1.0}))


@pytest.mark.parametrize(
    ("frequency", "resolution"), [("s", "1s"), ("5min", "5m"), ("h", "1h"), ("4h", "4h"), ("B", "1d"), ("W", "1w")]
)
def test_what_no_two_rows_undercut(frequency: str, resolution: str) -> None:
    dates = pd.date_range("2024-01-01", periods=60, freq=frequency)
    assert resolution_of(table(dates)) == resolution_of(table(dates[::-1])) == resolution


def test_what_the_dates_leave_open_is_asked() -> None:
    days = pd.date_range("2024-01-01", periods=20)
    with pytest.raises(UndecidedError, match="mostly 1d apart, but some 6h; give --resolution 1d or --resolution 6h"):
        resolution_of(table(days.append(days[:1] + pd.Timedelta("6h"))))
    with pytest.raises(UndecidedError, match="neither its name nor its dates say the resolution"):
        resolution_of(table(days[:1]))
    with pytest.raises(UndecidedError, match="months differ in length"):
        resolution_of(table(pd.date_range("2024-01-01", periods=20, freq="MS")))


def test_a_folder_of_files_without_resolutions(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": pd.bdate_range("2024-01-01", periods=30), "close": range(1, 31)})
    frame.assign(open=frame.close, high=frame.close, low=frame.close).to_csv(tmp_path / "spx.csv", index=False)
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    assert [entry[:2] for entry in list_series(tmp_path)] == [("1d", "spx")]
    for source in (tmp_path, tmp_path / "spx.csv"):
        (holding,) = take_inventory(source)
        assert (holding.ticker, holding.resolution, holding.rows) == ("spx", "1d", 30)
        assert "assumed: resolution 1d by the distances of the dates" in holding.notices
