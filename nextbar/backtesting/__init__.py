"""Backtest: what would have been forecast, fold by fold, by a model that knew no more than it could have.

- ``options``: what is asked; ``folds``: which bars are known and which are forecast, and the windows scored
- ``panel``: all series as one table, cut at an instant
- ``transformer``: the model as a predictor like any other
- ``entrants``: who takes part, and what is done with what they hand in; ``causality``: nobody looks ahead
- ``scoring``: everybody's scores on the same windows, the model beside each
- ``record``: the backtest's folder; ``result``: what a user gets back
- ``walk_forward``: fold by fold; ``backtester``: the public face
"""

from nextbar.backtesting.backtester import backtest
from nextbar.backtesting.options import BacktestOptions
from nextbar.backtesting.result import Backtest

__all__ = ["Backtest", "BacktestOptions", "backtest"]
