"""The section on positions: sentences, curves and figures are those of the accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backtests import Own, run, untrained
from builders import make_bars
from page_text import Text, unpacked

from nextbar.backtesting import Backtest
from nextbar.backtesting.positions_table import figures_by_name, sentence
from nextbar.display.figure import MODEL, TRUTH, Figure
from nextbar.positions.rules import BUY_AND_HOLD
from nextbar.report.positions import ALL, position_parts

__all__ = ["untrained"]  # a fixture


@pytest.fixture
def backtest(untrained: None, tmp_path: Path) -> Backtest:
    return run(tmp_path, predictors=[Own(bars=9)], positions={"trials": 7})


def said(parts: list[Any]) -> str:
    return Text("".join(part.html() if isinstance(part, Figure) else str(part) for part in parts if part)).said


def test_the_section_says_what_the_summary_does(backtest: Backtest) -> None:
    parts = position_parts(backtest)
    text = said(parts)
    assert sentence(backtest.positions, "transformer", None) in text
    assert "best of 7 configurations (as stated) shows by luck with probability" in text
    assert "For judging forecasts: no order was ever sent." in text and "Never in the market: persistence." in text
    for node in figures_by_name(backtest.positions, "transformer").values():
        assert f"{100 * node['return']:+.2f}".replace("-", "−") in text
        assert f"{node['deflated']:.2f}" in text and f"{100 * node['drawdown']:.2f}" in text


def test_the_curves_are_the_equities(backtest: Backtest) -> None:
    (figure,) = (part for part in position_parts(backtest) if isinstance(part, Figure))
    assert list(figure.drawings) == [ALL, "aaa", "bbb"]
    names = ["transformer", BUY_AND_HOLD, "own"]
    for drawing in figure.drawings.values():
        assert [trace["name"] for trace in drawing.data] == names
        assert [trace["line"]["color"] for trace in drawing.data[:2]] == [MODEL, TRUTH]
    for i, name in enumerate(names):
        frame = backtest.accounts[backtest.accounts["model"] == name]
        curves = {t: frame[frame["ticker"] == t] for t in ("aaa", "bbb")}
        for ticker, rows in curves.items():
            trace = figure.drawings[ticker].data[i]
            np.testing.assert_allclose(unpacked(trace["y"]), [1, *rows["equity"]], rtol=1e-6)
            last = rows["exit"].iloc[-1].timestamp() * 1000
            assert unpacked(trace["x"])[-1] == last
        together = np.mean([rows["equity"].to_numpy() for rows in curves.values()], axis=0)
        np.testing.assert_allclose(unpacked(figure.drawings[ALL].data[i]["y"]), [1, *together], rtol=1e-6)


def test_one_series_has_one_curve_and_no_table_of_series(untrained: None, tmp_path: Path) -> None:
    result = run(tmp_path, [make_bars("aaa", n=240)], {"tickers": ["aaa"]})
    parts = position_parts(result)
    (figure,) = (part for part in parts if isinstance(part, Figure))
    assert len(figure.drawings) == 1 and "bars a year" not in said(parts)


def test_without_positions_there_is_nothing_or_the_reason(untrained: None, tmp_path: Path) -> None:
    assert position_parts(run(tmp_path, positions={"rule": "none"})) == []
    result = run(tmp_path / "closes", [make_bars("aaa", n=240)], {"tickers": ["aaa"]})
    result.summary["positions"] = {"left_out": "no opens"}
    assert said(position_parts(result)) == "No positions: no opens."
