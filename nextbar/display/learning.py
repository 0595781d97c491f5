"""Learning curves: losses, the leading metric beside its rival's, and the learning rate, by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nextbar.display.figure import BASELINE, MODEL, TRUTH, VALIDATION, Drawing, Figure, Trace, packed, text

COLOURS = {"train": TRUTH, "validation": VALIDATION, "test": MODEL}


def learning_figures(
    rows: Sequence[Mapping[str, float]],
    leading: str,
    best_epoch: int | None,
    rival: Mapping[str, float | None],
    name: str = "baseline",
    fit: str = "",
) -> list[Figure]:
    """One chart each of the loss, the leading metric and the learning rate.

    Args:
        rows: ``metrics.csv``, a mapping for each epoch.
        leading: name of the leading metric, which verdicts go by.
        best_epoch: the epoch with the lowest validation loss.
        rival: span to the value of the leading metric that the model is held against.
        name: whose it is.
        fit: which fit of the run it is, where there are two.
    """
    if not rows:
        return []
    loss = _curves(rows, "loss")
    metric = _curves(rows, leading)
    epochs = [row["epoch"] for row in rows]
    for span, value in rival.items():
        if value is not None:
            metric.append(
                {
                    "type": "scatter", "mode": "lines", "name": text(name), "legendgroup": "rival",
                    "showlegend": span == "test", "x": [epochs[0], epochs[-1]], "y": [value, value],
                    "line": {"color": BASELINE, "width": 1.3, "dash": "dot" if span == "test" else "dash"},
                    "hovertemplate": f"%{{y:.5g}} on {span}",
                }
            )  # fmt: skip
    rate = _trace(rows, "learning_rate", "learning rate", TRUTH) | {"showlegend": False}
    use = "the length of the final fit" if fit else "whose parameters are used"
    best = f" The vertical line is epoch {best_epoch}, {use}." if best_epoch else ""
    whom = "the baseline" if name == "baseline" else text(name)
    beside = f"Beside {whom} on validation (dashed) and on test (dotted). Test chooses nothing."
    of_fit, key = (f", {fit}", f"-{fit.partition(' ')[0]}") if fit else ("", "")
    return [
        _figure(f"learning-loss{key}", f"Loss{of_fit}", "loss", loss, best_epoch,
                "What training minimises, in the units of the normalised window; lower is better." + best),
        _figure(f"learning-metric{key}", f"Leading metric: {leading}{of_fit}", leading, metric, best_epoch,
                beside if rival else ""),
        _figure(f"learning-rate{key}", f"Learning rate{of_fit}", "learning rate", [rate], best_epoch, "", height=200,
                wide=True),
    ]  # fmt: skip


def _curves(rows: Sequence[Mapping[str, float]], metric: str) -> list[Trace]:
    return [
        _trace(rows, f"{span}/{metric}", span, colour)
        for span, colour in COLOURS.items()
        if any(f"{span}/{metric}" in row for row in rows)
    ]


def _trace(rows: Sequence[Mapping[str, float]], column: str, name: str, colour: str) -> Trace:
    values = [row.get(column, float("nan")) for row in rows]
    return {
        "type": "scatter", "mode": "lines+markers" if len(rows) <= 30 else "lines", "name": name,
        "x": [int(row["epoch"]) for row in rows], "y": packed(values, "f8"),
        "line": {"color": colour, "width": 1.7}, "marker": {"size": 5},
    }  # fmt: skip


def _figure(
    key: str,
    title: str,
    unit: str,
    data: list[Trace],
    best_epoch: int | None,
    caption: str,
    *,
    height: int = 300,
    wide: bool = False,
) -> Figure:
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "epoch"}, **({"dtick": 1} if len(data[0]["x"]) <= 12 else {})},
        "yaxis": {"title": {"text": unit}},
        "margin": {"t": 44 if len(data) > 1 else 12},
    }
    if best_epoch:
        layout["shapes"] = [
            {
                "type": "line", "xref": "x", "yref": "paper", "x0": best_epoch, "x1": best_epoch, "y0": 0, "y1": 1,
                "line": {"color": "var(--faint)", "width": 1.5, "dash": "dash"},
            }
        ]  # fmt: skip
    return Figure(key, title, {"": Drawing(data, layout)}, caption, height=height, wide=wide)
