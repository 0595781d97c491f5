"""Scores of a backtest as a table of a terminal, with what is said below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nextbar.backtesting.positions_table import positions_parts
from nextbar.metrics.calibration import conformal_in_words
from nextbar.metrics.superiority import p_head
from nextbar.tables import plain_table, rounded, signed

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

    from nextbar.backtesting.result import Backtest

QUANTILES = "~ crps by the quantile score; skill and p are against the model's own quantiles at the same shares."
"""said where a participant has quantiles and no law"""
HIGHER = frozenset({"acc", "acc_dir"})
"""metrics of which more is better"""


def scores_table(backtest: Backtest, metrics: Sequence[str]) -> Group:
    """Predictors and metrics side by side, the best of each marked, the verdicts, and positions where there are any.

    Args:
        backtest: a finished one.
        metrics: columns, the leading metric first.
    """
    from rich.console import Group
    from rich.text import Text

    windows, model = sum(fold["windows"] for fold in backtest.folds), backtest.summary["model"]
    p = p_head(backtest.scores[model], metrics[0])
    numbers = (*metrics, "skill", p, *(("seconds",) if backtest.seconds else ()))
    title = f"{len(backtest.folds)} folds, {windows:,} windows; skill and p-value: {model} against each"
    table = plain_table(("predictor", *numbers), right=numbers, title=title)
    best = _best_values(backtest, metrics)
    for name in backtest.scores:
        table.add_row(*_cells(backtest, name, best))
    verdict = Text(backtest.summary["verdict"], style="bold")
    positions = positions_parts(backtest.positions, model, backtest.strongest)
    return Group(table, *map(Text, _lines(backtest)), verdict, "", *positions)


def _by_quantiles(backtest: Backtest) -> set[str]:
    """Those that have quantiles and no law."""
    return {name for name, node in backtest.scores.items() if node.get("shares")}


def _best_values(backtest: Backtest, metrics: Sequence[str]) -> dict[str, float | None]:
    """The best value of each metric; that of crps among laws."""
    everybody, best = set(backtest.scores), {}
    for metric in metrics:
        names = everybody - _by_quantiles(backtest) if metric == "crps" else everybody
        values = (backtest.scores[name]["pooled"].get(metric) for name in names)
        best[metric] = (max if metric in HIGHER else min)((v for v in values if v is not None), default=None)
    return best


def _cells(backtest: Backtest, name: str, best: Mapping[str, float | None]) -> list[Text | str]:
    """The row of a predictor; ``best``: of each metric the value that is marked."""
    from rich.text import Text

    node = backtest.scores[name]
    cells: list[Text | str] = [Text(name, style="bold" if name == backtest.summary["model"] else "")]
    for metric in best:
        value = node["pooled"].get(metric)
        if metric == "crps" and name in _by_quantiles(backtest):
            cells.append(Text(f"{rounded(value)}~"))
        elif value is not None and value == best[metric]:
            cells.append(Text(f"{rounded(value)}*", style="bold"))
        else:
            cells.append(Text(rounded(value)))
    gain, test = node["skill"].get(node.get("leading", next(iter(best)))), node["diebold_mariano"]
    cells.append(Text(signed(gain), style="" if not gain else "green" if gain > 0 else "red"))
    cells.append(Text(f"{test['p_value']:.2g}" if test else ""))
    return [*cells, rounded(backtest.seconds_of(name))] if backtest.seconds else cells


def _lines(backtest: Backtest) -> list[str]:
    """What is said below the table."""
    model, strongest = backtest.summary["model"], backtest.strongest
    lines = [QUANTILES] if _by_quantiles(backtest) else []
    lines += [node["verdict"] for name, node in backtest.scores.items() if name != model]
    lines += [f"Conformal intervals, {line}" for line in conformal_in_words(backtest.calibration)]
    lines += [finding["sentence"] for finding in backtest.tests.values()]
    if strongest:
        lines.append(backtest.scores[model]["overall"])
        lines.append(f"Strongest simple rival, chosen on validation before the first fold: {strongest}")
    return lines
