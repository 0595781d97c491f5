"""The folds of a backtest: their dates, and every predictor's score in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nextbar.bars.dates import from_iso
from nextbar.display.figure import BASELINE, MODEL, Drawing, Figure, packed, text
from nextbar.display.markup import Html, table
from nextbar.report.experiment import date
from nextbar.report.price import Band
from nextbar.report.scores import number


def fold_bands(folds: Sequence[Mapping[str, Any]]) -> list[Band]:
    """Bands of the folds, in two alternating shades."""
    shades = ("var(--span-test)", "var(--span-validation)")
    return [
        Band(str(fold["fold"]), shades[i % 2], float(from_iso(fold["test_from"])), float(from_iso(fold["test_until"])))
        for i, fold in enumerate(folds)
    ]


def fold_table(folds: Sequence[Mapping[str, Any]], values: Mapping[str, Sequence[float | None]], metric: str) -> Html:
    """Dates of each fold, the model's score and the best score among the others.

    Args:
        folds: as a backtest lists them.
        values: the metric of each fold, by predictor, the model first.
        metric: its name; lower is better.
    """
    model, *rivals = values
    rows = []
    for i, fold in enumerate(folds):
        scored = {name: v for name in rivals if (v := values[name][i]) is not None}
        best = min(scored, key=lambda name: scored[name]) if scored else None
        rows.append(
            (
                str(fold["fold"]), date(fold["cutoff"]), date(fold["test_from"]), date(fold["test_until"]),
                best, f"{fold['windows']:,}", number(values[model][i]), number(scored[best]) if best else "",
            )
        )  # fmt: skip
    head = ("fold", "known until", "forecast from", "until", f"lowest {metric} of the others", "windows",
            f"{metric}, model", f"{metric}, that one")  # fmt: skip
    return table(head, rows, caption="Folds (UTC)", text_columns=5)


def ticker_figure(scores: Mapping[str, Any], metric: str, unit: str) -> Figure | None:
    """Model and its best rival for each series; None for a single name."""
    (_, ours), *others = scores.items()
    series = list(ours["by_ticker"])
    if len(series) < 2:
        return None
    best = [_lowest(others, name, metric) for name in series]
    labels = [text(name) for name in series]
    drawn = (
        (
            "lowest of the others",
            BASELINE,
            "circle-open",
            [value for _, value in best],
            [text(name) for name, _ in best],
        ),
        ("model", MODEL, "circle", [ours["by_ticker"][name].get(metric) for name in series], labels),
    )
    data = [
        {
            "type": "scatter", "mode": "markers", "name": name, "x": labels,
            "y": packed([np.nan if v is None else v for v in values], "f8"), "customdata": notes,
            "hovertemplate": "%{y:.5g} (%{customdata})", "marker": {"color": colour, "symbol": symbol, "size": 9},
        }
        for name, colour, symbol, values, notes in drawn
    ]  # fmt: skip
    layout = {"xaxis": {"type": "category"}, "yaxis": {"title": {"text": unit}}, "margin": {"t": 44}}
    return Figure("by-ticker", "By series", {"": Drawing(data, layout)}, "All folds.", height=320, wide=True)


def _lowest(others: Sequence[tuple[str, Any]], series: str, metric: str) -> tuple[str, float | None]:
    scored = {name: v for name, node in others if (v := node["by_ticker"][series].get(metric)) is not None}
    return min(scored.items(), key=lambda item: item[1]) if scored else ("", None)
