"""Numbers as people write them: one reading is taken and said, two are asked for."""

from __future__ import annotations

import pandas as pd
import pytest

from nextbar.bars.number_forms import as_numbers
from nextbar.bars.table import UndecidedError
from nextbar.errors import DataError


def points(decimal: str | None = None, **columns: list[object]) -> dict[str, list[object]]:
    return {str(name): column.tolist() for name, column in as_numbers(pd.DataFrame(columns), "a", decimal)[0].items()}


def test_decimal_commas_become_numbers() -> None:
    assert points(a=["1,5", "2"], b=[1, 2], c=["x", "y"]) == {"a": [1.5, 2.0], "b": [1, 2], "c": ["x", "y"]}
    assert points(a=["1.234,5", "-1,5e3"]) == {"a": [1234.5, -1500.0]}
    assert points(a=["1,5", "x"]) == {"a": [1.5, "x"]}, "what is no number stays as it is"


def test_marks_signs_and_units() -> None:
    assert points(a=["$1,234.5", "2,345"], b=["1.5K", "2M"], c=["-1.5%", "2 %"]) == {
        "a": [1234.5, 2345.0], "b": [1500.0, 2e6], "c": [-0.015, 0.02],
    }  # fmt: skip
    assert points(a=["1'234.5", "0.5"]) == {"a": [1234.5, 0.5]}
    assert points(a=["1,234", "2,345"], b=[1.5, 2.5])["a"] == [1234.0, 2345.0]
    assert points(ticker=["3M", "1B"]) == {"ticker": ["3M", "1B"]}


def test_what_may_be_either_is_asked() -> None:
    with pytest.raises(UndecidedError, match=r"'1,234' is 1234 with decimals after points or 1.234 .*--decimal"):
        points(a=["1,234", "2,345"], b=[1, 2])
    assert points(",", a=["1,234", "2,345"]) == {"a": [1.234, 2.345]}


def test_a_frame_that_was_parsed_with_the_other_mark_is_refused() -> None:
    with pytest.raises(DataError, match="column b was parsed with points"):
        points(a=["1.234,5", "2,5"], b=[1.234, 2.0])


def test_what_is_empty_stays_empty() -> None:
    for decimal in (None, ","):
        frame, _ = as_numbers(pd.DataFrame({"a": ["1,5", None]}), "a", decimal)
        assert frame["a"].isna().tolist() == [False, True] and frame["a"][0] == 1.5
