"""Reports of runs, backtests and studies: one HTML page each, which needs no network and no other file.

- ``write``: chooses the page by the kind of folder; ``run_page``, ``backtest_page``, ``study_page``: what each opens
  with; ``next_bars``, ``verdict``, ``tiles``: the parts of that; ``run_sections``, ``backtest_sections``,
  ``study_sections``: its sections
- ``page``: sections put together into one document, of the charts of ``nextbar.display``; ``texts``: standing texts
- ``experiment``, ``price``, ``scores``, ``breakdown`` (by ``groupings``), ``calibration``, ``folds``,
  ``trials``, ``parallel``: the parts of sections
- ``explorer``: forecasts bar by bar, of ``tracks``, which ``run_tracks`` and ``backtest_tracks`` make
"""

from nextbar.report.write import write_report

__all__ = ["write_report"]
