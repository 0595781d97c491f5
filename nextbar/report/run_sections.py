"""The sections of a run's report: forecasts, scores, calibration, errors by part, the data, learning curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nextbar.config import ExperimentConfig
from nextbar.display.learning import learning_figures
from nextbar.display.markup import element
from nextbar.metrics.comparison import held_against
from nextbar.metrics.task import Task
from nextbar.report.breakdown import breakdown_figures
from nextbar.report.calibration import calibration_parts
from nextbar.report.experiment import trained_parts
from nextbar.report.findings import finding_parts
from nextbar.report.page import Section
from nextbar.report.run_tracks import run_explorer
from nextbar.report.scores import rivals_table, score_table, step_figure, ticker_table
from nextbar.report.texts import UNITS, how_to_read
from nextbar.runs.records import read_rival

if TYPE_CHECKING:
    from nextbar.inference.evaluation import Evaluation, SpanEvaluation


class RunFacts(NamedTuple):
    """Data of a run's page."""

    config: ExperimentConfig
    task: Task
    """what is forecast"""
    summary: Mapping[str, Any]
    """``summary.json``"""
    epochs: Sequence[Mapping[str, float]]
    """``metrics.csv``, a row for each epoch"""
    evaluation: Evaluation | None
    """forecasts of the spans by the best epoch; None where they cannot be had"""
    note: str
    """why there is no evaluation, or on which bars; empty where neither need be said"""
    final_epochs: Sequence[Mapping[str, float]] = ()
    """those of the final fit, where there is one"""

    @property
    def first_reports(self) -> Mapping[str, Any]:
        """Scores of the first fit by span, where the run has a final one."""
        return self.summary["first_fit"]["metrics"] if self.summary.get("final_fit") else {}

    @property
    def reports(self) -> Mapping[str, Any]:
        """Scores of model and rivals by span, those of the evaluation where there is one."""
        return self.evaluation.metrics if self.evaluation else self.summary["metrics"]

    @property
    def test(self) -> SpanEvaluation | None:
        """Forecasts of the test span; None without an evaluation or a test span."""
        return self.evaluation.spans.get("test") if self.evaluation else None


def data(run: RunFacts) -> Section:
    """The configuration in short, the series, and the spans over the price."""
    return Section(
        "data", "What was trained on what", trained_parts(run.config, run.summary, run.evaluation), folded=True
    )


def learning(run: RunFacts) -> Section:
    """Loss, leading metric and learning rate by epoch."""
    leading = run.task.leading
    best_epoch = run.evaluation.epoch if run.evaluation else run.summary.get("best_epoch")
    reports = run.first_reports or run.reports
    rivals = {span: held_against(report, leading) for span, report in reports.items()}
    name = next((report.get("strongest_name", "baseline") for report in reports.values()), "baseline")
    title = "first fit" if run.final_epochs else ""
    figures = learning_figures(run.epochs, leading, best_epoch, rivals, name, title)
    figures += learning_figures(run.final_epochs, leading, None, {}, fit="final fit")
    return Section("learning", "How it learnt", [figures], folded=True)


def forecasts(run: RunFacts) -> Section:
    """The explorer of the test span."""
    explorer = run_explorer(run.evaluation, run.test, run.task) if run.evaluation and run.test else None
    return Section("forecasts", "Forecast against truth", [explorer])


def scores(run: RunFacts) -> Section:
    """Every metric of model and rivals: of the test span also by series and step, of the other spans folded up."""
    title, reports = "Scores beside simple rivals", dict(run.reports)
    test = reports.pop("test", None)
    if test is None:
        return Section("scores", title, [score_table(span, report) for span, report in reports.items()])
    folded_up = [
        element("details", element("summary", f"The same on {span}"), score_table(span, report))
        for span, report in reports.items()
        if span not in run.first_reports
    ]
    folded_up += [
        element("details", element("summary", f"The first fit on {span}"), score_table(span, report))
        for span, report in run.first_reports.items()
    ]
    record = read_rival(run.evaluation.run) if run.evaluation else None
    if record and record["validation"]:
        candidates = rivals_table(record, run.task.leading)
        folded_up.append(element("details", element("summary", "The simple rivals on validation"), candidates))
    leading = run.task.leading
    by_step = step_figure(test, leading, UNITS.get(leading, leading))
    return Section("scores", title, [score_table("test", test), by_step, ticker_table(test, leading), *folded_up])


def where(run: RunFacts) -> Section:
    """Scores of parts of the test span, by series, time and volatility."""
    figures = breakdown_figures(run.evaluation, run.test) if run.evaluation and run.test else []
    intro = (
        "Test span, lower is better. Where the full dot lies below the open one, the model beats its baseline there."
    )
    return Section("where", "Where the errors are", [element("p", intro), figures] if figures else [], folded=True)


def calibration(run: RunFacts) -> Section:
    """Coverage, PIT and reliability on the test span."""
    parts = calibration_parts(run.test.calibration, run.task) if run.test else []
    return Section("calibration", "Calibration", parts)


def tests(run: RunFacts) -> Section:
    """What statistical tests say of the test span."""
    return Section("tests", "Tests", finding_parts(run.test.tests) if run.test else [], folded=True)


def reading(run: RunFacts) -> Section:
    """Advice on reading the page, the same in every one."""
    return how_to_read()


SECTIONS: list[Callable[[RunFacts], Section]] = [forecasts, scores, calibration, where, data, learning, tests, reading]
"""sections in the order of the page; a further one is a function and its place here"""
