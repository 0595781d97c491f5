"""The forecast table as Nixtla's libraries write theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nextbar.forecasts.shapes import by_forecast, key_columns, with_series

if TYPE_CHECKING:
    import pandas as pd


def nixtla_frame(table: pd.DataFrame) -> pd.DataFrame:
    """``unique_id``, ``ds``, then ``nextbar`` (the close), ``nextbar-lo-90``, ``nextbar-hi-90`` ...

    ``unique_id`` is the ticker, or ``<ticker>_<resolution>`` where there are several resolutions; ``ds`` the opening
    time of the predicted bar, UTC without a zone. Where a series is forecast from several origins, ``cutoff`` is the
    opening time of the last known bar, as in ``cross_validation``. Of a backtest the columns are called after the
    predictors, and ``y`` is what came. Other quantities follow the same rule: ``nextbar-scale``, ``nextbar-p_0_0.5``.
    """
    forecasts = by_forecast(table)
    models, quantities = map(forecasts.columns.get_level_values, ("model", "quantity"))
    forecasts.columns = list(map(_column, models, quantities))
    if "actual" in table:
        keys = key_columns(table)
        actual = table.drop_duplicates(keys).set_index(keys)["actual"]
        forecasts.insert(0, "y", actual.reindex(forecasts.index))
    frame = with_series(forecasts.reset_index()).drop(columns="step")
    frame = frame.rename(columns={"series": "unique_id", "origin": "cutoff", "date": "ds"})
    for name in ("ds", "cutoff"):
        frame[name] = frame[name].dt.tz_localize(None)
    frame.insert(1, "ds", frame.pop("ds"))
    is_single = (frame.groupby("unique_id")["cutoff"].nunique() == 1).all()
    return frame.drop(columns="cutoff") if is_single else frame


def _column(model: str, quantity: str) -> str:
    return model if quantity == "close" else f"{model}-{quantity.removeprefix('close-')}"
