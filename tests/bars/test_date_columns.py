"""Columns of dates: joined, of other forms, and two that disagree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nextbar.bars.date_columns import clocked, date_columns, dated, disagreement, further_dates, joined
from nextbar.bars.table import Table
from nextbar.errors import ConfigError


def table(**columns: list[object]) -> Table:
    frame = pd.DataFrame(columns)
    return Table("a", frame, np.arange(len(frame)) + 2, "line")


def test_that_which_is_read_comes_first() -> None:
    assert date_columns(table(Time=[1], close=[1], Date=[1], timestamp=[1])) == [2, 3, 0]


def test_days_and_clocks_are_joined() -> None:
    days = ["2024.01.02", "2024/01/02", "2024-01-02", "20240102"]
    for clocks in (["09:30", "9:30:00", "093000", "93000"], [93000] * 4):
        dates = joined(pd.DataFrame({"day": days, "clock": clocks, "close": 1.0}))
        assert list(dates.columns) == ["close", "date"]
        assert {pd.Timestamp(text) for text in dates["date"]} == {pd.Timestamp("2024-01-02 09:30")}
    assert joined(pd.DataFrame({"day": days}))["date"].tolist() == ["2024-01-02"] * 4
    assert joined(pd.DataFrame({"day": [20240102], "clock": [0]}))["date"].tolist() == ["2024-01-02 00:00:00"]


def test_a_clock_counts_only_where_days_repeat() -> None:
    names = ["date", "time"]
    assert clocked(pd.DataFrame({"date": ["a", "a"], "time": ["10:00", "11:00:00"]}), names)
    assert not clocked(pd.DataFrame({"date": ["a", "b"], "time": ["10:00", "11:00"]}), names)
    assert not clocked(pd.DataFrame({"date": ["a", "a"], "time": ["10:00", "x"]}), names)
    assert not clocked(pd.DataFrame({"date": ["a", "a"]}), ["date"])


def test_dates_of_another_form() -> None:
    whole = dated(pd.DataFrame({"Time": ["31.01.2024"]}), "%d.%m.%Y")
    assert whole["Time"].tolist() == [pd.Timestamp("2024-01-31")]
    part = dated(pd.DataFrame({"date": ["31.01.2024", "x"]}), "%d.%m.%Y")
    assert part["date"].tolist() == ["2024-01-31", "x"], "what is no date is told as it stands"
    with pytest.raises(ConfigError, match="date format: found '%Q'"):
        dated(pd.DataFrame({"date": ["x"]}), "%Q")


def test_two_columns_that_disagree_are_told() -> None:
    two = table(date=["2024-01-01", "2024-01-02"], timestamp=[1_704_067_200, 1_704_153_601])
    told = "two columns of dates disagree in 1 of 2 rows, first in line 3: date 2024-01-02 and timestamp 1704153601"
    assert disagreement(two, 0, 1) == told and further_dates(two) == [told]
    assert further_dates(table(date=["2024-01-01"], timestamp=[1_704_067_200])) == []
    assert further_dates(table(date=["2024-01-01"], time=["10:00"])) == [], "a time of day is no date"
