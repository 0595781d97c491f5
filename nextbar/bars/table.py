"""One table of bars as read, before any check, and the list of its problems."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from nextbar.errors import DataError

LISTED = 10
"""problems that an error lists; of more it gives the number"""


class UndecidedError(DataError):
    """A table that may be read in several ways; the message shows them and names the option that decides."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns as read. ``rows_N`` numbers the rows as the user counts them; ``row_word``: line or record."""

    source: str
    frame: pd.DataFrame
    rows_N: np.ndarray
    row_word: str = "record"
    preamble: str = ""
    """an address in a line before the names"""
    layout: str = ""
    """what it was read as, where it is not laid out as bars are here"""
    notices: tuple[str, ...] = ()
    """how it was read, where that is not as it stands"""
    assumed: tuple[str, ...] = ()
    """phrases about what was assumed of dates, numbers and lines, where the content left only that"""
    hint: str = ""
    """which layout it is nearest to, for the message that a column is missing"""

    @classmethod
    def of(cls, source: str, frame: pd.DataFrame, layout: str = "", notices: tuple[str, ...] = ()) -> Table:
        """A table of records, which the user counts from 1."""
        return cls(source, frame, np.arange(1, len(frame) + 1), layout=layout, notices=notices)

    def __len__(self) -> int:
        return len(self.frame)

    def of_rows(self, rows: np.ndarray) -> Table:
        """Some of the rows, by their positions or whether each is one of them."""
        return replace(self, frame=self.frame.iloc[rows], rows_N=self.rows_N[rows])

    def assuming(self, phrase: str, frame: pd.DataFrame | None = None) -> Table:
        """The table with one more assumption, and the frame that was read by it."""
        return replace(self, assumed=(*self.assumed, phrase), frame=self.frame if frame is None else frame)

    @property
    def reading(self) -> tuple[str, ...]:
        """Notices of how the table was read, the last of them all that was assumed, in one line."""
        return (*self.notices, f"assumed: {'; '.join(self.assumed)}") if self.assumed else self.notices

    @property
    def is_text(self) -> bool:
        """Whether it comes from the lines of a text file."""
        return self.row_word == "line"

    def row(self, position: int) -> str:
        """A row as the user counts it, such as ``line 7``."""
        return f"{self.row_word} {self.rows_N[position]}"

    def verdict(self, name: str, column: int, position: int, reason: str) -> str:
        """A column's standard name, a value as the source has it, and the reason why it is refused."""
        if self.frame.iloc[[position], column].isna().item():
            return f"{name} is empty or NaN"
        try:
            value = self.frame.iloc[position, column]
            text = reprlib.repr(value) if isinstance(value, str) else str(value)[:40]
        except (NotImplementedError, OverflowError, ValueError):  # pandas cannot write all dates beyond the year 9999
            text = "of another age"
        return f"{name} {text} {reason}"


class Problems:
    """The problems of one table, for one error."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._whole: list[str] = []
        self._rows: list[tuple[int, str]] = []
        self._count = 0
        self.bad_N = np.zeros(len(table), bool)
        """rows that have a problem"""

    @property
    def of_all(self) -> bool:
        """Whether the table as a whole has one."""
        return bool(self._whole)

    def __bool__(self) -> bool:
        return self._count > 0

    def whole(self, text: str) -> None:
        """Add a problem of the table as a whole."""
        self._whole.append(text)
        self._count += 1

    def at(self, bad_N: np.ndarray) -> list[int]:
        """Count the rows where ``bad_N`` and return the positions of those to ``tell`` about."""
        positions = np.flatnonzero(bad_N)
        self._count += len(positions)
        self.bad_N |= bad_N
        return positions[:LISTED].tolist()

    def tell(self, position: int, text: str) -> None:
        """Add the problem of one row, with its value."""
        self._rows.append((position, text))

    def values(self, bad_N: np.ndarray, name: str, column: int, reason: str) -> None:
        """Add the values of a column where ``bad_N``, refused for one reason; ``name`` is its standard name."""
        for position in self.at(bad_N):
            self.tell(position, self._table.verdict(name, column, position, reason))

    def lines(self) -> list[str]:
        """The first problems, a line each: those of the whole table, then those of rows in their order."""
        rows = [f"{self._table.row(p)}: {text}" for p, text in sorted(self._rows, key=lambda entry: entry[0])]
        listed = (self._whole + rows)[:LISTED]
        more = self._count - len(listed)
        return [*listed, *([f"and {more} more"] if more else [])]

    def raise_if_any(self) -> None:
        """Raise DataError with all problems, where there are any."""
        if self:
            what = "1 problem" if self._count == 1 else f"{self._count} problems"
            raise DataError("\n  ".join([f"{self._table.source}: {what}", *self.lines()]))
