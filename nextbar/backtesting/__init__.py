"""Backtest: out-of-sample forecasts, fold by fold, by a model that has seen nothing later than its cutoff.

- ``options``: ``BacktestOptions``; ``folds``: history and forecast period of each fold, and the windows scored
- ``panel``: all series end to end, cut at an instant
- ``model``: the model as a predictor like any other
- ``participants``: the predictors of a backtest; ``causality``: whether one of them looks ahead
- ``scoring``: scores of all participants on the same windows; ``pooling``: forecasts of several folds as one;
  ``standing``: whom the model beats, in words; ``table``: all forecasts as one frame
- ``positions``: what a simple rule would have made of their forecasts; ``positions_table``: the same in words and as a
  table; ``tried``: of how many configurations the model is the chosen one
- ``times``: the seconds that each took
- ``folder``: the backtest's folder; ``result``: ``Backtest``, what a user gets back;
  ``scores_table``: its scores on a terminal
- ``walk_forward``: fits, asks and scores fold by fold; ``backtester``: ``backtest``
"""

from nextbar.backtesting.backtester import backtest
from nextbar.backtesting.options import BacktestOptions
from nextbar.backtesting.result import Backtest

__all__ = ["Backtest", "BacktestOptions", "backtest"]
