"""The report of a backtest: its options and verdict, and the sections below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nextbar.backtesting import Backtest
from nextbar.bars.bars import Bars
from nextbar.bars.new_bars import own_bars, read_new_bars
from nextbar.config import ExperimentConfig
from nextbar.display.markup import Child, element
from nextbar.errors import DataError
from nextbar.logger import get_logger
from nextbar.metrics.task import Task
from nextbar.report.backtest_sections import DIRECTION, SECTIONS, BacktestFacts, verdict_tone
from nextbar.report.page import page
from nextbar.report.tiles import tiles
from nextbar.report.verdict import tone, verdict_box
from nextbar.runs.bars import hold
from nextbar.runs.records import read_config

UP = "always_up"
"""the baseline that directions are held against"""


def backtest_page(path: Path, bars: Any = None, data: str | Path | None = None) -> str:
    """The HTML of a backtest folder.

    Args:
        path: the backtest folder.
        bars: a frame of the series instead of the backtest's own bars.
        data: the same, from files.

    Raises:
        RunError: it is damaged or was not finished.
        DataError: bars that were handed in cannot be read. Without the backtest's own bars the page has no candles.
    """
    config = read_config(path)
    backtest = Backtest.load(path)
    series = _bars(path, backtest.summary.get("datapath"), config, bars, data)
    shown = BacktestFacts(config, Task.of(config), backtest, series)
    sections = [section(shown) for section in SECTIONS]
    return page(f"Backtest of {config.experiment_name}", _opening(shown), sections, f"{path.name}.")


def _bars(path: Path, recorded: str | None, config: ExperimentConfig, bars: Any, data: str | Path | None) -> list[Bars]:
    if bars is not None or data is not None:
        return read_new_bars(config, bars, data, scored_only=True)
    try:
        return hold(path, own_bars(config, recorded=recorded)).bars
    except DataError as error:
        get_logger().warning("the report is without candles: %s", error)
        return []


def _opening(shown: BacktestFacts) -> list[Child]:
    options, folds = shown.backtest.summary["options"], shown.backtest.folds
    windows = sum(fold["windows"] for fold in folds)
    plan = (
        f"{len(folds)} folds, {options['window']} window, fitted anew every {_folds_of(options['refit_every'])}, "
        f"embargo {options['embargo']} bars: {windows:,} windows forecast."
    )
    strongest = shown.backtest.strongest
    figures = ["More than luck means a Diebold–Mariano test below 0.05."]
    if strongest:
        chosen = f"{strongest} is the strongest simple rival, chosen on the validation span of the first fold."
        figures = [chosen, shown.scores[shown.model]["overall"], *figures]
    verdict, colour = shown.scores[shown.model]["verdict"], _overall_tone(shown)
    box = verdict_box(verdict, "All folds together.", colour, bool(strongest), figures)
    scores = tiles(_report(shown, strongest, windows), shown.task.leading) if strongest else None
    return [element("p", plan, class_="quiet"), box, scores]


def _report(shown: BacktestFacts, strongest: str, windows: int) -> dict[str, Any]:
    """Model and strongest rival over all folds, as the report of a span has them."""
    scores, node = shown.scores, shown.scores[strongest]
    up = {DIRECTION: scores[UP]["pooled"][DIRECTION]} if UP in scores else {}
    rival = {name: value for name, value in node["pooled"].items() if name != DIRECTION} | up
    return {
        "model": scores[shown.model]["pooled"],
        "strongest_name": strongest,
        "strongest": rival,
        "baseline": rival,
        "skill": node["skill"],
        "diebold_mariano": node["diebold_mariano"],
        **{key: scores[shown.model][key] for key in ("tested",) if scores[shown.model].get(key)},
        "windows": windows,
    }


def _folds_of(n: int) -> str:
    return "fold" if n == 1 else f"{n} folds"


def _overall_tone(shown: BacktestFacts) -> str | None:
    """That of the comparison with the strongest rival. Without one ``good`` where all are beaten; ``bad`` where nobody
    is, and one is better by more than luck; else None."""
    if strongest := shown.backtest.strongest:
        return tone(_report(shown, strongest, 0), shown.task.leading)
    tones = {found for node in shown.scores.values() if (found := verdict_tone(node, shown.task.leading))}
    if "good" in tones:
        return "good" if len(tones) == 1 else None
    return "bad" if "bad" in tones else None
