"""How text tables are written: separators, lines of names, decimal marks."""

from __future__ import annotations

import pytest

from nextbar.bars.dialect import Dialect


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
