"""The inventory of a folder: every figure of a file, whole messages, and what is left where a file is bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bar_files import START, bars_table, write

from nextbar.bars.file_names import IMPORT
from nextbar.bars.inventory import Holding, take_inventory
from nextbar.errors import DataError

END = START + 59 * 3600


def test_a_sound_file_is_described_whole(tmp_path: Path) -> None:
    table = bars_table(60).assign(rsi=1.0, ema=2.0)
    table.loc[[0, 1], "rsi"] = np.nan
    table.loc[3, "volume"] = np.nan
    path = write(tmp_path, table.drop(index=[20, 21, 40]))
    notices = (
        "volume is empty in 1 of 57 rows (first: line 5): no window that uses volume covers them",
        "rsi is empty in 2 of 57 rows; as an indicator it has what empty_values says there",
    )
    expected = [Holding("abc", "1h", path, 57, START, END, 2, 3, "24/7", "UTC", (), notices)]
    assert take_inventory(tmp_path) == take_inventory(path) == take_inventory(str(path)) == expected


def test_a_bad_column_leaves_dates_and_holes(tmp_path: Path) -> None:
    """Even where closes are not above zero: they may be any series of numbers."""
    table = bars_table(60).drop(columns=["high", "low"]).drop(index=[20])
    table.loc[3, "close"] = -1.0
    path = write(tmp_path, table)
    problem = (
        "2 problems\n  no column 'high', 'low'; the columns are date, open, close, volume\n"
        "  line 5: close -1.0 is not above 0"
    )
    assert take_inventory(path) == [Holding("abc", "1h", path, 59, START, END, 1, 1, "24/7", "UTC", (problem,))]


def test_without_closes_or_a_table_little_is_known(tmp_path: Path) -> None:
    path = write(tmp_path, bars_table(60).drop(columns="close"))
    problem = "1 problem\n  no column 'close'; the columns are date, open, high, low, volume"
    assert take_inventory(path) == [Holding("abc", "1h", path, rows=60, problems=(problem,))]
    path = write(tmp_path, bars_table(60, step=4 * 3600))
    problem = (
        "1 problem\n  the rows are mostly 4h apart, but the resolution is 1h (1h): put the file where it belongs or "
        "name its resolution"
    )
    assert take_inventory(path) == [Holding("abc", "1h", path, rows=60, problems=(problem,))]
    path.unlink()
    paths = [write(tmp_path, b"\x00", extension) for extension in ("csv", "json")]
    twice = "one of 2 files for this series: keep one"
    kinds = (
        r"not UTF-8 text (byte 0: b'\x00'); save the file as UTF-8",
        "broken JSON at line 1, column 1: Expecting value; is it cut off?",
    )
    assert take_inventory(tmp_path) == [
        Holding("abc", "1h", path, problems=(twice, kind)) for path, kind in zip(paths, kinds, strict=True)
    ]


def test_a_path_without_bars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        take_inventory(tmp_path)
    assert str(caught.value) == (
        f"no bars in {str(tmp_path)!r}; a file is called <resolution>/<ticker>_<resolution>.<ext>, ext one of json, "
        f"csv, csv.gz, parquet; of other names: {IMPORT}"
    )
    path = tmp_path / "export.csv"
    path.touch()
    with pytest.raises(DataError) as caught:
        take_inventory(path)
    assert str(caught.value) == (
        f"{path}: the name of a file of bars tells ticker and resolution, <ticker>_<resolution>.<ext>, such as "
        "spx_1d.csv (formats: .json, .csv, .csv.gz, .parquet); rename it, or name a folder of bars; "
        f"{IMPORT}"
    )
