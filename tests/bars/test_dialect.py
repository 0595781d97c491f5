"""How text tables are written: separators, lines of names, decimal marks."""

from __future__ import annotations

import pandas as pd
import pytest

from nextbar.bars.dialect import Dialect, with_points
from nextbar.errors import DataError


def dialect(*lines: str) -> Dialect:
    return Dialect.of(list(enumerate(lines)))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("date,close", "1,2"), Dialect()),
        (("date,a;b;c", "1,2;3;4"), Dialect()),
        (("Date;Close", "1;2"), Dialect(";")),
        (("Date;Close", "1,5;2,5", "1,5;2,5"), Dialect(";")),
        (("date\tclose", "1\t2"), Dialect("\t")),
        (("date|close", "1|2"), Dialect("|")),
        (("date close", "1 2"), Dialect()),
        (("Date;Close", "1,2"), Dialect()),
        (("1,2,3,4,5", "1,2,3,4,5"), Dialect(names=0)),
        (("2024.01.02,10:00,1,2,3,4,5", "2024.01.02,11:00,1,2,3,4,5"), Dialect(names=0)),
        (("20240102 100000;1,5;1,5;1,5;1,5;0", "20240102 100100;1,5;1,5;1,5;1,5;0"), Dialect(";", names=0)),
        (("1,2,3", "1,2,3"), Dialect()),
        (("date,1,2,3", "1,2,3,4"), Dialect()),
        (("https://www.example.com", "date,close", "1,2"), Dialect(",", "https://www.example.com", 1)),
        (("https://www.example.com",), Dialect()),
        (("Price,Close,High", "Ticker,A,A", "Date,,", "2024-01-02,1,2"), Dialect(names=3)),
        (("Ticker,A,A", "Price,Close,High", "Date,,", "2024-01-02,1,2"), Dialect(names=3)),
        (("Date,Close,High", ",A,A", "2024-01-02,1,2"), Dialect(names=2)),
        (("Date,Close,High", ",1,2", "2024-01-02,1,2"), Dialect()),
    ],
)  # fmt: skip
def test_what_the_first_lines_tell(lines: tuple[str, ...], expected: Dialect) -> None:
    assert dialect(*lines) == expected


def points(decimal: str | None = None, **columns: list[object]) -> dict[str, list[object]]:
    return {str(name): column.tolist() for name, column in with_points(pd.DataFrame(columns), decimal, "a").items()}


def test_decimal_commas_become_numbers() -> None:
    assert points(a=["1,5", "2"], b=[1, 2], c=["x", "y"]) == {"a": [1.5, 2.0], "b": [1, 2], "c": ["x", "y"]}
    assert points(a=["1.234,5", "-1,5e3"]) == {"a": [1234.5, -1500.0]}
    assert points(a=["1,5", "x"]) == {"a": [1.5, "x"]}, "what is no number is told as it stands"


def test_commas_between_thousands_stay() -> None:
    assert points(a=["1,234", "2,345"], b=[1.5, 2.5]) == {"a": ["1,234", "2,345"], "b": [1.5, 2.5]}
    assert points(a=["1,234.5", "2,345"])["a"] == ["1,234.5", "2,345"]
    assert points(".", a=["1,5"])["a"] == ["1,5"]


def test_what_may_be_either_is_not_guessed() -> None:
    with pytest.raises(
        DataError, match=r"'1,234' has either decimals or thousands after its comma; say which: .*--decimal"
    ):
        points(a=["1,234", "2,345"], b=[1, 2])
    assert points(",", a=["1,234", "2,345"], b=["1.234", "5"]) == {"a": [1.234, 2.345], "b": [1234, 5]}


def test_what_is_empty_stays_empty() -> None:
    for decimal in (None, ","):
        frame = with_points(pd.DataFrame({"a": ["1,5", None]}), decimal, "a")
        assert frame["a"].isna().tolist() == [False, True] and frame["a"][0] == 1.5
