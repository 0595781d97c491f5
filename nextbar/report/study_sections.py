"""The sections of a study's report: the winner, every trial, what was drawn and what mattered."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nextbar.display.markup import facts
from nextbar.display.trials import history_figure
from nextbar.metrics.comparison import neutral_score
from nextbar.metrics.task import Task
from nextbar.report.page import Section
from nextbar.report.parallel import parallel_figure
from nextbar.report.scores import number
from nextbar.report.texts import how_to_read
from nextbar.report.trials import importance_figure, leaderboard_html, written
from nextbar.searching.importance import LEAST_FOR_IMPORTANCE
from nextbar.searching.study import Study

_ADVICE = {
    "The winner was chosen by validation.": "Of many tries some are good on validation by luck, so the ranking score "
    "of the first flatters it. Its test result does not: nothing was chosen by it.",
    "Look at the interval.": "It says how far the winner's skill on the test span may be luck of these bars. One that "
    "holds zero says that nothing is known to have been learnt.",
    "Look at the whole table.": "Where many trials score alike, the winner's settings mean little, and a simpler one "
    "of them is as good.",
    "Do not go back to test.": "A second search that is judged by the same test span has seen it through you. Keep "
    "later bars for a last look, or backtest the winner.",
}


class StudyFacts(NamedTuple):
    """Data of a study's page."""

    study: Study
    best: str
    """name of the best trial's run"""
    address: str
    """of the best run's own page, relative to this one; empty where it has none"""
    task: Task
    """what every trial forecasts"""


def winner(shown: StudyFacts) -> Section:
    """The values of the varied fields in the best trial."""
    values = shown.study.space.values(shown.study.best_trial.params)
    return Section("winner", "The winner", [facts((name, written(value)) for name, value in values.items())])


def luck(shown: StudyFacts) -> Section:
    """How likely luck alone makes such a winner."""
    result = shown.study.luck
    figures = None
    if not isinstance(result, str):
        figures = facts([
            ("configurations", f"{result.tried:,}"), ("of them without losses", f"{result.unknown:,}"),
            ("validation origins", f"{result.origins:,}"), (f"gain over {result.benchmark}", number(result.gain)),
            ("gain by its standard error", number(result.statistic)),
            ("probability under pure luck", f"{result.p_value:.2g}"),
        ])  # fmt: skip
    return Section("luck", "Is the winner luck?", [shown.study.luck_in_words, figures])


def trials(shown: StudyFacts) -> Section:
    """The leaderboard."""
    fields = tuple(shown.study.space.dimensions)
    addresses = {shown.best: shown.address} if shown.address else {}
    return Section("trials", "Every trial", [leaderboard_html(shown.study.leaderboard, fields, addresses)])


def drawn(shown: StudyFacts) -> Section:
    """Parallel coordinates of the trials."""
    params = {trial.number: trial.params for trial in shown.study.trials}
    return Section("drawn", "What was drawn", [parallel_figure(shown.study.leaderboard, shown.study.space, params)])


def mattered(shown: StudyFacts) -> Section:
    """Importance of the fields, and scores in the order drawn."""
    neutral = neutral_score(shown.task.output_mode)
    importance = importance_figure(shown.study.importance)
    figures = [figure for figure in (importance, history_figure(shown.study.leaderboard, neutral)) if figure]
    without = f"Importances take {LEAST_FOR_IMPORTANCE} finished trials and more than one choice."
    return Section("mattered", "What mattered", [figures, None if importance else without])


def reading(shown: StudyFacts) -> Section:
    """Advice on reading the page, the same in every one."""
    return how_to_read(_ADVICE)


SECTIONS: list[Callable[[StudyFacts], Section]] = [winner, luck, trials, drawn, mattered, reading]
"""sections in the order of the page; a further one is a function and its place here"""
