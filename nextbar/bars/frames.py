"""Data frames of any library to tables, and columns back to the library they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nextbar.bars.columns import plain
from nextbar.bars.json_file import records_table
from nextbar.bars.levels import ABOUT_LEVELS, index_as_columns, one_level
from nextbar.bars.recognition import recognised, written_as_usual
from nextbar.bars.services import unwrapped
from nextbar.bars.table import Table
from nextbar.errors import DataError, listed

UNNAMED = "series"
FRAME = "frame"
"""what messages call a frame"""


class Readable(NamedTuple):
    """A frame under nextbar's names, notices of how it was read, and its layout, empty where it is nextbar's own."""

    data: pd.DataFrame
    notices: tuple[str, ...]
    layout: str


def is_frame(value: object) -> bool:
    """True for a table of pandas, polars or another library narwhals knows."""
    if isinstance(value, pd.DataFrame | list):
        return isinstance(value, pd.DataFrame)  # without narwhals, whose import takes longer than a forecast
    import narwhals as nw

    return isinstance(nw.from_native(value, pass_through=True), (nw.DataFrame, nw.LazyFrame))


def has_column(frame: Any, column: str) -> bool:
    """True where a frame, or a pandas index, has a column of this name, in whatever case."""
    frame = frame.data if isinstance(frame, Readable) else frame
    if isinstance(frame, pd.DataFrame):
        names = list(frame.columns)
    else:
        import narwhals as nw

        table = nw.from_native(frame, pass_through=True)
        names = table.collect_schema().names() if isinstance(table, (nw.DataFrame, nw.LazyFrame)) else []
    names += getattr(getattr(frame, "index", None), "names", ())
    return any(plain(name) == plain(column) for name in names)


def frame_tables(
    frame: Any,
    resolutions: Sequence[str],
    tickers: Sequence[str] | None = None,
    id_col: str = "ticker",
    time_col: str = "date",
) -> list[tuple[str, str, Table]]:
    """(resolution, ticker, table) for each series of a frame: by resolution, then by ticker.

    A frame without ``id_col`` is one series. With a column ``resolution`` rows of other resolutions are
    passed over; without one, all rows are of the one resolution given. Index levels count as columns.

    Raises:
        DataError: no frame, no such ticker or resolution (the message lists what is there), rows without a ticker, or
        another ``id_col`` than the usual one that is no column.
    """
    data, notices, layout = readable(frame, id_col, time_col)
    where = {plain(name): at for at, name in reversed(list(enumerate(data.columns)))}
    rows = np.arange(1, len(data) + 1)
    if not len(data):
        raise DataError("frame: no rows; at least one bar is needed")
    if id_col != "ticker" and plain(id_col) not in where:
        raise DataError(f"frame: no column {id_col!r}, which id_col names; the columns are {listed(data.columns)}")
    keys = {plain(id_col): "ticker", "resolution": "resolution"}
    key_columns = {name: _keys(data, where[key], key, rows) for key, name in keys.items() if key in where}

    if "resolution" not in key_columns and len(resolutions) > 1:
        raise DataError(
            f"frame: resolutions {', '.join(resolutions)} are asked for, but there is no column "
            "'resolution' that says which row is of which"
        )
    if "ticker" not in key_columns and tickers is not None and len(tickers) > 1:
        raise DataError(
            f"frame: tickers {', '.join(tickers)} are asked for, but there is no column {id_col!r}; "
            f"the columns are {listed(data.columns)}"
        )

    bars = data.iloc[:, [at for at, name in enumerate(data.columns) if plain(name) not in keys]]
    out = []
    for resolution in resolutions:
        of_resolution = _among(key_columns, "resolution", resolution, np.ones(len(data), bool))
        if "ticker" in key_columns:
            names = tickers or list(dict.fromkeys(key_columns["ticker"][of_resolution]))
        else:
            names = [tickers[0] if tickers else UNNAMED]
        for ticker in names:
            chosen = _among(key_columns, "ticker", ticker, of_resolution)
            source = f"frame, {ticker} at {resolution}" if key_columns else "frame"
            out.append((resolution, ticker, Table(source, bars[chosen], rows[chosen], layout=layout, notices=notices)))
    return out


def readable(frame: Any, id_col: str = "ticker", time_col: str = "date") -> Readable:
    """A frame of any library, or records as a service answers with them, under the names here.

    Where names are given they are kept to, and no other layout is looked for.

    Raises:
        DataError: it is no frame and no records, or a layout that cannot be read.
    """
    if isinstance(frame, Readable):
        return frame
    records = unwrapped(frame)[0]
    if isinstance(records, list) and records and isinstance(records[0], (dict, list, tuple)):
        table = records_table(frame, FRAME)
    else:
        data = _to_pandas(frame, time_col)
        levels = isinstance(frame, pd.DataFrame) and frame.columns.nlevels > 1
        table = Table.of(FRAME, data, notices=(ABOUT_LEVELS,) if levels else ())
    if (id_col, time_col) == ("ticker", "date"):
        table = _several(recognised(table))
    else:
        table = written_as_usual(table, time_col)
    return Readable(table.frame, table.reading, table.layout)


def _several(table: Table) -> Table:
    """The table with ``symbol`` as ``ticker`` where there are several, which could not be read otherwise."""
    names = [plain(name) for name in table.frame.columns]
    if "ticker" in names or names.count("symbol") != 1:
        return table
    at = names.index("symbol")
    if table.frame.iloc[:, at].nunique() < 2:
        return table
    columns = [("ticker" if place == at else name) for place, name in enumerate(table.frame.columns)]
    notice = f"read {table.frame.columns[at]} as ticker"
    return replace(table, frame=table.frame.set_axis(columns, axis=1), notices=(*table.notices, notice))


def frame_like(columns: Mapping[str, np.ndarray], frame: Any = None, dates: Sequence[str] = ()) -> Any:
    """Columns (N,) as a frame of the library of ``frame``, or of pandas.

    The columns named in ``dates`` are epoch seconds and become UTC datetimes.
    """
    typed = {
        name: values.astype("datetime64[s]").astype("datetime64[ms]") if name in dates else values
        for name, values in columns.items()
    }
    if frame is None or isinstance(frame, pd.DataFrame):
        utc = {name: pd.DatetimeIndex(values, tz="UTC") for name, values in typed.items() if name in dates}
        return pd.DataFrame(typed | utc)
    import narwhals as nw

    backend: Any = nw.from_native(frame).implementation
    table = nw.from_dict(typed, backend=backend)
    if dates:
        table = table.with_columns(nw.col(*dates).dt.replace_time_zone("UTC"))
    return table.to_native()


def epoch_seconds(dates: pd.Series) -> np.ndarray:
    """UTC datetimes as seconds since the epoch, int64: the inverse of what ``frame_like`` makes of them."""
    return dates.astype("datetime64[s, UTC]").astype("int64").to_numpy()


def _to_pandas(frame: Any, time_col: str) -> pd.DataFrame:
    import narwhals as nw

    try:
        table = nw.from_native(frame)
        table = table.collect() if isinstance(table, nw.LazyFrame) else table
        data = table.to_pandas()
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        if isinstance(error, TypeError):
            message = f"found {type(frame).__name__}, should be a pandas or polars frame of bars"
        else:
            message = f"the frame cannot be read: {error}"
        raise DataError(message) from error
    if data.columns.nlevels > 1:
        data = one_level(data, FRAME)
    return index_as_columns(data, time_col)


def _keys(data: pd.DataFrame, at: int, column: str, rows: np.ndarray) -> np.ndarray:
    """A column of tickers or resolutions as text."""
    empty = data.iloc[:, at].isna().to_numpy()
    if empty.any():
        raise DataError(f"frame: {column} is empty in {empty.sum()} rows, first in record {rows[np.argmax(empty)]}")
    return data.iloc[:, at].astype("str").to_numpy(dtype=object)


def _among(key_columns: dict[str, np.ndarray], name: str, key: str, rows: np.ndarray) -> np.ndarray:
    """bool (N,): those of the ``rows`` whose ticker, or resolution, is ``key``."""
    if name not in key_columns:
        return rows
    chosen = rows & (key_columns[name] == key)
    if not chosen.any():
        raise DataError(f"frame: no {name} {key!r}; there are {listed(sorted(set(key_columns[name][rows])))}")
    return chosen
