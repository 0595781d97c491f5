"""A freqtrade strategy that joins nextbar's forecasts. It shows the join; it is no advice to trade.

    nextbar predict RUN --data user_data/data/binance --as freqtrade --out user_data/nextbar.feather

Tickers are called as freqtrade calls its files: BTC_USDT for the pair BTC/USDT. Write the file anew after each candle.
To backtest the strategy take forecasts that no training had seen, and MODEL = "transformer":

    nextbar backtest experiment.yaml --as freqtrade --out user_data/nextbar.feather
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from freqtrade.strategy import IStrategy


class NextbarStrategy(IStrategy):
    """Long where the next close is forecast above this one by more than a trade costs."""

    INTERFACE_VERSION = 3
    FORECASTS = Path("user_data/nextbar.feather")
    MODEL = "nextbar"
    COSTS = 0.002
    """of a trade there and back, as a share of the price"""

    timeframe = "1h"
    process_only_new_candles = True
    startup_candle_count = 0
    minimal_roi = {"0": 100.0}  # noqa: RUF012 - as the interface wants it
    stoploss = -0.1

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        """Add what was forecast when each candle had closed; empty where nothing was."""
        forecasts = pd.read_feather(self.FORECASTS)
        ticker = metadata["pair"].replace("/", "_").replace(":", "_")
        own = forecasts["ticker"] == ticker
        if "resolution" in forecasts:
            own &= forecasts["resolution"] == self.timeframe
        columns = [name for name in forecasts if name == "date" or name.startswith(f"{self.MODEL}_")]
        return dataframe.merge(forecasts.loc[own, columns], on="date", how="left")

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        """A forecast of one candle that stands above this close by more than the costs."""
        expected = dataframe[f"{self.MODEL}_1_close"] / dataframe["close"] - 1
        dataframe.loc[expected > self.COSTS, "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict) -> pd.DataFrame:
        """A forecast below this close."""
        dataframe.loc[dataframe[f"{self.MODEL}_1_close"] < dataframe["close"], "exit_long"] = 1
        return dataframe
