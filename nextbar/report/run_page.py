"""The report of a run: its verdict, and the sections below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextbar.bars.dates import iso
from nextbar.display.figure import Figure
from nextbar.display.markup import Child, Html, element, join
from nextbar.errors import DataError, RunError, listed
from nextbar.logger import get_logger
from nextbar.metrics.task import Task
from nextbar.report.next_bars import NextBars, latest_bars, next_bars
from nextbar.report.page import page
from nextbar.report.run_sections import SECTIONS, RunFacts
from nextbar.report.tiles import tiles
from nextbar.report.verdict import tone, verdict_box
from nextbar.runs.bars import hold
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.records import read_config, read_conformal
from nextbar.runs.summary import FINAL, read_summary

if TYPE_CHECKING:
    from nextbar.inference.evaluation import Evaluation

NEEDED = frozenset({"run", "status", "data", "metrics", "fingerprint", "versions"})
"""keys that a summary has from before the first epoch on"""


def run_page(path: Path, bars: Any = None, data: str | Path | None = None, revised: bool = False) -> str:
    """The HTML of a run folder.

    It leads with the forecast of the next bars, from the last ones that the data hold now. For a run without a
    checkpoint, without scores or whose own bars are gone the page has fewer sections, and a note says what is missing.

    Args:
        path: the run folder.
        bars: a frame to score on instead of the run's own bars.
        data: the same, from files.
        revised: take the run's own bars although they were revised.

    Raises:
        RunError: a damaged folder, or a run of which no epoch was finished.
        DataError: bars that were handed in cannot be read, or the run's own were revised and ``revised`` is False.
    """
    config = read_config(path)
    summary = read_summary(path)
    if not summary.keys() >= NEEDED:
        raise RunError(f"{path} has no summary.json, or not a whole one; was the run folder copied whole?")
    epochs = _epochs(path, summary)
    latest, gone = latest_bars(config, summary.get("datapath"), bars, data)
    evaluation, note = _evaluate(path, summary, bars, data, revised, gone)
    if bars is None and data is None:
        latest = hold(path, latest, later=True, revised=True).bars  # the evaluation has refused revised ones
    ahead = next_bars(path, latest, evaluation, gone)
    final_epochs = _rows(path / FINAL) if summary.get("final_fit") else []
    run = RunFacts(config, Task.of(config), summary, epochs, evaluation, note, final_epochs)
    sections = [section(run) for section in SECTIONS]
    return page(config.experiment_name, _opening(run, ahead), sections, _footer(summary))


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
    path: Path, summary: Mapping[str, Any], bars: Any, data: str | Path | None, revised: bool, gone: str
) -> tuple[Evaluation | None, str]:
    """The best epoch's forecasts of the spans, or None; and a note for the page, perhaps empty."""
    from nextbar.inference.evaluator import evaluate

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
    except DataError:
        if not gone:
            raise
        return None, "So there are no forecasts to compare with the truth either, no errors by part and no calibration."
    if not own:
        return evaluation, _handed_in(evaluation)
    return evaluation, f"Bars: {'; '.join(evaluation.notices)}." if evaluation.notices else ""


def _handed_in(evaluation: Evaluation) -> str:
    periods = (
        f"{name} {iso(b.time_N[0])[:10]} to {iso(b.time_N[-1])[:10]}"
        for name, b in zip(evaluation.names, evaluation.bars, strict=True)
    )
    return f"Scored on the bars that were handed in: {', '.join(periods)}."


def _opening(run: RunFacts, ahead: NextBars) -> list[Child | Figure]:
    """The forecast of the next bars, the verdict on the test span or else on validation, and the main scores."""
    summary, reports, leading = run.summary, run.reports, run.task.leading
    names = listed(series["name"] for series in summary["data"]["series"])
    opening: list[Child | Figure] = [
        element("p", f"Run {summary['run']}, {summary['status'].replace('_', ' ')}: {names}, "
                f"{summary['data']['windows']['training']:,} training windows.", class_="quiet"),
    ]  # fmt: skip
    if message := summary.get("message"):
        opening.append(element("p", message, class_="note"))
    opening += ahead.parts()
    span = next((name for name in ("test", "validation") if name in reports), None)
    if span is not None:
        detail = f"On the {span} span, which the model has not learnt from."
        report = reports[span]
        box = verdict_box(report["verdict"], detail, tone(report, leading), bool(report.get("strongest_name")))
        opening += [box, tiles(report, leading)]
    return [*opening, element("p", run.note, class_="note") if run.note else None]


def _footer(summary: Mapping[str, Any]) -> Html:
    versions = ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
    return join((f"Run {summary['run']}, bars {summary['fingerprint'][:10]}. {versions}.",))
