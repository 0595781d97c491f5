"""Bars as baselines see them: the closes of one series."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nextbar.errors import DataError
from nextbar.resolution import seconds


class History(NamedTuple):
    """Closes of one series, N bars."""

    ticker: str
    resolution: str | None
    """None where the frame has no such column"""
    time_N: np.ndarray
    """opening times, seconds since the epoch, ascending"""
    close_N: np.ndarray

    @property
    def key(self) -> tuple[str, str | None]:
        """Identifies the series."""
        return self.ticker, self.resolution

    @property
    def name(self) -> str:
        """The series in messages."""
        return self.ticker if self.resolution is None else f"{self.ticker}_{self.resolution}"

    @property
    def step(self) -> int:
        """Seconds of one bar; where the frame does not say, the commonest distance of two bars."""
        if self.resolution is not None:
            return seconds(self.resolution)
        if len(self.time_N) < 2:
            return 1
        distances, counts = np.unique(np.diff(self.time_N), return_counts=True)
        return int(distances[np.argmax(counts)])

    def moves(self, positive: bool, center: float) -> np.ndarray:
        """The move into each bar, (N,), 0 for the first: log returns of a ``positive`` series, else changes.

        A close at or below zero after training has no logarithm: there the move is the change over the training
        mean ``center``.
        """
        move_N = np.zeros(len(self.close_N))
        before, now = self.close_N[:-1], self.close_N[1:]
        if not positive:
            move_N[1:] = now - before
            return move_N
        with np.errstate(divide="ignore", invalid="ignore"):
            move_N[1:] = np.where((before > 0) & (now > 0), np.log(now / before), (now - before) / center)
        return move_N


def histories(frame: Any) -> list[History]:
    """The series of a long frame (pandas, polars ...) with ``ticker``, ``date``, ``close`` and perhaps ``resolution``.

    Raises:
        DataError: no frame, or one without rows, without these columns, with a close that is no finite number or with
            dates that do not ascend.
    """
    import narwhals as nw
    import pandas as pd

    try:
        table = nw.from_native(frame, eager_only=True).to_pandas()
    except TypeError:
        raise DataError(f"found {type(frame).__name__}, should be a data frame of bars") from None
    missing = [name for name in ("ticker", "date", "close") if name not in table.columns]
    if missing or not len(table):
        what = f"no column {', '.join(missing)}" if missing else "no rows"
        raise DataError(f"{what} in the frame of bars; it needs ticker, date and close, and a row for each bar")
    by = ["ticker", "resolution"] if "resolution" in table.columns else ["ticker"]
    try:
        time = pd.to_datetime(table["date"], utc=True).astype("datetime64[s, UTC]").astype("int64")
        table = table[by].assign(date=time, close=table["close"].astype("float64"))
    except (TypeError, ValueError) as error:
        raise DataError(f"the bars: date must hold dates and close numbers ({error})") from None
    series_list = []
    for key, rows in table.groupby(by, sort=False):
        series = History(
            str(key[0]),
            str(key[1]) if len(by) == 2 else None,
            rows["date"].to_numpy(),
            rows["close"].to_numpy(),
        )
        if not np.isfinite(series.close_N).all():
            raise DataError(f"{series.name}: a close is {series.close_N[~np.isfinite(series.close_N)][0]}")
        if (np.diff(series.time_N) <= 0).any():
            raise DataError(f"{series.name}: the dates do not ascend; sort the bars, and keep one row for each date")
        series_list.append(series)
    return series_list
