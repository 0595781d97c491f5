"""One table as read: rows as the user counts them, refused values as the source has them, problems in one error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nextbar.bars.table import LISTED, Problems, Table
from nextbar.errors import DataError

N = 30
TABLE = Table("abc.csv", pd.DataFrame({"close": range(N)}), np.arange(N) + 2, "line")


def test_rows_are_lines_or_records() -> None:
    assert len(TABLE) == N and TABLE.row(0) == "line 2"
    assert Table("frame", TABLE.frame, np.array([7, 9])).row(1) == "record 9"


def test_records_are_counted_from_1() -> None:
    table = Table.of("abc.json", TABLE.frame, "some", ("a notice",))
    assert table.row(0) == "record 1" and table.row(N - 1) == f"record {N}"
    assert (table.source, table.layout, table.notices) == ("abc.json", "some", ("a notice",))


def test_some_rows_stay_what_they_were() -> None:
    for rows in (np.array([3, 1]), np.arange(N) % 2 == 1):
        some = TABLE.of_rows(rows)
        at = np.arange(N)[rows]
        assert some.frame["close"].tolist() == at.tolist()
        assert [some.row(i) for i in range(len(some))] == [TABLE.row(i) for i in at]
        assert (some.source, some.row_word) == (TABLE.source, TABLE.row_word)


def test_a_verdict_has_the_value_as_the_source_has_it() -> None:
    many = list(range(30))
    values = [1.5, "n/a", "x" * 99, many, None, np.nan]
    table = Table("frame", pd.DataFrame({"date": 0, "Close": pd.Series(values, dtype=object)}), np.arange(6))
    cut = "'" + 12 * "x" + "..." + 13 * "x" + "'"
    told = [table.verdict("close", 1, position, "is wrong") for position in range(6)]
    assert told == [
        "close 1.5 is wrong",
        "close 'n/a' is wrong",
        f"close {cut} is wrong",
        f"close {str(many)[:40]} is wrong",
        "close is empty or NaN",
        "close is empty or NaN",
    ]


def message(problems: Problems) -> list[str]:
    with pytest.raises(DataError) as caught:
        problems.raise_if_any()
    return str(caught.value).split("\n")


def test_no_problem_is_no_error() -> None:
    problems = Problems(TABLE)
    assert problems.at(np.zeros(N, bool)) == []
    problems.raise_if_any()
    assert not problems and problems.lines() == []


def test_problems_are_counted_and_told_in_the_order_of_rows() -> None:
    problems = Problems(TABLE)
    problems.whole("no column 'open'")
    assert problems and message(problems) == ["abc.csv: 1 problem", "  no column 'open'"]
    positions = problems.at(np.isin(np.arange(N), [3, 9]))
    assert positions == [3, 9] and all(type(position) is int for position in positions)
    assert problems.at(np.arange(N) == 3) == [3]
    for position, text in ((9, "a"), (3, "z"), (3, "b")):
        problems.tell(position, text)
    problems.whole("no column 'high'")
    rows = ["  line 5: z", "  line 5: b", "  line 11: a"]
    assert message(problems) == ["abc.csv: 5 problems", "  no column 'open'", "  no column 'high'", *rows]


def test_of_many_problems_the_first_are_told_and_the_rest_counted() -> None:
    problems = Problems(TABLE)
    for position in problems.at(np.arange(N) >= 4):
        problems.tell(position, "bad")
    lines = [f"line {row}: bad" for row in range(6, 6 + LISTED)]
    assert problems.lines() == [*lines, "and 16 more"]
    problems.whole("worse")
    assert problems.lines() == ["worse", *lines[:-1], "and 17 more"]
    problems.at(np.arange(N) == 0)
    assert message(problems)[0] == "abc.csv: 28 problems"


def test_a_date_that_cannot_be_written_is_told_all_the_same() -> None:
    late = pd.Series(np.array([10**17], "datetime64[ms]")).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    table = Table("a", pd.DataFrame({"date": late}), np.array([1]))
    assert table.verdict("date", 0, 0, "is late") == "date of another age is late"
