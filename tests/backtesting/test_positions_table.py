"""Positions in words: sentences and lines for every case, and a table that fits a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest

from nextbar.backtesting.positions_table import cells, figures_by_name, notes, positions_parts, sentence
from nextbar.positions.rules import BUY_AND_HOLD
from nextbar.tables import print_whole
from nextbar.terminal import SafeConsole

LONGEST = "range_har_trailing_skew_t"


def node(
    total: float, ratio: float | None = 0.5, deflated: float | None = 0.25, exposure: float = 1.0
) -> dict[str, Any]:
    figures = {"return": total, "sharpe": ratio, "deflated": deflated, "drawdown": 0.1, "turnover": 1234.5,
               "exposure": exposure}  # fmt: skip
    return {"combined": figures, "by_ticker": {}}


def made_up(tried: int = 20, by: str = "search", **predictors: Any) -> dict[str, Any]:
    return {
        "options": {"cost_bps": 5.0},
        "rule": "by some rule; a trade costs 5 basis points of its value",
        "tried": {"configurations": tried, "by": by},
        "from": "2020-01-01T00:00:00Z",
        "until": "2021-01-01T00:00:00Z",
        "buy_and_hold": node(0.2),
        "predictors": {"net": node(0.0321), LONGEST: node(-0.5, -1.5), "flat": node(0.0, None, None, 0.0),
                       "up": node(0.2)} | predictors,
        "without_law": ["reversal"],
    }  # fmt: skip


def test_the_sentence_names_model_market_and_rival_and_what_is_luck() -> None:
    assert sentence(made_up(), "net", LONGEST) == (
        f"net would have made +3.21 % (Sharpe ratio 0.50) from 2020-01-01 to 2021-01-01; {BUY_AND_HOLD} +20.00 % "
        f"(Sharpe ratio 0.50) and {LONGEST} by the same rule -50.00 % (Sharpe ratio -1.50). The true Sharpe ratio of "
        "net is above what the best of 20 configurations (those of the search) shows by luck with probability 0.25 "
        "(deflated Sharpe ratio)."
    )
    assert "(as stated)" in sentence(made_up(by="stated"), "net", None)
    alone = sentence(made_up(1, "alone"), "net", None)
    assert alone.endswith("is above zero with probability 0.25 (one configuration tried).")
    assert "rule" not in alone


def test_what_cannot_be_said_is_told() -> None:
    few = made_up(net=node(0.01, 0.5, None))
    assert sentence(few, "net", None).endswith("Too few returns, or none that vary, to say what of it is luck.")
    lawless = made_up()
    del lawless["predictors"]["net"]
    assert sentence(lawless, "net", None).startswith("net forecast no law, and so took no position by this rule; buy")
    assert sentence({"left_out": "no opens"}, "net", None) == "No positions: no opens."
    assert notes({"left_out": "no opens"}) == [] and positions_parts({}, "net", None) == []


def test_who_did_what_the_market_does_or_nothing_is_named_under_the_table() -> None:
    assert list(figures_by_name(made_up(), "net")) == ["net", BUY_AND_HOLD, LONGEST]
    assert notes(made_up()) == [
        "The same as buy and hold: up.",
        "Never in the market: flat.",
        "Without a standard deviation, which the rule goes by: reversal.",
    ]
    assert "flat" in figures_by_name(made_up(), "flat")  # the model always has its row


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_fits(width: int) -> None:
    out = SafeConsole(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    for part in positions_parts(made_up(), "net", LONGEST):
        print_whole(out, part)
    lines = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width and "…" not in "".join(lines)
    assert sum(LONGEST in line for line in lines) >= 1
    assert {"+3.21", "-50.00", "1,234", "10.00"} <= {word for line in lines for word in line.split()}


def test_the_break_even_cost_is_told_for_the_stated_cost() -> None:
    net = node(0.01)
    net["combined"] |= {"break_even": 1.8e-4, "break_even_low": -0.4e-4, "break_even_high": None}
    assert cells(net["combined"], ["break_even"]) == ["1.8"]
    assert sentence(made_up(net=net), "net", None).endswith(
        " net pays up to 1.8 bp a trade in the mean (95 % interval from -0.4 bp on, unbounded; it may pay nothing); "
        "your 5 bp would lose, by no more than luck."
    )
    assert cells(node(0.01)["combined"], ["break_even"]) == [""]  # figures of an earlier version
