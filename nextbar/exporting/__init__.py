"""Exports: folders that forecast without nextbar.

- ``exporter``: the public function, from runs to a folder
- ``exportable``: what an export can do of what a run does
- ``steps``: a network as a list of steps and the arrays of its layers
- ``numbers``: calendars, statistics and starts of the series as arrays
- ``golden``: what nextbar itself forecasts from made-up bars, for the export to be held against
- ``forecast``: the script that lies in every export, NumPy alone
- ``networks``: the networks as StableHLO or ONNX, for other programs
"""

from nextbar.exporting.exporter import export_run

__all__ = ["export_run"]
