"""Results of positions by a simple rule: sentences, equity curves, figures by predictor and by series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nextbar.backtesting import Backtest
from nextbar.backtesting.positions_table import cells, figures_by_name, notes, rule_in_words, sentence
from nextbar.bars.frames import epoch_seconds
from nextbar.display.figure import MODEL, TRUTH, Drawing, Figure, Trace, milliseconds, packed, text
from nextbar.display.folds import DASHES, RIVALS
from nextbar.display.markup import Child, Html, element, table
from nextbar.positions.account import Account, combined
from nextbar.positions.rules import BUY_AND_HOLD
from nextbar.report.price import thinned
from nextbar.report.scores import minus

POINTS = 40_000
"""of all curves together"""
LEAST_POINTS, MOST_POINTS = 100, 2_000
"""of one"""
ALL = "all, equal shares"
"""the choice that shows all series together"""
HEADS = {
    "return": "return, %", "return_free": "without costs, %", "volatility": "volatility, %", "sharpe": "Sharpe ratio",
    "probability": "above 0", "deflated": "deflated", "drawdown": "drawdown, %", "turnover": "turnover",
    "exposure": "exposure", "break_even": "break-even, bp",
}  # fmt: skip
"""figures of the table, and their headings"""
MEANINGS = (
    "Volatility, Sharpe ratio and turnover (value traded, in multiples of the equity) are those of a year. Above 0: "
    "the probability that the true Sharpe ratio is. Deflated: that it is above what the best of as many "
    "configurations as were tried shows by luck; rivals count as one. Drawdown: the largest fall of the equity from "
    "its highest value. Exposure: mean size of the position. Break-even: the cost of a trade, in basis points of its "
    "value, at which the mean return is zero. Cash earns nothing; borrowing, and the size of an order, cost nothing."
)


def position_parts(backtest: Backtest) -> list[Child | Figure]:
    """Parts of the section; none of a backtest without positions."""
    positions, model = backtest.positions, str(backtest.summary["model"])
    if not positions:
        return []
    parts: list[Child | Figure] = [element("p", sentence(positions, model, backtest.strongest))]
    if "left_out" in positions:
        return parts
    parts += [element("p", rule_in_words(positions), class_="quiet"), _figure(backtest, model)]
    rows = [
        (element("strong", name) if name == model else name, *_cells(node))
        for name, node in figures_by_name(positions, model).items()
    ]
    names = ("predictor", *HEADS.values())
    parts += [
        table(names, rows, caption="All series together, each begun with the same share"),
        *(element("p", note, class_="quiet") for note in notes(positions)),
        _by_series(positions, model),
        element("p", MEANINGS, class_="quiet"),
    ]
    return parts


def _cells(node: Mapping[str, float | None]) -> list[str]:
    return list(map(minus, cells(node, HEADS)))


def _by_series(positions: Mapping[str, Any], model: str) -> Html | None:
    """Model and buy and hold in each series, where there are several."""
    market = positions["buy_and_hold"]["by_ticker"]
    own = positions["predictors"].get(model, {}).get("by_ticker", {})
    if len(market) < 2 or not own:
        return None
    rows = [
        (name, f"{positions['bars_per_year'][name]:,.5g}", *_cells(own[name])[:4], *_cells(market[name])[:4:3])
        for name in market
    ]
    names = ("series", "bars a year", *list(HEADS.values())[:4], "buy and hold, %", "its Sharpe ratio")
    return table(names, rows, caption=f"{model} by series")


def _figure(backtest: Backtest, model: str) -> Figure:
    """Equity of every predictor that ever held a position, all series together and one by one."""
    frame, positions = backtest.accounts, backtest.positions
    names = list(figures_by_name(positions, model))
    series = list(positions["buy_and_hold"]["by_ticker"])
    keys = ["ticker", "resolution"] if "resolution" in frame else ["ticker"]
    accounts = {}
    for name in names:
        parts = frame[frame["model"] == name].groupby(keys, sort=False)
        accounts[name] = {series_name: _account(rows) for series_name, (_, rows) in zip(series, parts, strict=True)}
    choices = {ALL: {name: combined(list(of_series.values())) for name, of_series in accounts.items()}}
    if len(series) > 1:
        choices |= {
            series_name: {name: of_series[series_name] for name, of_series in accounts.items()}
            for series_name in series
        }
    limit = int(np.clip(POINTS // (len(choices) * len(names)), LEAST_POINTS, MOST_POINTS))
    layout = {
        "xaxis": {"type": "date", "title": {"text": "opens (UTC)"}, "showgrid": False},
        "yaxis": {"title": {"text": "equity, begun at 1"}},
        "margin": {"t": 24},
        "showlegend": False,
    }
    drawings = {
        choice: Drawing([_curve(i, name, curves[name], model, limit) for i, name in enumerate(names)], layout)
        for choice, curves in choices.items()
    }
    caption = "After costs. Thick: the model; dark: buy and hold. For judging forecasts: no order was ever sent."
    return Figure("equity", "Equity by the same rule", drawings, caption, height=360, wide=True, legend=True)


def _account(rows: Any) -> Account:
    times = (epoch_seconds(rows[name]) for name in ("entry", "exit"))
    return Account(*times, *(rows[name].to_numpy(np.float64) for name in ("position", "traded", "return", "equity")))


def _curve(place: int, name: str, account: Account, model: str, limit: int) -> Trace:
    """Equity from 1 at the first entry, thinned to its extremes."""
    time_N = np.concatenate([account.entry_T[:1], account.exit_T])
    equity_N = np.concatenate([[1.0], account.equity_T])
    at = thinned(equity_N, limit)
    rival = place - 2  # after the model and the market
    line = {"color": RIVALS[rival % len(RIVALS)], "width": 1.3, "dash": DASHES[rival // len(RIVALS) % len(DASHES)]}
    if name == model:
        line = {"color": MODEL, "width": 3, "dash": "solid"}
    elif name == BUY_AND_HOLD:
        line = {"color": TRUTH, "width": 2, "dash": "solid"}
    return {
        "type": "scatter", "mode": "lines", "name": text(name), "x": milliseconds(time_N[at]),
        "y": packed(equity_N[at]), "line": line, "hovertemplate": "%{y:.4f}", "zorder": int(name == model),
    }  # fmt: skip
