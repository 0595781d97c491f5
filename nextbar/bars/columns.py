"""Which column of a table means what, whatever it is called there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from nextbar.errors import ConfigError

PRICES = ("open", "high", "low", "close")
AMOUNTS = ("volume", "trades")
ALIASES = {"date": ("date", "datetime", "timestamp", "time"), "trades": ("trades", "tradesdone")}
ADJUSTED = ("adj close", "adj_close", "adjclose")
ONLY_WHEN_ASKED = frozenset({"volumenotional", *ADJUSTED})


class FrameNames(TypedDict, total=False):
    """What a frame calls its columns, where it does not call them ``ticker``, ``date`` and ``close``."""

    id_col: str
    time_col: str
    target_col: str


def refuse_names(names: FrameNames) -> None:
    """Raise ConfigError where names are given and there is no frame whose columns they could name."""
    if names:
        raise ConfigError(f"{', '.join(names)}: names of a frame's columns, but the bars do not come as a frame")


def price_columns(features: str) -> tuple[str, ...]:
    """Price columns of a bar that a feature set has, the close last."""
    return ("close",) if features == "close" else PRICES


def plain(name: object) -> str:
    """A column name as it is compared: lower case, without outer blanks."""
    return str(name).strip().lower()


@dataclass(frozen=True)
class Wanted:
    """What a table is read for.

    ``features``, ``target`` and ``output_mode`` as in ``DatasetConfig``; ``indicators`` are the further columns
    asked for by name; ``time_col`` and ``target_col`` say what the date and the close are called in this table.
    """

    features: str = "ohlcv"
    target: str = "close"
    indicators: tuple[str, ...] = ()
    time_col: str = "date"
    target_col: str = "close"
    output_mode: str = "mean"

    @property
    def prices(self) -> tuple[str, ...]:
        return price_columns(self.features)

    @property
    def amounts(self) -> tuple[str, ...]:
        return () if self.features == "close" else AMOUNTS

    @property
    def positive(self) -> bool:
        """Whether a price must be above 0: not when the table is just some numeric series."""
        return self.features != "close" or bool(self.why_positive)

    @property
    def why_positive(self) -> str:
        """What cannot be asked of a series that is not above 0, in the words of a message."""
        if self.target == "log_return":
            return ", as target log_return needs"
        return ", as output_mode discrete_grid needs" if self.output_mode == "discrete_grid" else ""

    def match(self, names: Sequence[object]) -> tuple[dict[str, int], list[str]]:
        """Positions of the columns to read by their standard name, and what is wrong with the names.

        The date, the prices and the amounts come first; every other column is a candidate for an indicator.
        """
        found: dict[str, int] = {}
        problems: list[str] = []
        at: dict[str, list[int]] = {}
        for position, name in enumerate(names):
            at.setdefault(plain(name), []).append(position)

        taken: set[str] = set()
        absent: list[str] = []
        for standard in ("date", *self.prices, *self.amounts):
            known = [name for name in self._names_of(standard) if name in at]
            taken.update(known)
            if not known:
                if standard not in AMOUNTS:
                    absent.append(repr(self._names_of(standard)[0]))
                continue
            found[standard] = at[known[0]][0]
            if len(at[known[0]]) > 1:
                problems.append(f"two columns are called {known[0]!r} (upper and lower case are the same): keep one")

        if absent:
            there = ", ".join(map(str, names)) or "none"
            problems.insert(0, f"no column {', '.join(absent)}; the columns are {there}")

        asked = {plain(name) for name in self.indicators}
        unread = {*ALIASES["date"], *PRICES, *AMOUNTS, *ONLY_WHEN_ASKED} - asked
        for name, positions in at.items():
            if name and name not in taken and name not in unread and name not in found:
                found[name] = positions[0]
                if len(positions) > 1 and name in asked:
                    problems.append(f"two columns are called {name!r} (upper and lower case are the same): keep one")
        return found, problems

    def _names_of(self, standard: str) -> tuple[str, ...]:
        """Names a standard column may have in this table, the best first."""
        if standard == "date" and plain(self.time_col) != "date":
            return (plain(self.time_col),)
        if standard == "close":
            return (plain(self.target_col),)
        return ALIASES.get(standard, (standard,))
