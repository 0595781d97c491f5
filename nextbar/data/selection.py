"""What an experiment takes of a source's bars: those within its dates, the columns that it uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.config import DatasetConfig
from nextbar.data.features import own_prices
from nextbar.errors import DataError


def used_columns(bars: Bars, config: DatasetConfig, volumes: Iterable[str]) -> Bars:
    """The bars of a source with the columns alone that prices, these volumes and indicators come from."""
    names = {*own_prices(config), *volumes, *(name.lower() for name in config.indicators or ())}
    return replace(bars, columns={name: values for name, values in bars.columns.items() if name in names}, notices=())


def within_dates(bars: Bars, config: DatasetConfig) -> Bars:
    """The bars within the dates asked for.

    Raises:
        DataError: there are none.
    """
    kept = bars.between(config.initial_date, config.final_date)
    if len(kept) == 0:
        limits = {"initial_date": config.initial_date, "final_date": config.final_date}
        asked = " and ".join(f"{name} {date}" for name, date in limits.items() if date)
        raise DataError(
            f"{bars.name}: no bars within {asked}; the series runs from {iso(bars.time_N[0])} to {iso(bars.time_N[-1])}"
        )
    return kept
