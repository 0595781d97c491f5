"""The report of a run: its verdict, and the sections below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nextbar.display.markup import Child, Html, element, join
from nextbar.errors import RunError
from nextbar.logger import get_logger
from nextbar.metrics.task import Task
from nextbar.report.page import page
from nextbar.report.run_sections import SECTIONS, RunFacts
from nextbar.report.scores import tiles, tone, verdict_box
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.records import FINAL, read_config, read_conformal, read_summary

if TYPE_CHECKING:
    from nextbar.inference.evaluation import Evaluation

NEEDED = frozenset({"run", "status", "data", "metrics", "fingerprint", "versions"})
"""keys that a summary has from before the first epoch on"""


def run_page(path: Path, bars: Any = None, data: str | Path | None = None, revised: bool = False) -> str:
    """The HTML of a run folder.

    For a run without a checkpoint or without scores the page has fewer sections, and a note says what is missing.

    Args:
        path: the run folder.
        bars: a frame to score on instead of the run's own bars.
        data: the same, from files.
        revised: take the run's own bars although they were revised.

    Raises:
        RunError: a damaged folder, or a run of which no epoch was finished.
        DataError: the bars cannot be read, or were revised and ``revised`` is False.
    """
    config = read_config(path)
    summary = read_summary(path)
    if not summary.keys() >= NEEDED:
        raise RunError(f"{path} has no summary.json, or not a whole one; was the run folder copied whole?")
    epochs = _epochs(path, summary)
    evaluation, note = _evaluate(path, summary, bars, data, revised)
    final_epochs = _rows(path / FINAL) if summary.get("final_fit") else []
    run = RunFacts(config, Task.of(config), summary, epochs, evaluation, note, final_epochs)
    sections = [section(run) for section in SECTIONS]
    return page(config.experiment_name, _opening(run), sections, _footer(summary))


def _epochs(path: Path, summary: Mapping[str, Any]) -> list[dict[str, float]]:
    rows = _rows(path)
    if not rows and not summary.get("metrics"):
        raise RunError(
            f"{path} has status {summary.get('status')}, and no epoch is finished: there is nothing to report yet"
        )
    return rows


def _rows(path: Path) -> list[dict[str, float]]:
    try:
        return read_metrics(path)
    except RunError:
        return []


def _evaluate(
    path: Path, summary: Mapping[str, Any], bars: Any, data: str | Path | None, revised: bool
) -> tuple[Evaluation | None, str]:
    """The best epoch's forecasts of the spans, or None; and a note for the page, perhaps empty."""
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
    periods = (
        f"{name} {np.datetime64(int(b.time_N[0]), 's').astype('datetime64[D]')} to "
        f"{np.datetime64(int(b.time_N[-1]), 's').astype('datetime64[D]')}"
        for name, b in zip(evaluation.names, evaluation.bars, strict=True)
    )
    return f"Scored on the bars that were handed in: {', '.join(periods)}."


def _opening(run: RunFacts) -> list[Child]:
    """Run, status and series in a line, messages, and the verdict on the test span, or else on validation."""
    summary, reports, leading = run.summary, run.reports, run.task.leading
    names = ", ".join(series["name"] for series in summary["data"]["series"])
    opening: list[Child] = [
        element("p", f"Run {summary['run']}, {summary['status'].replace('_', ' ')}: {names}, "
                f"{summary['data']['windows']['training']:,} training windows.", class_="quiet"),
    ]  # fmt: skip
    opening += [element("p", text, class_="note") for text in (summary.get("message"), run.note) if text]
    span = next((name for name in ("test", "validation") if name in reports), None)
    if span is not None:
        detail = f"On the {span} span, which the model has not learnt from."
        box = verdict_box(reports[span]["verdict"], detail, tone(reports[span], leading))
        opening += [box, tiles(reports[span], leading)]
    return opening


def _footer(summary: Mapping[str, Any]) -> Html:
    versions = ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
    return join((f"Run {summary['run']}, bars {summary['fingerprint'][:10]}. {versions}.",))
