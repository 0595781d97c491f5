"""The report of a study: how many configurations were tried, the winner's verdict, and the sections below."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nextbar.bars.new_bars import read_new_bars
from nextbar.display.markup import Child, Html, element, join
from nextbar.metrics.task import Task
from nextbar.report.page import page
from nextbar.report.study_sections import SECTIONS, StudyFacts
from nextbar.report.tiles import tiles
from nextbar.report.verdict import tone, verdict_box
from nextbar.runs.summary import read_summary
from nextbar.searching.study import Study


def study_page(
    path: Path, best_page: Callable[[Path], tuple[str, str]], bars: Any = None, data: str | Path | None = None
) -> str:
    """The HTML of a study's folder.

    Args:
        path: the study's folder.
        best_page: called with the best run's folder; address of that run's page from this one, and where it is empty
            why there is none.
        bars: for the interval of the winner's skill.
        data: the same, from files.

    Raises:
        RunError: a damaged study, or one without a trial that has ended.
        ConfigError: its storage cannot be reached.
    """
    handed_in = bars is not None or data is not None
    study = Study.load(path, bars=partial(read_new_bars, bars=bars, data=data) if handed_in else None)
    best = study.best
    summary = read_summary(best)
    address, without = best_page(best)
    task = Task.of(study.config(study.best_trial))
    shown = StudyFacts(study, best.name, address, task)
    opening = [*_verdict(study, summary["metrics"].get("test"), task.leading), _link(address, without)]
    sections = [section(shown) for section in SECTIONS]
    return page(f"Search {study.optuna.study_name}", opening, sections, join((f"Study {path.name}.",)))


def _verdict(study: Study, report: Any, leading: str) -> list[Child]:
    """How many configurations were tried, and the best run's scores on the test span where it has one."""
    tried = element("p", study.tried, class_="quiet")
    if not report:
        return [tried]
    detail = f"The winner on the test span. {study.sureness}"
    return [tried, verdict_box(report["verdict"], detail, tone(report, leading)), tiles(report, leading)]


def _link(address: str, without: str) -> Html:
    if address:
        return element("p", element("a", "The winner's own page", href=address))
    return element("p", without, class_="note")
