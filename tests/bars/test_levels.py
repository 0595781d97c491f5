"""Two levels of names to a column of tickers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nextbar.bars.levels import one_level
from nextbar.errors import DataError


def test_either_level_may_name_tickers() -> None:
    frame = pd.DataFrame([[1, 2, 3, 4], [5, 6, np.nan, np.nan]], index=[7, 8])
    for names in ([("Close", "A"), ("Open", "A"), ("Close", "B"), ("Open", "B")],
                  [("A", "Close"), ("A", "Open"), ("B", "Close"), ("B", "Open")]):  # fmt: skip
        long = one_level(frame.set_axis(pd.MultiIndex.from_tuples(names), axis=1), "a")
        assert long.index.tolist() == [7, 8, 7] and long["ticker"].tolist() == ["A", "A", "B"]
        assert long["Close"].tolist() == [1, 5, 3] and long["Open"].tolist() == [2, 6, 4]


def test_a_column_without_a_ticker_is_of_all() -> None:
    columns = pd.MultiIndex.from_tuples([("Date", ""), ("Close", "A"), ("Close", "B")])
    long = one_level(pd.DataFrame([[1, 2, 3]], columns=columns), "a")
    assert long[["Date", "Close", "ticker"]].to_numpy().tolist() == [[1, 2, "A"], [1, 3, "B"]]


def test_levels_that_mean_something_else_are_refused() -> None:
    for names in ([("a", "b")], [("close", "a", "b")]):
        with pytest.raises(DataError, match=f"a: the columns have {len(names[0])} levels"):
            one_level(pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples(names)), "a")


def test_names_without_a_ticker_are_refused() -> None:
    names = pd.MultiIndex.from_tuples([("close", ""), ("", "date")])
    with pytest.raises(DataError, match="a: two lines of names, and none of the columns has a quantity and a ticker"):
        one_level(pd.DataFrame([[1, 2]], columns=names), "a")


def test_a_name_twice_is_refused() -> None:
    columns = pd.MultiIndex.from_tuples([("close", "A"), ("close", "A")])
    with pytest.raises(DataError, match="a: of ticker A two columns have one name"):
        one_level(pd.DataFrame([[1, 2]], columns=columns), "a")
    columns = pd.MultiIndex.from_tuples([("close", "A"), ("ticker", "")])
    with pytest.raises(DataError, match="of ticker A two columns"):
        one_level(pd.DataFrame([[1, 2]], columns=columns), "a")
