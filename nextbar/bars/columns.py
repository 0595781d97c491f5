"""Columns of a table of bars: their standard names, and which of a table's own names stands for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from nextbar.config import DatasetConfig
from nextbar.errors import ConfigError, cut, listed, short

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
    """Raise ConfigError where names of a frame's columns come without a frame."""
    if names:
        raise ConfigError(f"{', '.join(names)}: names of a frame's columns, but the bars do not come as a frame")


def price_columns(features: str) -> tuple[str, ...]:
    """Price columns of a bar that a feature set has, the close last."""
    return ("close",) if features == "close" else PRICES


def plain(name: object) -> str:
    """A column name as it is compared: lower case, without outer blanks."""
    return str(name).strip().lower()


@dataclass(frozen=True)
class TableNeeds:
    """What an experiment needs of a table of bars."""

    features: str = "ohlcv"
    """as in ``DatasetConfig``, like the next"""
    target: str = "close"
    indicators: tuple[str, ...] = ()
    """further columns asked for by name"""
    time_col: str = "date"
    """what the date is called in this table"""
    target_col: str = "close"
    """what the close is called in this table"""
    output_mode: str = "mean"
    """what forecasts consist of: ``DatasetConfig.kind``"""
    price: str = "close"
    """``close`` or ``adjusted``: the adjusted close is the close, and the other prices are scaled with it"""

    @classmethod
    def of(cls, config: DatasetConfig, **names: Unpack[FrameNames]) -> TableNeeds:
        """The needs of an experiment on this data, of a table whose columns have these names."""
        return cls(
            config.features,
            config.target,
            tuple(config.indicators or ()),
            names.get("time_col", "date"),
            names.get("target_col", "close"),
            config.kind,
            config.price,
        )

    @property
    def prices(self) -> tuple[str, ...]:
        """Price columns that must be there."""
        return price_columns(self.features)

    @property
    def amounts(self) -> tuple[str, ...]:
        """Volume and trades, which are checked where they are there."""
        return () if self.features == "close" else AMOUNTS

    @property
    def asked(self) -> frozenset[str]:
        """Further columns that are asked for, by their names as they are compared."""
        return frozenset(map(plain, self.indicators))

    def is_price(self, name: str) -> bool:
        """Whether a column of this standard name is read as a price."""
        return name in self.prices or (self.price == "adjusted" and name in ADJUSTED)

    @property
    def positive(self) -> bool:
        """Whether a price must be above 0: not when the table is just some numeric series."""
        return self.features != "close" or bool(self.why_positive)

    @property
    def why_positive(self) -> str:
        """Why prices must be above 0, as the end of a message; empty where they need not be."""
        if self.target == "log_return":
            return ", as target log_return needs"
        return ", as output_mode discrete_grid needs" if self.output_mode == "discrete_grid" else ""

    def match(self, names: Sequence[object]) -> tuple[dict[str, int], list[str]]:
        """Positions of the columns to read by their standard name, and what is wrong with the names.

        The date, the prices and the amounts come first; every other column is a candidate for an indicator.
        """
        columns: dict[str, int] = {}
        problems: list[str] = []
        positions: dict[str, list[int]] = {}
        for position, name in enumerate(names):
            positions.setdefault(plain(name), []).append(position)

        taken: set[str] = set()
        absent: list[str] = []
        for standard in ("date", *self.prices, *self.amounts):
            present = [name for name in self._names_of(standard) if name in positions]
            taken.update(present)
            if not present:
                if standard not in AMOUNTS:
                    absent.append(repr(self._names_of(standard)[0]))
                continue
            columns[standard] = positions[present[0]][0]
            if len(positions[present[0]]) > 1:
                problems.append(doubled(present[0]))

        if absent:
            existing = listed([cut(str(name)) for name in names]) or "none"
            problems.insert(0, f"no column {', '.join(absent)}; the columns are {existing}")

        unread = {*ALIASES["date"], *PRICES, *AMOUNTS, *ONLY_WHEN_ASKED} - self.asked
        for name, places in positions.items():
            if name and name not in taken and name not in unread and name not in columns:
                columns[name] = places[0]
                if len(places) > 1 and name in self.asked:
                    problems.append(doubled(name))
        return columns, problems

    @staticmethod
    def adjusted(names: Sequence[object]) -> tuple[str, int] | None:
        """Name and position of the adjusted close among the columns of a table; None where there is none, or two."""
        matches = [(plain(name), at) for at, name in enumerate(names) if plain(name) in ADJUSTED]
        return matches[0] if len(matches) == 1 else None

    def _names_of(self, standard: str) -> tuple[str, ...]:
        """Names a standard column may have in this table, the best first."""
        if standard == "date" and plain(self.time_col) != "date":
            return (plain(self.time_col),)
        if standard == "close":
            return (plain(self.target_col),)
        return ALIASES.get(standard, (standard,))


DEFAULT_NEEDS = TableNeeds()
"""those of an experiment with default fields"""


def doubled(name: str) -> str:
    """The problem that two columns have one name."""
    return f"two columns are called {short(name)} (upper and lower case are the same): keep one"
