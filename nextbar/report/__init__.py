"""One HTML page that says what was learnt: of a run, or of a backtest; it needs no network and no other file."""

from nextbar.report.write import write_report

__all__ = ["write_report"]
