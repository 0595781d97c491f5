"""Positions in words, and as a table of a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nextbar.positions.break_even import in_words
from nextbar.positions.options import BASIS_POINT
from nextbar.positions.rules import BUY_AND_HOLD
from nextbar.tables import plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType

ONLY_FOR_JUDGING = "Positions, for judging forecasts only"
HEADS = {"return": "return, %", "sharpe": "Sharpe", "deflated": "deflated", "drawdown": "drawdown, %",
         "turnover": "turnover", "break_even": "break-even, bp"}  # fmt: skip
"""figures of the table on a terminal, and their headings"""
FORMS = {
    "return": ("+.2f", 100), "return_free": ("+.2f", 100), "volatility": (".2f", 100), "sharpe": ("+.2f", 1),
    "probability": (".2f", 1), "deflated": (".2f", 1), "drawdown": (".2f", 100), "turnover": (",.4g", 1),
    "exposure": (".2f", 1), "break_even": (",.4g", 1 / BASIS_POINT),
}  # fmt: skip
"""how figures are written: form and factor"""
BY = {"stated": "as stated", "search": "those of the search"}
"""who says how many configurations were tried"""


def figures_by_name(positions: Mapping[str, Any], model: str) -> dict[str, dict[str, float | None]]:
    """Figures over all series: of the model, of buy and hold, and of predictors that did neither that nor nothing."""
    predictors = {name: node["combined"] for name, node in positions["predictors"].items()}
    market = positions["buy_and_hold"]["combined"]
    others = {name: node for name, node in predictors.items() if node["exposure"] and node != market and name != model}
    own = {model: predictors[model]} if model in predictors else {}
    return own | {BUY_AND_HOLD: market} | others


def cells(figures: Mapping[str, float | None], names: Iterable[str]) -> list[str]:
    """Some figures as text; empty where one is undefined."""
    written = ((figures.get(name), *FORMS[name]) for name in names)
    return ["" if value is None else format(value * times, form) for value, form, times in written]


def sentence(positions: Mapping[str, Any], model: str, strongest: str | None) -> str:
    """What the model's positions made, beside buy and hold and the strongest rival's; and how much of that is luck."""
    if "left_out" in positions:
        return f"No positions: {positions['left_out']}."
    named = [(BUY_AND_HOLD, positions["buy_and_hold"])]
    if strongest in positions["predictors"]:
        named.append((f"{strongest} by the same rule", positions["predictors"][strongest]))
    others = " and ".join(f"{name} {_made(node['combined'])}" for name, node in named)
    if model not in positions["predictors"]:
        return f"{model} forecast no law, and so took no position by this rule; {others}."
    own = positions["predictors"][model]["combined"]
    dates = f"from {positions['from'][:10]} to {positions['until'][:10]}"
    made = f"{model} would have made {_made(own)} {dates}; {others}. {_luck(model, own, positions['tried'])}"
    return f"{made} {in_words(model, own, positions['options']['cost_bps'] * BASIS_POINT)}".rstrip()


def notes(positions: Mapping[str, Any]) -> list[str]:
    """Who is not in the table, and why; nothing where everybody is."""
    if "left_out" in positions:
        return []
    predictors, market = positions["predictors"], positions["buy_and_hold"]["combined"]
    always = [name for name, node in predictors.items() if node["combined"] == market]
    never = [name for name, node in predictors.items() if not node["combined"]["exposure"]]
    lines = [f"The same as buy and hold: {', '.join(always)}."] if always else []
    lines += [f"Never in the market: {', '.join(never)}."] if never else []
    if positions["without_law"]:
        lines.append(f"Without a standard deviation, which the rule goes by: {', '.join(positions['without_law'])}.")
    return lines


def rule_in_words(positions: Mapping[str, Any]) -> str:
    """The rule, its costs, and when it trades."""
    return f"Position: {positions['rule']}. Decided at a bar's close, held from the next open to the one after."


def positions_parts(positions: Mapping[str, Any], model: str, strongest: str | None) -> list[RenderableType]:
    """The table, and lines above and below it; empty without positions."""
    from rich.text import Text

    if not positions:
        return []
    lines: list[RenderableType] = [Text(sentence(positions, model, strongest)), ""]
    if "left_out" in positions:
        return [Text(ONLY_FOR_JUDGING, style="bold"), *lines]
    heads = tuple(HEADS.values())
    table = plain_table(("predictor", *heads), right=heads, title=ONLY_FOR_JUDGING)
    for name, figures in figures_by_name(positions, model).items():
        table.add_row(Text(name, style="bold" if name == model else ""), *cells(figures, HEADS))
    return [table, *map(Text, (rule_in_words(positions), *notes(positions))), *lines]


def _made(figures: Mapping[str, float | None]) -> str:
    total, ratio = figures["return"], figures["sharpe"]
    made = "" if total is None else f"{100 * total:+.2f} %"
    return f"{made} (Sharpe ratio {ratio:.2f})" if ratio is not None else made


def _luck(model: str, figures: Mapping[str, float | None], tried: Mapping[str, Any]) -> str:
    """The deflated Sharpe ratio in words."""
    count, share = tried["configurations"], figures["deflated"]
    if share is None:
        return "Too few returns, or none that vary, to say what of it is luck."
    whose = f"The true Sharpe ratio of {model} is above"
    if count == 1:
        return f"{whose} zero with probability {share:.2f} (one configuration tried)."
    return (
        f"{whose} what the best of {count} configurations ({BY[tried['by']]}) shows by luck with probability "
        f"{share:.2f} (deflated Sharpe ratio)."
    )
