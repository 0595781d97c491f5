"""Scores: tables of model, baseline and strongest simple rival."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nextbar import tables
from nextbar.baselines.rivals import by_validation
from nextbar.display.figure import BASELINE, MODEL, RIVAL, Drawing, Figure, packed, text
from nextbar.display.markup import Child, Html, element, join, table
from nextbar.metrics.comparison import held_against
from nextbar.report.texts import METRICS


def number(value: float | None) -> str:
    """A number to five digits; empty where it is undefined."""
    return minus(tables.rounded(value))


def minus(written: str) -> str:
    """A number with a typographic minus, as wide as a plus; exponents keep their hyphen."""
    return f"−{written[1:]}" if written.startswith("-") else written


def signed(value: float | None) -> Html | None:
    """A skill with its sign, in a colour for gain or loss; None where it is undefined."""
    if value is None:
        return None
    tone = None if abs(value) < 5e-5 else "good" if value > 0 else "bad"
    return element("span", minus(tables.signed(value)), class_=tone)


def p_value(test: Mapping[str, float] | None) -> str | None:
    """The p-value of a Diebold–Mariano test to two digits."""
    return None if test is None else f"{test['p_value']:.2g}"


def score_table(span: str, report: Mapping[str, Any]) -> Html:
    """Every metric of a span, of model and rivals, with the skills and the Diebold–Mariano test."""
    rival = report.get("strongest_name")
    rows = [
        (
            term(name), number(report["model"][name]),
            *([number(report["strongest"].get(name))] if rival else []), number(report["baseline"][name]),
            signed(report["skill"].get(name)), *([signed(report["skill_baseline"].get(name))] if rival else []),
        )
        for name in report["model"]
    ]  # fmt: skip
    head = ("metric", "model", *([rival] if rival else []), "baseline", "skill", *(["over baseline"] if rival else []))
    caption = f"{span}: {report['windows']:,} windows"
    note = tables.rival_note(report)
    return element(
        "div",
        table(head, rows, caption=caption),
        element("p", f"{note[0].upper()}{note[1:]}", class_="quiet") if note else None,
        significance(report["diebold_mariano"]),
        held_table(report["tested"]) if report.get("tested") else None,
    )


def term(metric: str) -> Html:
    """A metric's name and its meaning."""
    meaning = METRICS.get(metric)
    name = element("span", metric, class_="term")
    return join((name, " ", element("span", meaning))) if meaning else name


def significance(test: Mapping[str, float] | None) -> Html:
    """The Diebold–Mariano test in a sentence; runs of earlier versions have a lag in place of degrees of freedom."""
    if test is None:
        return element("p", "No Diebold–Mariano test: see the verdict.", class_="quiet")
    statistic = minus(format(test["statistic"], "+.2f"))
    law = (
        f"Newey–West lag {test['lag']:.0f}"
        if "lag" in test
        else f"Student-t law of {test['df']:.0f} degrees of freedom"
    )
    return element(
        "p",
        f"Diebold–Mariano {statistic} (above 0: the model is better), p = {test['p_value']:.2g}, "
        f"{test['n']:,.0f} origins, {law}.",
        class_="quiet",
    )


def held_table(record: Mapping[str, Any]) -> Html:
    """Everything that costs nothing: its mean of the loss that is tested, and the p-value of the test against it.

    Args:
        record: the ``tested`` of a report.
    """
    loss, hardest = record["loss"], record["hardest"]
    rows = [("model", number(record["model"]), "")]
    rows += [
        (f"{node['words']}{' (hardest to beat)' if name == hardest else ''}", number(node["loss"]),
         p_value(node["test"]) or "")
        for name, node in record["against"].items()
    ]  # fmt: skip
    caption = f"What the verdict is over: mean {loss}, and the p-value of the difference from the model's"
    held = table(("forecast that costs nothing", loss, "p"), rows, caption=caption)
    return element("details", element("summary", f"All {len(rows) - 1} forecasts that cost nothing"), held)


def ticker_table(report: Mapping[str, Any], leading: str) -> Html | None:
    """The leading metric, direction and skill of each series, where there are several."""
    tickers = report["by_ticker"]
    if len(tickers) < 2:
        return None
    others = [name for name in ("mape", "acc_dir") if name != leading and name in report["model"]]
    rival = report.get("strongest_name", "baseline")
    rows = [
        (name, f"{node['windows']:,}", number(node["model"][leading]), number(held_against(node, leading)),
         signed(node["skill"][leading]), *(number(node["model"][other]) for other in others))
        for name, node in tickers.items()
    ]  # fmt: skip
    head = ("series", "windows", f"{leading}, model", f"{leading}, {rival}", "skill", *others)
    return table(head, rows, caption=f"Test by series: {leading}")


def rivals_table(record: Mapping[str, Any], leading: str) -> Html:
    """The candidates' leading metric on validation, the best first, and why others were none.

    Args:
        record: ``rival.json`` of a run.
        leading: name of the leading metric.
    """
    validation = record["validation"]
    rows: list[tuple[Child, ...]] = [
        (
            element("strong", name) if name == record["name"] else name,
            number(validation[name][leading]),
            number(validation[name]["ranking_score"]),
        )
        for name in by_validation(validation)
    ]
    rows += [(f"{name}: {reason}", "", "") for name, reason in record["left_out"].items()]
    caption = "Fitted on the training span. Validation chose by the ranking score: relative to the plain baseline"
    return table(("rival", leading, "ranking score"), rows, caption=caption)


def step_figure(report: Mapping[str, Any], metric: str, unit: str) -> Figure | None:
    """Model, rival and baseline by step; None for a single step, or an undefined metric."""
    steps = report.get("by_step")
    if not steps or any(value is None for key in ("model", "baseline") for value in steps[key][metric]):
        return None
    rival = report.get("strongest_name")
    lines = [("baseline", "baseline", BASELINE), ("model", "model", MODEL)]
    if rival and None not in steps["strongest"][metric]:
        lines.insert(1, ("strongest", text(rival), RIVAL))
    ahead = list(range(1, len(steps["model"][metric]) + 1))
    data = [
        {
            "type": "scatter", "mode": "lines+markers" if len(ahead) <= 30 else "lines", "name": name,
            "x": ahead, "y": packed(steps[key][metric], "f8"), "line": {"color": colour, "width": 1.8},
            "marker": {"size": 5}, "hovertemplate": "%{y:.5g}",
        }
        for key, name, colour in lines
    ]  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "bars ahead"}, "tickformat": "d"},
        "yaxis": {"title": {"text": unit}},
        "margin": {"t": 44},
    }
    return Figure("by-step", "By how far ahead", {"": Drawing(data, layout)}, "Test span.", height=300, wide=True)
