"""The forecast table as wide frames, as vectorbt takes signals and prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from nextbar.forecasts.shapes import by_forecast, with_series

if TYPE_CHECKING:
    import pandas as pd


def vectorbt_frame(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each origin, columns (quantity, step, ticker): ``wide["close"]["1"]`` is a frame date x ticker.

    The date of a row is the opening time of the last known bar: all in the row is known when that bar has closed, so it
    goes beside that bar's close, and never beside that of the bar it forecasts. Several resolutions make columns
    ``<ticker>_<resolution>``. Of a backtest there is a level in front, the predictor: ``wide["transformer"]["close"]``.
    What came is left out, as nobody knew it on that date. Levels are text.
    """
    forecasts = by_forecast(table)
    quantities = forecasts.columns
    rows = with_series(forecasts.index.to_frame(index=False)).astype({"step": str})
    forecasts.index = rows.set_index(["origin", "step", "series"]).index
    wide = cast("pd.DataFrame", forecasts.unstack(["step", "series"])).rename_axis(columns={"series": "ticker"})
    places = list(dict.fromkeys(zip(rows["step"], rows["series"], strict=True)))
    places.sort(key=lambda place: int(place[0]))  # by step; tickers as they came
    wide = wide[[(*quantity, *place) for quantity in quantities for place in places]]
    return wide if "model" in table else wide.droplevel("model", axis=1)
