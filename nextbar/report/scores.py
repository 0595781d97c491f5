"""Scores: the verdict, the main figures, tables of model and baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nextbar.metrics.comparison import SIGNIFICANT
from nextbar.report.figure import BASELINE, MODEL, Drawing, Figure, packed
from nextbar.report.markup import Child, Html, element, join, table
from nextbar.report.texts import METRICS


def number(value: float | None) -> str:
    """A number to five digits; empty where it is undefined."""
    return "" if value is None else minus(f"{value:.5g}")


def minus(written: str) -> str:
    """A number with a typographic minus, as wide as a plus; exponents keep their hyphen."""
    return f"−{written[1:]}" if written.startswith("-") else written


def signed(value: float | None) -> Html | None:
    """A skill with its sign, in a colour for gain or loss; None where it is undefined."""
    if value is None:
        return None
    tone = None if abs(value) < 5e-5 else "good" if value > 0 else "bad"
    return element("span", minus(f"{value:+.4f}"), class_=tone)


def p_value(test: Mapping[str, float] | None) -> str | None:
    """The p-value of a Diebold–Mariano test to two digits."""
    return None if test is None else f"{test['p_value']:.2g}"


def tone(report: Mapping[str, Any], leading: str) -> str | None:
    """``good`` or ``bad`` where the difference on the leading metric is more than luck; else None."""
    test, gain = report["diebold_mariano"], report["skill"].get(leading)
    if not test or not gain or test["p_value"] >= SIGNIFICANT or (gain > 0) != (test["statistic"] > 0):
        return None
    return "good" if gain > 0 else "bad"


def verdict_box(sentence: str, detail: str, tone: str | None) -> Html:
    """The box a page opens with: the verdict, a detail, and a colour by the tone."""
    return element("div", element("p", element("strong", sentence)), element("p", detail) if detail else None,
                   class_=f"verdict {tone or ''}".strip(), role="note")  # fmt: skip


def tiles(report: Mapping[str, Any], leading: str) -> Html:
    """Leading metric, its baseline, skill, p-value, direction and number of windows, in large print."""
    shown: list[tuple[Child, str]] = [
        (number(report["model"][leading]), f"{leading}, model"),
        (number(report["baseline"][leading]), f"{leading}, baseline"),
        (signed(report["skill"][leading]), "skill (above 0 is better)"),
        (p_value(report["diebold_mariano"]), "p-value, Diebold–Mariano"),
        (number(report["model"].get("acc_dir")), "direction right, %"),
        (f"{report['windows']:,}", "windows scored"),
    ]
    items = (element("li", element("strong", value), element("span", name)) for value, name in shown if value)
    return element("ul", *items, class_="tiles")


def score_table(span: str, report: Mapping[str, Any]) -> Html:
    """Every metric of a span, of model and baseline, with the skill and the Diebold–Mariano test."""
    rows = [
        (term(name), number(report["model"][name]), number(report["baseline"][name]), signed(report["skill"].get(name)))
        for name in report["model"]
    ]
    head = ("metric", "model", "baseline", "skill")
    caption = f"{span}: {report['windows']:,} windows"
    return element("div", table(head, rows, caption=caption), significance(report["diebold_mariano"]))


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


def ticker_table(report: Mapping[str, Any], leading: str) -> Html | None:
    """The leading metric, direction and skill of each series, where there are several."""
    tickers = report["by_ticker"]
    if len(tickers) < 2:
        return None
    others = [name for name in ("mape", "acc_dir") if name != leading and name in report["model"]]
    rows = [
        (name, f"{node['windows']:,}", number(node["model"][leading]), number(node["baseline"][leading]),
         signed(node["skill"][leading]), *(number(node["model"][other]) for other in others))
        for name, node in tickers.items()
    ]  # fmt: skip
    head = ("series", "windows", f"{leading}, model", f"{leading}, baseline", "skill", *others)
    return table(head, rows, caption=f"Test by series: {leading}")


def step_figure(report: Mapping[str, Any], metric: str, unit: str) -> Figure | None:
    """Model and baseline by step; None for a single step, or an undefined metric."""
    steps = report.get("by_step")
    if not steps or any(value is None for key in ("model", "baseline") for value in steps[key][metric]):
        return None
    ahead = list(range(1, len(steps["model"][metric]) + 1))
    data = [
        {
            "type": "scatter", "mode": "lines+markers" if len(ahead) <= 30 else "lines", "name": name,
            "x": ahead, "y": packed(steps[name][metric], "f8"), "line": {"color": colour, "width": 1.8},
            "marker": {"size": 5}, "hovertemplate": "%{y:.5g}",
        }
        for name, colour in (("baseline", BASELINE), ("model", MODEL))
    ]  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "bars ahead"}, "tickformat": "d"},
        "yaxis": {"title": {"text": unit}},
        "margin": {"t": 44},
    }
    return Figure("by-step", "By how far ahead", {"": Drawing(data, layout)}, "Test span.", height=300, wide=True)
