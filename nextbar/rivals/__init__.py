"""Forecasters of other libraries as participants of a backtest, each an optional extra that is imported when used.

- ``base``: ``LibraryRival``, what they have in common; ``scaled_series``: a series as they get it
- ``contexts``: those that forecast from the last bars alone; ``local_folder``: weights on this disk, never a download
- ``statsforecast``, ``neuralforecast``, ``darts``, ``chronos``, ``timesfm``, ``kronos``: one library each
- ``parameters``, ``names``: models by name; the rival that ``statsforecast:AutoETS`` or ``chronos:FOLDER`` stands for

A further one is a class and its place in ``names.LIBRARIES``.
"""

from nextbar.rivals.base import LibraryRival
from nextbar.rivals.chronos import ChronosRival
from nextbar.rivals.darts import DartsRival
from nextbar.rivals.kronos import KronosRival
from nextbar.rivals.names import rival_called
from nextbar.rivals.neuralforecast import NeuralForecastRival
from nextbar.rivals.statsforecast import StatsForecastRival
from nextbar.rivals.timesfm import TimesFMRival

__all__ = [
    "ChronosRival",
    "DartsRival",
    "KronosRival",
    "LibraryRival",
    "NeuralForecastRival",
    "StatsForecastRival",
    "TimesFMRival",
    "rival_called",
]
