"""Forecasts in the forms that other programs take: the one place that knows which there are."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbar.arguments import strict_arguments
from nextbar.errors import ConfigError, DataError
from nextbar.forecasts.freqtrade import freqtrade_frame
from nextbar.forecasts.nixtla import nixtla_frame
from nextbar.forecasts.shapes import checked_table
from nextbar.forecasts.vectorbt import vectorbt_frame
from nextbar.forecasts.writing import BINARY, WRITERS, check_target, encoded, write_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ForecastFormat:
    """A form of forecasts: its frame, and the files it can be written to."""

    frame: Callable[[pd.DataFrame], pd.DataFrame]
    """from the forecast table, see :func:`nextbar.forecasts.shapes.checked_table`"""
    endings: tuple[str, ...] = tuple(WRITERS)
    """of the files it can be; the first is what standard output gets"""

    def check_out(self, out: Path | None, on_terminal: bool) -> None:
        """Check that forecasts can go to a file, or to standard output, before they are made.

        Raises:
            DataError: they cannot.
        """
        if out is not None:
            check_target(out, self.endings)
        elif on_terminal and self.endings[0] in BINARY:
            raise DataError(
                f"these forecasts are a binary file ({self.endings[0]}), which a terminal cannot show: "
                f"name a file with --out, one that ends in {' or '.join(self.endings)}"
            )


def _as_it_is(table: pd.DataFrame) -> pd.DataFrame:
    return table


FORMATS: dict[str, ForecastFormat] = {
    "table": ForecastFormat(_as_it_is),
    "nixtla": ForecastFormat(nixtla_frame),
    "vectorbt": ForecastFormat(vectorbt_frame, (".csv", ".csv.gz", ".parquet")),
    "freqtrade": ForecastFormat(freqtrade_frame, (".feather",)),
    "jsonl": ForecastFormat(_as_it_is, (".jsonl",)),
    "parquet": ForecastFormat(_as_it_is, (".parquet",)),
}
"""by the names of ``--as``; a further one is a function of the table, and a line here"""


def format_called(name: str) -> ForecastFormat:
    """The format of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in FORMATS:
        near = difflib.get_close_matches(str(name), FORMATS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"format: found {name!r}, should be one of {', '.join(FORMATS)}{hint}")
    return FORMATS[name]


@strict_arguments
def forecasts_as(table: Any, format: str) -> pd.DataFrame:
    """Forecasts as a pandas frame in the form that another program takes.

    Args:
        table: of ``Forecaster.predict``, ``Backtest.forecasts`` or ``update``, pandas or polars, or read back from a
            file that they were written to.
        format: ``table``, ``nixtla``, ``vectorbt`` or ``freqtrade``; ``jsonl`` and ``parquet`` are the table.

    Raises:
        ConfigError: no such format.
        DataError: no table of forecasts, or rows that are there twice.
    """
    return format_called(format).frame(checked_table(table))


@strict_arguments
def write_forecasts(path: str | Path, table: Any, format: str = "table") -> None:
    """Write forecasts to a file, whole or not at all, in the form that another program takes.

    Args:
        path: its ending says how it is written, e.g. ``.csv``, ``.csv.gz``, ``.parquet``, ``.json``, ``.jsonl``,
            ``.feather``; ``freqtrade`` is ``.feather`` alone, ``vectorbt`` no JSON and no feather.
        table: see :func:`forecasts_as`.
        format: see :func:`forecasts_as`.

    Raises:
        ConfigError: no such format.
        DataError: no table of forecasts; an ending that the format does not have, or no such folder.
        OSError: the disk cannot be written.
    """
    write_table(Path(path), forecasts_as(table, format), format_called(format).endings)


def encoded_forecasts(table: Any, format: str) -> bytes:
    """What standard output gets of forecasts."""
    return encoded(forecasts_as(table, format), format_called(format).endings[0])
