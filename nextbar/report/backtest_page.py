"""The report of a backtest: its folds, everybody's scores on the same windows, and what the model said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nextbar.backtesting import Backtest
from nextbar.bars.bars import Bars
from nextbar.bars.naming import Naming
from nextbar.bars.new_bars import own_bars, read_new_bars
from nextbar.config import ExperimentConfig
from nextbar.errors import DataError
from nextbar.logger import get_logger
from nextbar.metrics.task import Task
from nextbar.report.backtest_tracks import backtest_explorer
from nextbar.report.calibration import calibration_parts
from nextbar.report.experiment import config_facts
from nextbar.report.figure import Figure
from nextbar.report.folds import fold_bands, fold_figure, fold_table, ticker_figure
from nextbar.report.markup import Child, element, facts, table
from nextbar.report.page import Section, page
from nextbar.report.price import price_figure
from nextbar.report.scores import number, p_value, signed, tone, verdict_box
from nextbar.report.texts import METRICS, UNITS, how_to_read
from nextbar.runs.bars import hold
from nextbar.runs.records import read_config

DIRECTION = "acc_dir"
FOLDS = (
    "Shaded: the folds. Everything a model knows in a fold comes from bars before it; "
    "its parameters are chosen on the last of those."
)


def backtest_page(path: Path, bars: Any = None, data: str | Path | None = None) -> str:
    """The HTML of a backtest folder.

    Raises:
        RunError: it is damaged or was not finished.
        DataError: bars that were handed in cannot be read. The backtest's own are done without where they are gone.
    """
    config = read_config(path)
    found = Backtest.load(path)
    task = Task.of(config)
    model, scores = found.summary["model"], found.scores
    series = _bars(path, found.summary.get("datapath"), config, bars, data)
    forecasts = found.forecasts
    rows = forecasts[forecasts["model"] == model]
    explorer = backtest_explorer(rows, series, config, found.summary["options"]["conformal"])
    sections = [
        Section("folds", "What was forecast when", _folds(config, found, series, task)),
        Section("scores", "Everybody on the same bars", _scores(scores, model, task)),
        Section("by-fold", "Fold by fold", _by_fold(scores, model, task)),
        Section("forecasts", "Forecast against truth", [explorer]),
        Section("calibration", "Calibration", calibration_parts(found.calibration, task)),
        Section("reading", "How to read this page", [how_to_read()]),
    ]
    title = f"Backtest of {config.experiment_name}"
    return page(title, _opening(found, scores, model, task.leading), sections, f"{path.name}.")


def _bars(path: Path, recorded: str | None, config: ExperimentConfig, bars: Any, data: str | Path | None) -> list[Bars]:
    if bars is not None or data is not None:
        return read_new_bars(config, bars, data, scored_only=True)
    try:
        return hold(path, own_bars(config, recorded=recorded)).bars
    except DataError as error:
        get_logger().warning("the report is without candles: %s", error)
        return []


def _opening(found: Backtest, scores: Mapping[str, Any], model: str, leading: str) -> list[Child]:
    options, folds = found.summary["options"], found.folds
    windows = sum(fold["windows"] for fold in folds)
    said = (
        f"{len(folds)} folds, {options['window']} window, fitted anew every {_folds_of(options['refit_every'])}, "
        f"embargo {options['embargo']} bars: {windows:,} windows forecast."
    )
    detail = "All folds together. More than luck means a Diebold–Mariano test below 0.05."
    box = verdict_box(scores[model]["verdict"], detail, _overall(scores, leading))
    return [element("p", said, class_="quiet"), box]


def _folds_of(n: int) -> str:
    return "fold" if n == 1 else f"{n} folds"


def _overall(scores: Mapping[str, Any], leading: str) -> str | None:
    """``good`` where all are beaten; ``bad`` where nobody is, and one is better by more than luck; else None."""
    tones = {found for node in scores.values() if (found := _tone(node, leading))}
    if "good" in tones:
        return "good" if len(tones) == 1 else None
    return "bad" if "bad" in tones else None


def _folds(config: ExperimentConfig, found: Backtest, series: Sequence[Bars], task: Task) -> list[Any]:
    price: Figure | None = None
    if series:
        names = list(map(Naming.of(config.dataset_config), series))
        price = price_figure(names, series, [fold_bands(found.folds)] * len(series), FOLDS, "Price and folds")
    values = _values(found.scores, found.summary["model"], task.leading)
    return [facts(config_facts(config)), price, fold_table(found.folds, values, task.leading)]


def _scores(scores: Mapping[str, Any], model: str, task: Task) -> list[Child]:
    first = (task.leading, DIRECTION)
    metrics = [*first, *(name for name in scores[model]["pooled"] if name not in first)]
    rows = [
        (
            element("strong", name) if name == model else name,
            *(number(node["pooled"].get(metric)) for metric in metrics[:1]),
            signed(node["skill"].get(task.leading)),
            p_value(node["diebold_mariano"]),
            *(number(node["pooled"].get(metric)) for metric in metrics[1:]),
        )
        for name, node in scores.items()
    ]
    head = ("predictor", metrics[0], "model's skill over it", "p", *metrics[1:])
    sentences = (
        element("div", element("dt", name, class_=_tone(node, task.leading)), element("dd", node["verdict"]))
        for name, node in scores.items() if name != model
    )  # fmt: skip
    meanings = facts((name, METRICS[name]) for name in metrics if name in METRICS)
    return [
        table(head, rows, caption="All folds pooled, mean over series"),
        element("details", element("summary", "What the columns are"), meanings),
        element("h3", f"{model} against each"),
        element("dl", *sentences, class_="verdicts"),
    ]


def _tone(node: Mapping[str, Any], leading: str) -> str | None:
    """``open`` where the difference cannot be told from luck; None for who is not judged."""
    return None if node["beaten"] is None else tone(node, leading) or "open"


def _by_fold(scores: Mapping[str, Any], model: str, task: Task) -> list[Any]:
    unit = UNITS.get(task.leading, task.leading)
    leading = _values(scores, model, task.leading)
    direction = _values(scores, model, DIRECTION)
    figures = [
        fold_figure("fold-leading", f"By fold: {task.leading}", unit, leading, "Lower is better."),
        fold_figure("fold-direction", "By fold: direction", "right, %", direction,
                    "Share of the moves whose direction was right. With n moves guessing comes within 98 / √n of 50."),
        ticker_figure({model: scores[model], **scores}, task.leading, unit),
    ]  # fmt: skip
    return [[figure for figure in figures if figure is not None]]


def _values(scores: Mapping[str, Any], model: str, metric: str) -> dict[str, list[float | None]]:
    """A metric by predictor and fold, of those who have it; the model first."""
    ordered = {model: scores[model], **scores}
    found = {name: [fold.get(metric) for fold in node["by_fold"]] for name, node in ordered.items()}
    return {name: row for name, row in found.items() if name == model or any(value is not None for value in row)}
