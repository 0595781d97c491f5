"""The forecast table by forecast: a row for each predicted bar, columns by model and quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nextbar.errors import DataError, first_line, listed
from nextbar.forecasts.reading import as_pandas
from nextbar.forecasts.table import KEYS, OUTCOMES

if TYPE_CHECKING:
    import pandas as pd

MODEL = "nextbar"
"""what the model is called where a table names none"""

NEEDED = ("ticker", "origin", "step", "date")

SOURCE = "the forecasts"
"""what messages call a table"""


def checked_table(frame: Any) -> pd.DataFrame:
    """A forecast table of any library of at least one row as pandas, ``origin`` and ``date`` as UTC datetimes.

    Raises:
        DataError: it is no frame, has no rows, or lacks a column that says which bar is forecast.
    """
    import pandas as pd

    table = as_pandas(frame, SOURCE)
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise DataError(
            f"{SOURCE}: no column {', '.join(missing)}; there are {listed(table.columns)}. A table of forecasts, such "
            f"as Forecaster.predict answers with, has {', '.join(NEEDED)}"
        )
    if not len(table):
        raise DataError(f"{SOURCE}: no rows; at least one forecast is needed")
    try:
        dates = {name: pd.to_datetime(table[name], utc=True, format="ISO8601") for name in ("origin", "date")}
    except (TypeError, ValueError) as error:
        raise DataError(f"{SOURCE}: origin and date must hold dates ({first_line(error)})") from None
    return table.assign(**dates)


def by_forecast(table: pd.DataFrame) -> pd.DataFrame:
    """The quantities of a checked table, columns (model, quantity), rows (ticker, resolution, origin, step, date).

    The level ``resolution`` is there where the table has such a column. A quantity that a predictor of a backtest does
    not have is left out.

    Raises:
        DataError: a row is there more than once.
    """
    import pandas as pd

    keys = key_columns(table)
    quantities = [name for name in table.columns if name not in (*KEYS, *OUTCOMES)]
    several = "model" in table
    groups = list(table.groupby("model", sort=False)) if several else [(MODEL, table)]
    parts: dict[Any, pd.DataFrame] = {}
    for model, rows in groups:
        part = rows.set_index(keys)[quantities]
        if part.index.has_duplicates:
            twice = part.index[part.index.duplicated()][0]
            row = ", ".join(f"{name} {value}" for name, value in zip(keys, twice, strict=True))
            raise DataError(f"{SOURCE}: {row} is there more than once for {model}; keep one of them")
        parts[model] = part.dropna(axis=1, how="all") if several else part
    return pd.concat(parts, axis=1, names=["model", "quantity"])


def key_columns(table: pd.DataFrame) -> list[str]:
    """The columns that say which bar a row forecasts, from where."""
    return ["ticker", *(["resolution"] if "resolution" in table else []), "origin", "step", "date"]


def with_series(frame: pd.DataFrame) -> pd.DataFrame:
    """One column ``series`` instead of ticker and resolution: ``btc_1h``; of one resolution the ticker."""
    series = frame["ticker"].astype(str)
    if "resolution" in frame:
        series = series + "_" + frame["resolution"].astype(str)
    frame = frame.drop(columns=[name for name in ("ticker", "resolution") if name in frame])
    frame.insert(0, "series", series)
    return frame
