"""Forecasts read from a table, and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextbar.errors import DataError, first_line
from nextbar.forecasts.mixture import of_laws
from nextbar.forecasts.table import Keys, bin_columns, law_column, quantile_column
from nextbar.metrics.task import Task
from nextbar.types import Forecast, Law

WITHIN = {"scale": (0.0, np.inf), "df": (2.0, np.inf), "skew": (-1.0, 1.0)}
"""what numbers of a law lie between; a Student-t needs more than two degrees of freedom to have a standard deviation"""


def read(frame: Any, keys: Keys, task: Task, source: str = "the forecasts") -> Forecast:
    """The forecasts for ``keys`` in a table of any maker; rows about other bars are passed over.

    ``scale`` without ``df`` is a normal law, ``skew`` beside ``df`` a skewed Student-t; ``close-1``, ``scale-1`` (and
    ``df-1``, ``skew-1``), ``close-2`` ... are the laws of a mixture, see ``table.columns``. Probabilities of a row are
    scaled to sum to 1 if they nearly do. Of ``quantiles`` there is a column for each share of the task.

    Raises:
        DataError: columns or rows are missing, rows are doubled, or a value is impossible; names ``source``.
    """
    table = as_pandas(frame, source)
    key_columns = ["ticker", *(["resolution"] if keys.resolution_N is not None else []), "origin", "step"]
    values = _value_columns(task)
    missing = [name for name in (*key_columns, *values) if name not in table.columns]
    if missing:
        raise DataError(
            f"{source}: no column {', '.join(missing)}; there are {', '.join(map(str, table.columns))}. "
            f"A forecast has {', '.join((*key_columns, *values))}"
        )
    several: list[list[str]] = []
    if "scale" in values:
        tail = [name for name in ("df", "skew") if {name, law_column(name, 1)} & set(table.columns)]
        if tail == ["skew"]:
            raise DataError(f"{source}: there is a column skew and none df; the skewed law is a Student-t, give both")
        several = _mixed(table, ["close", "scale", *tail], source)
        values += [name for law in several for name in law] if several else tail
    place = _places(table, key_columns, keys, task, source)
    table = table.iloc[place]
    columns = {name: _numbers(table, name, source).reshape(-1, task.horizon) for name in values}
    if task.output_mode == "discrete_grid":
        return Forecast(log_probs_NHK=_log_probs(np.stack([columns[name] for name in values], axis=-1), source))

    for name, values_NH in columns.items():
        lowest, highest = WITHIN.get(name.partition("-")[0], (-np.inf, np.inf))
        if not (values_NH > lowest).all():
            raise DataError(f"{source}: {name} {values_NH.min():g}, but it must be above {lowest:g}")
        if not (values_NH < highest).all():
            raise DataError(f"{source}: {name} {values_NH.max():g}, but it must be below {highest:g}")

    def location(name: str) -> np.ndarray:
        return _change(columns[name], keys.last_close_N[:, None], task, source)

    if several:
        closes, *numbers = zip(*several, strict=True)
        location_NHM = np.stack([location(name) for name in closes], axis=-1)
        others = (np.stack([columns[name] for name in of_all], axis=-1) for of_all in numbers)
        return of_laws(Law(location_NHM, *others))
    if task.shares:
        quantiles_NHQ = np.stack([location(quantile_column(share)) for share in task.shares], axis=-1)
        if (np.diff(quantiles_NHQ, axis=-1) < 0).any():
            raise DataError(f"{source}: a quantile lies below one of a smaller share; sort those of each row")
        return Forecast(location("close"), quantiles_NHQ=quantiles_NHQ)
    return Forecast(location("close"), columns.get("scale"), columns.get("df"), columns.get("skew"))


def _change(close_NH: np.ndarray, last_N1: np.ndarray, task: Task, source: str) -> np.ndarray:
    """Predicted closes as changes from the last one, in the unit of the target."""
    if task.target != "log_return":
        return close_NH - last_N1
    if not (close_NH > 0).all():
        raise DataError(f"{source}: a close of {close_NH.min():g}; target log_return needs closes above zero")
    return np.log(close_NH / last_N1)


def _mixed(table: Any, names: Sequence[str], source: str) -> list[list[str]]:
    """Columns of each law of a mixture; none where the table has single laws.

    Raises:
        DataError: a law lacks a column.
    """
    laws: list[list[str]] = []
    while law_column("scale", len(laws) + 1) in table.columns:
        laws.append([law_column(name, len(laws) + 1) for name in names])
    missing = [name for law in laws for name in law if name not in table.columns]
    if missing:
        raise DataError(f"{source}: no column {', '.join(missing)}; each law of a mixture has {', '.join(names)}")
    return laws


def _value_columns(task: Task) -> list[str]:
    if task.output_mode == "discrete_grid":
        return bin_columns(task.edges)
    if task.output_mode == "quantiles":
        return ["close", *map(quantile_column, task.shares)]
    return ["close", "scale"] if task.output_mode == "distribution" else ["close"]


def as_pandas(frame: Any, source: str) -> Any:
    """A frame of any library as one of pandas, its rows numbered from 0.

    Raises:
        DataError: it is no frame.
    """
    import pandas as pd

    if isinstance(frame, pd.DataFrame):
        return frame.reset_index(drop=True)
    import narwhals as nw

    try:
        native = nw.from_native(frame)
    except TypeError:
        raise DataError(f"{source}: a data frame is needed, but a {type(frame).__name__} came") from None
    if isinstance(native, nw.LazyFrame):
        native = native.collect()
    return native.to_pandas().reset_index(drop=True)


def _places(table: Any, names: list[str], keys: Keys, task: Task, source: str) -> np.ndarray:
    """Row of the table for each of the N x H forecasts."""
    import pandas as pd

    from nextbar.bars.frames import epoch_seconds

    rows = table[names].copy()
    try:
        if pd.api.types.is_numeric_dtype(rows["origin"]):  # of which unit?
            raise ValueError(f"not numbers like {rows['origin'].iloc[0]}")
        origin = pd.to_datetime(rows["origin"], utc=True, format="ISO8601")
        rows["origin"] = epoch_seconds(origin)
        rows["step"] = rows["step"].astype("int64")
    except (TypeError, ValueError) as error:
        why = first_line(error)
        raise DataError(f"{source}: origin must hold dates and step whole numbers ({why})") from None
    needed = {"ticker": np.repeat(keys.ticker_N, task.horizon)}
    if keys.resolution_N is not None:
        needed["resolution"] = np.repeat(keys.resolution_N, task.horizon)
    needed["origin"] = np.repeat(keys.origin_N, task.horizon)
    needed["step"] = np.tile(np.arange(1, task.horizon + 1), len(keys.origin_N))
    index = pd.MultiIndex.from_frame(rows.astype({"ticker": object}))
    if index.has_duplicates:
        raise DataError(f"{source}: {_row(index[index.duplicated()][0], names)} is there more than once")
    needed_index = pd.MultiIndex.from_frame(pd.DataFrame(needed).astype({"ticker": object}))
    place = index.get_indexer(needed_index)
    if (place < 0).any():
        raise DataError(
            f"{source}: {np.count_nonzero(place < 0):,} of {len(place):,} rows that are needed are not there, first "
            f"{_row(needed_index[int(np.argmax(place < 0))], names)}. One row is needed for each ticker, origin and "
            f"step from 1 to {task.horizon}"
        )
    return np.asarray(place)


def _row(key: Sequence[Any], names: Sequence[str]) -> str:
    from nextbar.bars.dates import iso

    values = dict(zip(names, key, strict=True))
    values["origin"] = iso(values["origin"])
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _numbers(table: Any, name: str, source: str) -> np.ndarray:
    try:
        values = table[name].to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(f"{source}: {name} must hold numbers ({error})") from None
    if not np.isfinite(values).all():
        bad = table.iloc[int(np.argmin(np.isfinite(values)))]
        raise DataError(
            f"{source}: {name} is {bad[name]} for {bad['ticker']}, origin {bad['origin']}, step {bad['step']}"
        )
    return values


def _log_probs(probs_NHK: np.ndarray, source: str) -> np.ndarray:
    total_NH1 = probs_NHK.sum(axis=-1, keepdims=True)
    if (probs_NHK < 0).any() or (np.abs(total_NH1 - 1) > 1e-6).any():
        worst = float(total_NH1.reshape(-1)[np.argmax(np.abs(total_NH1 - 1))])
        raise DataError(
            f"{source}: probabilities must be at least 0 and sum to 1 in each row; one row sums to {worst:g}"
        )
    with np.errstate(divide="ignore"):
        return np.log(probs_NHK / total_NH1)
