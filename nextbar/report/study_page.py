"""The report of a study: the winner and how sure its result is, every trial, what was drawn and what mattered."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from nextbar.bars.new_bars import read_new_bars
from nextbar.errors import NextbarError
from nextbar.logger import get_logger
from nextbar.metrics.task import Task
from nextbar.report.markup import Child, Html, element, facts, join
from nextbar.report.page import Section, page
from nextbar.report.parallel import parallel_figure
from nextbar.report.scores import tiles, tone, verdict_box
from nextbar.report.trials import history_figure, importance_figure, leaderboard_html, written
from nextbar.runs.records import read_summary
from nextbar.searching.study import LEAST_FOR_IMPORTANCE, Study

_READ = {
    "The winner was chosen by validation.": "Of many tries some are good on validation by luck, so the ranking score "
    "of the first flatters it. Its test result does not: nothing was chosen by it.",
    "Look at the interval.": "It says how far the winner's skill on the test span may be luck of these bars. One that "
    "holds zero says that nothing is known to have been learnt.",
    "Look at the whole table.": "Where many trials score alike, the winner's settings mean little, and a simpler one "
    "of them is as good.",
    "Do not go back to test.": "A second search that is judged by the same test span has seen it through you. Keep "
    "later bars for a last look, or backtest the winner.",
}


def study_page(path: Path, target: Path, bars: Any = None, data: str | Path | None = None) -> str:
    """The HTML of a study's folder; the page of its best run is written beside, and linked.

    Args:
        path: the study's folder.
        target: where the page will lie, which its links start from.
        bars: for the page of the best run.
        data: the same, from files.

    Raises:
        RunError: a damaged study, or one without a trial that has ended.
        ConfigError: its storage cannot be reached.
    """
    handed_in = bars is not None or data is not None
    study = Study.load(path, bars=partial(read_new_bars, bars=bars, data=data) if handed_in else None)
    best = study.best
    summary = read_summary(best)
    address, note = _best_page(best, target, bars, data)
    config = study.config(study.best_trial)
    task = Task.of(config)
    report = summary["metrics"].get("test")
    opening: list[Child] = [element("p", study.tried, class_="quiet")]
    if report:
        detail = f"The winner on the test span. {study.sureness}"
        opening += [verdict_box(report["verdict"], detail, tone(report, task.leading)), tiles(report, task.leading)]
    opening.append(element("p", element("a", "The winner's own page", href=address)) if address else
                   element("p", note, class_="note"))  # fmt: skip
    values = study.space.values(study.best_trial.params)
    drawn = {trial.number: trial.params for trial in study.trials}
    neutral = 0.0 if task.output_mode == "distribution" else 1.0
    importance = importance_figure(study.importance)
    without = (
        None if importance else f"Importances take {LEAST_FOR_IMPORTANCE} finished trials and more than one choice."
    )
    sections = [
        Section("winner", "The winner", [facts((name, written(value)) for name, value in values.items())]),
        Section("trials", "Every trial", [
            leaderboard_html(study.leaderboard, tuple(study.space.dimensions), {best.name: address} if address else {}),
        ]),
        Section("drawn", "What was drawn", [parallel_figure(study.leaderboard, study.space, drawn)]),
        Section("mattered", "What mattered", [
            [figure for figure in (importance, history_figure(study.leaderboard, neutral)) if figure], without,
        ]),
        Section("reading", "How to read this page", [_how_to_read()]),
    ]  # fmt: skip
    return page(f"Search {study.optuna.study_name}", opening, sections, join((f"Study {path.name}.",)))


def _best_page(best: Path, target: Path, bars: Any, data: str | Path | None) -> tuple[str, str]:
    """Address of the best run's page, or why there is none."""
    from nextbar.report.write import write_report

    try:
        page = write_report(best, bars=bars, data=data)
    except NextbarError as error:
        get_logger().warning("the best run has no page of its own: %s", error)
        return "", f"The winner is {best.name}; its own page could not be written: {error}"
    return Path(os.path.relpath(page, target.absolute().parent)).as_posix(), ""


def _how_to_read() -> Html:
    return element("ul", *(element("li", element("strong", head), " ", rest) for head, rest in _READ.items()))
