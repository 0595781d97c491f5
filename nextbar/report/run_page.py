"""The report of a run: what was trained on what, how it learnt, what it forecasts, and what that is worth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nextbar.errors import RunError
from nextbar.logger import get_logger
from nextbar.metrics.task import Task
from nextbar.report.breakdown import groupings, parts, shown_metric, where_figure
from nextbar.report.calibration import calibration_parts
from nextbar.report.experiment import trained_parts
from nextbar.report.learning import learning_figures
from nextbar.report.markup import Child, Html, element, join
from nextbar.report.page import Section, page
from nextbar.report.run_tracks import run_explorer
from nextbar.report.scores import score_table, step_figure, ticker_table, tiles, tone, verdict_box
from nextbar.report.texts import UNITS, how_to_read
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.records import read_config, read_conformal, read_summary

if TYPE_CHECKING:
    from nextbar.inference.evaluation import Evaluation, SpanEvaluation

NEEDED = frozenset({"run", "status", "data", "metrics", "fingerprint", "versions"})
"""what every run says in its summary before its first epoch"""


def run_page(path: Path, bars: Any = None, data: str | Path | None = None, revised: bool = False) -> str:
    """The HTML of a run folder.

    A run without a checkpoint, or with nothing scored, gives the page that can be had of it, and says what is missing.

    Raises:
        RunError: a damaged folder, or a run of which no epoch was finished.
        DataError: the bars cannot be read, or were revised and that is not asked for.
    """
    config = read_config(path)
    summary = read_summary(path)
    if not summary.keys() >= NEEDED:
        raise RunError(f"{path} has no summary.json, or not a whole one; was the run folder copied whole?")
    epochs = _epochs(path, summary)
    evaluation, note = _evaluate(path, summary, bars, data, revised)
    task = Task.of(config)
    reports = evaluation.metrics if evaluation else summary["metrics"]
    test = evaluation.spans.get("test") if evaluation else None
    baselines = {span: report["baseline"][task.leading] for span, report in reports.items()}
    best_epoch = evaluation.epoch if evaluation else summary.get("best_epoch")
    curves = learning_figures(epochs, task.leading, best_epoch, baselines)
    sections = [
        Section("data", "What was trained on what", trained_parts(config, summary, evaluation)),
        Section("learning", "How it learnt", [curves]),
        Section("forecasts", "Forecast against truth", _forecasts(evaluation, test, task)),
        Section("scores", "Scores beside the baseline", _scores(reports, task)),
        Section("where", "Where the errors are", _where(evaluation, test)),
        Section("calibration", "Calibration", calibration_parts(test.calibration, task) if test else []),
        Section("reading", "How to read this page", [how_to_read()]),
    ]
    return page(config.experiment_name, _opening(summary, reports, task, note), sections, _footer(summary))


def _epochs(path: Path, summary: Mapping[str, Any]) -> list[dict[str, float]]:
    try:
        rows = read_metrics(path)
    except RunError:
        rows = []
    if not rows and not summary.get("metrics"):
        raise RunError(
            f"{path} has status {summary.get('status')}, and no epoch is finished: there is nothing to report yet"
        )
    return rows


def _evaluate(
    path: Path, summary: Mapping[str, Any], bars: Any, data: str | Path | None, revised: bool
) -> tuple[Evaluation | None, str]:
    """The run's forecasts of its spans, or None; and what to say of that."""
    from nextbar.inference.evaluation import evaluate

    own = bars is None and data is None
    if own and summary.get("refit_of"):
        return None, (
            f"Trained on all bars, so nothing is left to score with: the scores of {summary['refit_of']} are the "
            "estimate. Later bars can be handed in."
        )
    residuals = read_conformal(path)
    adjust = residuals is not None and residuals[0] == summary.get("best_epoch")
    try:
        evaluation = evaluate(path, bars, data=data, conformal=adjust, revised=revised)
    except RunError as error:
        get_logger().warning("the report is without forecasts: %s", error)
        return None, f"Without forecasts, errors by part and calibration: {error}."
    if not own:
        return evaluation, _handed_in(evaluation)
    return evaluation, f"Bars: {'; '.join(evaluation.notices)}." if evaluation.notices else ""


def _handed_in(evaluation: Evaluation) -> str:
    said = (
        f"{name} {np.datetime64(int(b.time_N[0]), 's').astype('datetime64[D]')} to "
        f"{np.datetime64(int(b.time_N[-1]), 's').astype('datetime64[D]')}"
        for name, b in zip(evaluation.names, evaluation.bars, strict=True)
    )
    return f"Scored on the bars that were handed in: {', '.join(said)}."


def _opening(summary: Mapping[str, Any], reports: Mapping[str, Any], task: Task, note: str) -> list[Child]:
    names = ", ".join(one["name"] for one in summary["data"]["series"])
    opening: list[Child] = [
        element("p", f"Run {summary['run']}, {summary['status'].replace('_', ' ')}: {names}, "
                f"{summary['data']['windows']['training']:,} training windows.", class_="quiet"),
    ]  # fmt: skip
    opening += [element("p", text, class_="note") for text in (summary.get("message"), note) if text]
    span = next((name for name in ("test", "validation") if name in reports), None)
    if span is not None:
        report = reports[span]
        detail = f"On the {span} span, which the model has not learnt from."
        opening += [verdict_box(report["verdict"], detail, tone(report, task.leading)), tiles(report, task.leading)]
    return opening


def _forecasts(evaluation: Evaluation | None, test: SpanEvaluation | None, task: Task) -> list[Any]:
    return [run_explorer(evaluation, test, task)] if evaluation and test else []


def _scores(reports: Mapping[str, Any], task: Task) -> list[Any]:
    if "test" not in reports:
        return [score_table(span, report) for span, report in reports.items()]
    test = reports["test"]
    rest = [element("details", element("summary", f"The same on {span}"), score_table(span, report))
            for span, report in reports.items() if span != "test"]  # fmt: skip
    figure = step_figure(test, task.leading, UNITS.get(task.leading, task.leading))
    return [score_table("test", test), figure, ticker_table(test, task.leading), *rest]


def _where(evaluation: Evaluation | None, test: SpanEvaluation | None) -> list[Any]:
    if evaluation is None or test is None:
        return []
    metric = shown_metric(test.scorer)
    figures = []
    for grouping in groupings(evaluation.bars, evaluation.timezones, test.origin_N, test.scorer):
        found = parts(grouping, test.scorer, test.forecast, metric)
        if len(found) > 1:
            figures.append(where_figure(grouping, found, metric, UNITS[metric]))
    intro = (
        "Test span, lower is better. Where the full dot lies below the open one, the model beats its baseline there."
    )
    return [element("p", intro), figures] if figures else []


def _footer(summary: Mapping[str, Any]) -> Html:
    versions = ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
    return join((f"Run {summary['run']}, bars {summary['fingerprint'][:10]}. {versions}.",))
