"""Laws that every rival of another library must obey, and a library that is none, whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from backtests import make_market
from builders import make_config

from nextbar.backtesting.panel import BacktestPanel
from nextbar.bars.naming import Naming
from nextbar.forecasts import Keys
from nextbar.forecasts.table import quantile_column
from nextbar.metrics.task import Task
from nextbar.rivals import LibraryRival
from nextbar.rivals.base import Ahead
from nextbar.rivals.contexts import ContextRival, from_quantiles
from nextbar.rivals.scaled_series import ScaledSeries

LATER = 1 << 31
CUT = 200
"""bars of the first series before the cutoff; ``LATER`` is after the last"""


class FakeRival(ContextRival):
    """Says of a made-up library's model that the change of a bar is the mean of the last three, give or take 1."""

    library = "json"  # which is always there
    extra = "fake"
    shares = (0.1, 0.5, 0.9)
    context = 4
    least = 4

    def __init__(self, name: str = "fake:Mean") -> None:
        super().__init__(name, "Mean")
        self.fitted: list[list[np.ndarray]] = []
        self.asked: list[int] = []

    def _prepare(self, task: Task) -> None: ...

    def _fit(self, all_series: Sequence[ScaledSeries]) -> None:
        self.fitted.append([series.value_N for series in all_series])

    def _forecast(self, contexts: Sequence[np.ndarray], horizon: int) -> Ahead:
        self.asked.append(len(contexts))
        assert all(values[-1] == 0 and len(values) == 4 for values in contexts)
        change_N = np.array([-values[0] / 3 for values in contexts])
        middle_NH = change_N[:, None] * np.arange(1, horizon + 1)
        return from_quantiles(middle_NH[..., None] + np.array([1.0, 0.0, -1.0]), self.shares)  # from a careless network


def panel(horizon: int, factor: float = 1.0) -> BacktestPanel:
    """The two series of the small market, prices times a factor."""
    bars = [
        type(b)(b.ticker, b.resolution, b.time_N, {
            name: values * (1.0 if name == "volume" else factor) for name, values in b.columns.items()
        }) for b in make_market()
    ]  # fmt: skip
    return BacktestPanel(tuple(bars), horizon, Naming.of(make_config(tickers=["aaa", "bbb"]).dataset_config))


def instants(whole: BacktestPanel) -> tuple[int, int]:
    """The cutoff, and a while after it."""
    close = whole.bars[0].close_time_N
    return int(close[CUT]), int(close[CUT + 12]) + 1


def keys_between(whole: BacktestPanel, begin: int, end: int) -> Keys:
    """All origins from the cutoff to a while after it."""
    closes = whole.close_time_R
    return whole.keys(np.flatnonzero((closes >= begin) & (closes < end)))


def obeys(make: Callable[[], LibraryRival], task: Task) -> pd.DataFrame:
    """Check the laws; returns the rival's table.

    It answers for the origins asked for and no others; the same when the bars end at the last of them; the same
    relative to the last close when prices are ten times as high; and alike when it is made and fitted once more.
    """
    whole = panel(task.horizon)
    cutoff, end = instants(whole)
    keys = keys_between(whole, cutoff, end)
    rival = make().for_task(task)
    rival.fit(whole.frame(0, cutoff))
    table = rival.predict(whole.frame(0, LATER), keys)
    assert len(table) == len(keys.origin_N) * task.horizon
    wanted = {"ticker", "origin", "step", "close", *map(quantile_column, rival.shares if not rival.is_law else ())}
    assert wanted | ({"scale"} if rival.is_law else set()) == set(table.columns) or task.output_mode != "distribution"

    early = rival.predict(whole.frame(0, end), keys)
    values = [name for name in table.columns if name not in ("ticker", "origin", "step")]
    np.testing.assert_allclose(early[values], table[values], rtol=1e-6)

    again = make().for_task(task)
    again.fit(whole.frame(0, cutoff))
    few = Keys(*(None if part is None else part[::3] for part in keys))
    some = again.predict(whole.frame(0, LATER), few).merge(table, on=["ticker", "origin", "step"])
    assert len(some) == len(few.origin_N) * task.horizon
    for name in values:
        np.testing.assert_allclose(some[f"{name}_x"], some[f"{name}_y"], rtol=2e-5)

    dear = panel(task.horizon, factor=10.0)
    other = make().for_task(task)
    other.fit(dear.frame(0, cutoff))
    tenfold = other.predict(dear.frame(0, end), keys)
    closes = [name for name in values if name.startswith("close")]
    np.testing.assert_allclose(tenfold[closes], 10 * table[closes], rtol=1e-3)
    return table


def options(**fields: Any) -> Task:
    """A question over two bars."""
    return Task(**{"output_mode": "distribution", "horizon": 2, "target": "log_return"} | fields)
