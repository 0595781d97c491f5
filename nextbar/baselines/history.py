"""Bars as baselines see them: the closes of one series, with open, high and low where it has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nextbar.errors import DataError
from nextbar.resolution import seconds

if TYPE_CHECKING:
    from nextbar.bars.bars import Bars


PRICES = ("open", "high", "low")


class History(NamedTuple):
    """Prices of one series, N bars."""

    ticker: str
    resolution: str | None
    """None where the frame has no such column"""
    time_N: np.ndarray
    """opening times, seconds since the epoch, ascending"""
    close_N: np.ndarray
    open_N: np.ndarray | None = None
    """this and the next two: None where the source lacks one of them, or one is empty in some bar"""
    high_N: np.ndarray | None = None
    low_N: np.ndarray | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """Identifies the series."""
        return self.ticker, self.resolution

    @classmethod
    def of(cls, bars: Bars) -> History:
        """The prices of a series that has been checked."""
        return cls(bars.ticker, bars.resolution, bars.time_N, bars.columns["close"], *ranges(bars.columns))

    @property
    def bars(self) -> Bars | None:
        """As a range needs them; None without open, high and low."""
        from nextbar.bars.bars import Bars

        if self.open_N is None or self.high_N is None or self.low_N is None:
            return None
        prices = {"open": self.open_N, "high": self.high_N, "low": self.low_N, "close": self.close_N}
        return Bars(self.ticker, self.resolution or "", self.time_N, prices)

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
    """The series of a long frame (pandas, polars ...) with ``ticker``, ``date``, ``close`` and perhaps ``resolution``,
    ``open``, ``high`` and ``low``.

    Raises:
        DataError: no frame, or one without rows, without these columns, with a close that is no finite number or with
            dates that do not ascend.
    """
    import narwhals as nw
    import pandas as pd

    from nextbar.bars.frames import epoch_seconds

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
        time_N = epoch_seconds(pd.to_datetime(table["date"], utc=True))
        columns = [name for name in (*PRICES, "close") if name in table.columns]
        table = table[by].assign(date=time_N, **{name: table[name].astype("float64") for name in columns})
    except (TypeError, ValueError) as error:
        raise DataError(f"the bars: date must hold dates and prices numbers ({error})") from None
    series_list = []
    for key, rows in table.groupby(by, sort=False):
        prices = {name: rows[name].to_numpy() for name in columns}
        resolution = str(key[1]) if len(by) == 2 else None
        series = History(str(key[0]), resolution, rows["date"].to_numpy(), prices["close"], *ranges(prices))
        if not np.isfinite(series.close_N).all():
            raise DataError(f"{series.name}: a close is {series.close_N[~np.isfinite(series.close_N)][0]}")
        if (np.diff(series.time_N) <= 0).any():
            raise DataError(f"{series.name}: the dates do not ascend; sort the bars, and keep one row for each date")
        series_list.append(series)
    return series_list


def ranges(prices: Mapping[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Open, high and low of a series, by the names of its columns; nothing where one is missing or empty in a bar."""
    values = tuple(prices[name] for name in PRICES if name in prices)
    return values if len(values) == len(PRICES) and all(np.isfinite(v).all() for v in values) else ()
