"""The sections of a backtest's report: the folds, scores pooled and by fold, forecasts, calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nextbar.backtesting import Backtest
from nextbar.backtesting.positions_table import ONLY_FOR_JUDGING
from nextbar.backtesting.scores_table import QUANTILES
from nextbar.bars.bars import Bars
from nextbar.bars.naming import Naming
from nextbar.config import ExperimentConfig
from nextbar.display.folds import fold_figure
from nextbar.display.markup import element, facts, table
from nextbar.metrics.superiority import p_head
from nextbar.metrics.task import Task
from nextbar.report.backtest_tracks import backtest_explorer
from nextbar.report.calibration import calibration_parts
from nextbar.report.experiment import config_facts
from nextbar.report.findings import finding_parts
from nextbar.report.folds import fold_bands, fold_table, ticker_figure
from nextbar.report.page import Section
from nextbar.report.positions import position_parts
from nextbar.report.price import price_figure
from nextbar.report.scores import number, p_value, signed
from nextbar.report.texts import METRICS, UNITS, how_to_read
from nextbar.report.verdict import tone

DIRECTION = "acc_dir"
FOLDS = (
    "Shaded: the folds. Everything a model knows in a fold comes from bars before it; "
    "its parameters are chosen on the last of those."
)


class BacktestFacts(NamedTuple):
    """Data of a backtest's page."""

    config: ExperimentConfig
    task: Task
    """what is forecast"""
    backtest: Backtest
    bars: Sequence[Bars]
    """the scored series; empty where they cannot be read"""

    @property
    def model(self) -> str:
        """The model's name among the predictors."""
        return str(self.backtest.summary["model"])

    @property
    def scores(self) -> Mapping[str, Any]:
        """Scores by predictor."""
        return self.backtest.scores


def folds(shown: BacktestFacts) -> Section:
    """The experiment in short, the folds over the price, and the best predictors of each fold."""
    price = None
    if shown.bars:
        names = list(map(Naming.of(shown.config.dataset_config), shown.bars))
        bands = [fold_bands(shown.backtest.folds)] * len(shown.bars)
        price = price_figure(names, shown.bars, bands, FOLDS, "Price and folds")
    leading = shown.task.leading
    dates = fold_table(shown.backtest.folds, shown.backtest.by_fold(leading), leading)
    return Section("folds", "What was forecast when", [facts(config_facts(shown.config)), price, dates])


def scores(shown: BacktestFacts) -> Section:
    """Every predictor's scores over all folds, and the model beside each in a sentence."""
    model, leading, strongest = shown.model, shown.task.leading, shown.backtest.strongest
    first = (leading, DIRECTION)
    metrics = [*first, *(name for name in shown.scores[model]["pooled"] if name not in first)]
    timed = bool(shown.backtest.seconds)
    rows = [
        (
            element("strong", name) if name == model else f"{name} (strongest)" if name == strongest else name,
            *(number(node["pooled"].get(metric)) for metric in metrics[:1]),
            signed(node["skill"].get(node.get("leading", leading))),
            p_value(node["diebold_mariano"]),
            *(_number(node, metric) for metric in metrics[1:]),
            *([number(shown.backtest.seconds_of(name))] if timed else []),
        )
        for name, node in shown.scores.items()
    ]
    head = (
        "predictor",
        metrics[0],
        "model's skill over it",
        p_head(shown.scores[model], leading),
        *metrics[1:],
        *(["seconds"] if timed else []),
    )
    sentences = (
        element(
            "div",
            element("dt", name, class_=verdict_tone(node, node.get("leading", leading))),
            element("dd", node["verdict"]),
        )
        for name, node in shown.scores.items() if name != model
    )  # fmt: skip
    meanings = facts((name, METRICS[name]) for name in metrics if name in METRICS)
    return Section("scores", "Everybody on the same bars", [
        table(head, rows, caption="All folds pooled, mean over series"),
        element("p", QUANTILES) if any(node.get("shares") for node in shown.scores.values()) else None,
        element("details", element("summary", "What the columns are"), meanings),
        element("h3", f"{model} against each"),
        element("dl", *sentences, class_="verdicts"),
    ])  # fmt: skip


def _number(node: Mapping[str, Any], metric: str) -> str:
    """A metric over all folds, with a mark where it is a CRPS of quantiles."""
    value = number(node["pooled"].get(metric))
    return f"{value}~" if metric == "crps" and node.get("shares") else value


def verdict_tone(node: Mapping[str, Any], leading: str) -> str | None:
    """``good`` or ``bad`` by the comparison with the model, ``open`` where that may be luck; None without one."""
    return None if node["beaten"] is None else tone(node, leading) or "open"


def by_fold(shown: BacktestFacts) -> Section:
    """Leading metric and direction by fold, and the leading metric by series."""
    leading = shown.task.leading
    unit = UNITS.get(leading, leading)
    figures = [
        fold_figure("fold-leading", f"By fold: {leading}", unit, shown.backtest.by_fold(leading), "Lower is better."),
        fold_figure("fold-direction", "By fold: direction", "right, %", shown.backtest.by_fold(DIRECTION),
                    "Share of the moves whose direction was right. With n moves guessing comes within 98 / √n of 50."),
        ticker_figure({shown.model: shown.scores[shown.model], **shown.scores}, leading, unit),
    ]  # fmt: skip
    return Section("by-fold", "Fold by fold", [[figure for figure in figures if figure is not None]])


def forecasts(shown: BacktestFacts) -> Section:
    """The explorer of the model's forecasts."""
    table = shown.backtest.forecasts
    conformal = shown.backtest.summary["options"]["conformal"]
    explorer = backtest_explorer(table[table["model"] == shown.model], shown.bars, shown.config, conformal)
    return Section("forecasts", "Forecast against truth", [explorer])


def calibration(shown: BacktestFacts) -> Section:
    """Coverage, PIT and reliability of the model over all folds."""
    return Section("calibration", "Calibration", calibration_parts(shown.backtest.calibration, shown.task))


def tests(shown: BacktestFacts) -> Section:
    """What statistical tests say of all that took part, and of the model's forecasts."""
    return Section("tests", "Tests", finding_parts(shown.backtest.tests), folded=True)


def positions(shown: BacktestFacts) -> Section:
    """What a simple rule would have made of the forecasts; nothing of a backtest without positions."""
    return Section("positions", ONLY_FOR_JUDGING, position_parts(shown.backtest))


def reading(shown: BacktestFacts) -> Section:
    """Advice on reading the page, the same in every one."""
    return how_to_read()


SECTIONS: list[Callable[[BacktestFacts], Section]] = [
    folds, scores, by_fold, forecasts, calibration, tests, positions, reading,
]  # fmt: skip
"""sections in the order of the page; a further one is a function and its place here"""
