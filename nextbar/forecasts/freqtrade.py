"""The forecast table as a frame that a freqtrade strategy joins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nextbar.forecasts.shapes import by_forecast

if TYPE_CHECKING:
    import pandas as pd


def freqtrade_frame(table: pd.DataFrame) -> pd.DataFrame:
    """``date``, ``ticker`` (``resolution``), then ``nextbar_1_close``, ``nextbar_1_close-lo-80`` ... of each step.

    ``date`` is the last known candle's, in UTC: a strategy that joins by ``date`` sees beside a candle what was
    forecast when it had closed, and nothing later. Of a backtest the columns are called after the predictors,
    ``transformer_1_close``. What came is left out: a strategy must not see it.
    """
    import pandas as pd

    forecasts = by_forecast(table)
    keys = [name for name in forecasts.index.names if name not in ("step", "date")]
    steps = forecasts.index.get_level_values("step")
    parts = []
    for step in sorted(steps.unique()):
        part = forecasts[steps == step].droplevel(["step", "date"])
        part.columns = [f"{model}_{step}_{name}" for model, name in part.columns]
        parts.append(part)
    frame = pd.concat(parts, axis=1).reset_index().rename(columns={"origin": "date"})
    frame["date"] = frame["date"].astype("datetime64[ms, UTC]")  # as freqtrade's own candles
    named = [name for name in keys if name != "origin"]
    return frame[["date", *named, *(name for name in frame.columns if name not in ("date", *named))]]
