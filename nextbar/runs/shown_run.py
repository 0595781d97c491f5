"""``ShownRun``: display of a trained model: its scores beside the strongest rival, and its epochs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbar.display.figure import Drawing, Figure
from nextbar.display.learning import learning_figures
from nextbar.display.markup import Child
from nextbar.display.shown import Shown
from nextbar.metrics.comparison import headline, held_against
from nextbar.runs.metrics_csv import read_history, read_metrics
from nextbar.runs.summary import read_summary
from nextbar.storage.address import named
from nextbar.tables import leading_of, rounded, signed

if TYPE_CHECKING:
    import pandas as pd


class ShownRun(Shown):
    """The model of a run, or of several."""

    @property
    def history(self) -> pd.DataFrame:
        """``metrics.csv`` of the run as a pandas frame, a row for each epoch; of several runs one after the other, with
        their folders in a first column ``run``. Of a run with a final fit the epochs of the first one.

        Raises:
            RunError: no run folder, or none with a finished epoch.
        """
        return read_history(self._run_dirs())

    @abstractmethod
    def _run_dirs(self) -> Sequence[Path]:
        """Folders of the runs; none where the model has none."""

    @abstractmethod
    def _reports(self) -> Mapping[str, Any]:
        """Scores by span; empty where there are none."""

    def _headline(self) -> str:
        span, report = self._led()
        return f"{span}: {headline(report)}" if report else ""

    def _scores(self) -> tuple[Sequence[str], Sequence[Sequence[Child]]]:
        """The metrics that have a skill, as far as model and rival have them."""
        span, report = self._led()
        rows = [
            (name, rounded(report["model"][name]), rounded(held_against(report, name)), signed(gain))
            for name, gain in report.get("skill", {}).items()
            if gain is not None
        ]
        return (span, "model", report.get("strongest_name", "baseline"), "skill"), rows

    def _chart(self) -> Figure | None:
        """The leading metric by epoch, or the loss where no metric leads; a drawing for each run."""
        figures = {named(run): figure for run in self._run_dirs() if (figure := _learning(run))}
        if not figures:
            return None
        first = next(iter(figures.values()))
        drawings: dict[str, Drawing] = {name: next(iter(f.drawings.values())) for name, f in figures.items()}
        return Figure(first.key, first.title, drawings, first.caption)

    def _led(self) -> tuple[str, Mapping[str, Any]]:
        """The span that scores are shown of, and its report: test, else validation."""
        reports = self._reports()
        return next(((span, reports[span]) for span in ("test", "validation") if span in reports), ("", {}))


def _learning(run: Path) -> Figure | None:
    rows, summary = read_metrics(run), read_summary(run)
    if not rows:
        return None
    leading = leading_of(rows[-1])
    fit = summary.get("first_fit") if summary.get("final_fit") else summary
    reports = (fit or {}).get("metrics", {})
    rivals = {span: held_against(report, leading) for span, report in reports.items()}
    name = next((report.get("strongest_name", "baseline") for report in reports.values()), "baseline")
    loss, metric, _ = learning_figures(rows, leading, summary.get("best_epoch"), rivals, name)
    return metric if leading else loss
