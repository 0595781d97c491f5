"""Tables on a terminal of 80 columns, and where nobody watches: no number and no name is cut."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from spaces import make_space

from nextbar.auditing import Audit
from nextbar.auditing.result import STAGES
from nextbar.backtesting.result import Backtest
from nextbar.bars.inventory import Holding
from nextbar.cli import audit as cli_audit
from nextbar.cli import data as cli_data
from nextbar.cli import runs as cli_runs
from nextbar.cli import update as cli_update
from nextbar.runs.info import RunInfo
from nextbar.searching.leaderboard import COLUMNS, END, leaderboard_table
from nextbar.tables import closing_table, plain_table, print_findings, print_whole, span_table
from nextbar.terminal import SafeConsole
from nextbar.train.seeds import seeds_table
from nextbar.updating.watching import RunningScore

TINY, NAME = 7.98123e-05, "a_rather_long_ticker_of_some_exchange"
SPACE = make_space()
KEYS = {"leaderboard": 2, "data check": 2, "watched bars": 3}
METRICS = ("nll", "crps", "mae", "mse_scaled", "coverage_50", "coverage_80", "coverage_90", "coverage_95", "acc_dir")


def console(width: int = 80, terminal: bool = True) -> Console:
    return SafeConsole(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)


def printed(shown: Any, keys: int = 1, **options: Any) -> str:
    out = console(**options)
    print_whole(out, shown, keys)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def span_report() -> dict[str, Any]:
    values = {name: -TINY for name in METRICS}
    part = {"model": values, "baseline": values, "strongest": values, "skill": values, "skill_baseline": values}
    return {
        **part,
        "strongest_name": "gjr_garch_normal",
        "windows": 1234,
        "by_ticker": {NAME: part, "x": part},
        "verdict": "Nothing can be said. " * 20,
    }


def seeds_report() -> dict[str, Any]:
    values = {name: dict.fromkeys(("mean", "std", "min", "max"), -TINY) for name in METRICS}
    plain = dict.fromkeys(METRICS, -TINY)
    return {"model": values, "skill": values, "skill_baseline": values, "baseline": plain, "strongest": plain,
            "strongest_name": "gjr_garch_normal", "seeds": 4}  # fmt: skip


def backtest() -> Backtest:
    node = {
        "pooled": dict.fromkeys(("nll", "crps", "mae", "acc_dir"), -TINY), "skill": {"nll": TINY},
        "diebold_mariano": {"p_value": TINY}, "verdict": "Better.",
    }  # fmt: skip
    summary = {
        "model": "transformer", "folds": [{"windows": 5}], "verdict": "All told.", "calibration": {},
        "config": {"output_mode": "distribution"}, "scores": {"transformer": node, NAME: node},
    }  # fmt: skip
    return Backtest(Path("x"), summary)


def holdings() -> Any:
    return cli_data._table([Holding(NAME, "15m", Path("x"), 1_234_567, 0, 1, 1234, 56_789, "sessions")])


def runs() -> Any:
    info = RunInfo(Path("runs") / NAME / "81d8cb739c-b8ee221fe4", "stopped_early", "discrete_grid", 50, 44, skill=TINY,
                   bytes=12_300, refit_of="81d8cb739c-b8ee221fe5")  # fmt: skip
    return cli_runs._table([info], Path("runs"), {info.path: "*"})


def leaderboard() -> Any:
    scores = dict.fromkeys((*COLUMNS, *SPACE.fields, *END), -TINY)
    row = scores | {"rank": 1, "trial": 17, "status": "stopped_early", "best_epoch": 12, "seconds": 1234.5,
                    "reason": None, "strongest": "gjr_garch_normal"}  # fmt: skip
    return leaderboard_table([row], SPACE)


def watched() -> Any:
    day = pd.Timestamp("2026-11-26 13:30", tz="UTC")
    row = {"ticker": NAME, "date": day, "step": 1, "close": TINY, "close-lo-80": 1.23456e11, "close-hi-80": 1e12,
           "came": TINY, "rival": TINY}  # fmt: skip
    score = RunningScore(NAME, 12_345, -TINY, -TINY, -TINY, {"50": 50.0, "80": 80.0, "90": 90.0, "95": 95.0})
    return SimpleNamespace(forecasts=pd.DataFrame([row]), scores=[score], error="nll")


def audit() -> Any:
    return cli_audit._table(Audit((), (0,), (NAME,), (), ()))


TABLES: dict[str, tuple[Any, list[str]]] = {
    "leaderboard": (leaderboard, ["17", "stopped_early", "-7.9812e-05", "1234.5", *COLUMNS[3:4]]),
    "watched bars": (lambda: cli_update._bars(watched(), 1)[0], [NAME, "7.9812e-05", "1.2346e+11", "1e+12", "13:30"]),
    "watched scores": (lambda: cli_update._scores(watched()), [NAME, "12,345", "-7.9812e-05"]),
    "audit": (audit, list(STAGES)),
    "closing": (lambda: span_table("test", span_report()), [*METRICS, f"nll {NAME}", "-7.9812e-05"]),
    "seeds": (lambda: seeds_table("test", seeds_report()), [*METRICS, "-7.9812e-05"]),
    "backtest": (lambda: backtest()._table(), [NAME, "-7.9812e-05*", "+0.0001"]),
    "data check": (holdings, [NAME, "1,234,567", "56,789", "resolution", "sessions"]),
    "runs": (runs, [NAME, "81d8cb739c-b8ee221fe4", "81d8cb739c-b8ee221fe5", "discrete_grid", "12.3 kB", "+0.0001"]),
}


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_cut(name: str, width: int, terminal: bool) -> None:
    make, words = TABLES[name]
    text = printed(make(), width=width, terminal=terminal)
    assert "…" not in text
    for word in words:
        parts = word.split() if terminal and " kB" not in word else [word]  # a terminal may break between words
        assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize("name", TABLES)
def test_no_line_is_longer_than_a_terminal_of_80_columns(name: str) -> None:
    """So that it breaks none, and with it no number and no name; each block says what its rows are about."""
    make, words = TABLES[name]
    lines = printed(make(), keys=KEYS.get(name, 1)).splitlines()
    assert max(map(len, lines)) <= 80
    assert [word for word in words if " " not in word and not any(word in line for line in lines)] == []
    if NAME in words and "closing" not in name:
        heads = [i for i, line in enumerate(lines) if line.startswith("─")]
        assert len(heads) == sum(NAME in line for line in lines)


def test_only_a_name_as_long_as_the_terminal_makes_a_longer_line() -> None:
    table = plain_table(("name", "n", "m"), right=("n", "m"))
    table.add_row("x" * 78, "1.5e-05", "2.5e-05")
    lines = printed(table).splitlines()
    assert [line.split() for line in lines if "x" in line] == [["x" * 78, "1.5e-05"], ["x" * 78, "2.5e-05"]]


@pytest.mark.parametrize("name", ["[red]", "[/]", ":smile:", "a[eth]b"])
def test_a_name_is_no_markup(name: str) -> None:
    """Tickers and columns are called whatever people call them."""
    finding = {"title": name, "sentence": name, "figures": [{"series": name, "p": 0.5}]}
    out = console()
    print_findings(out, {"x": finding})
    table = plain_table((name,), title=f"t {name}")
    table.add_row(name)
    print_whole(out, table)
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue().count(name) == 6


@pytest.mark.parametrize("name", ["closing", "seeds", "backtest"])
def test_usual_tables_fit_80_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "TINY", -0.71322)
    monkeypatch.setitem(globals(), "NAME", "garch_student_t")
    assert max(map(len, printed(TABLES[name][0]()).splitlines())) <= 80


def test_the_strongest_rival_is_named_and_stands_between_baseline_and_skill() -> None:
    report = span_report()
    values = {"model": 1.0, "baseline": 4.0, "strongest": 2.0, "skill": 0.5, "skill_baseline": -0.75}
    for part in (report, *report["by_ticker"].values()):
        part |= {kind: dict.fromkeys(METRICS, value) for kind, value in values.items()}
    text = printed(span_table("test", report), width=120)
    rows = [re.split(" {2,}", line.strip()) for line in text.splitlines()]
    assert ["metric", "model", "baseline", "strongest", "skill", "over baseline"] in rows
    assert ["crps", "1", "4", "2", "+0.5000", "-0.7500"] in rows and [f"nll {NAME}", "1", "4", "2", "+0.5000"] in [
        row[:5] for row in rows
    ]
    assert "strongest: gjr_garch_normal, chosen on validation; acc_dir is held against always up (2)." in " ".join(
        text.split()
    )


def test_a_report_of_an_earlier_version_has_the_columns_of_then() -> None:
    report = span_report()
    report["by_ticker"] = {}
    for kind in ("strongest", "strongest_name", "skill_baseline"):
        del report[kind]
    text = printed(span_table("test", report))
    assert re.search(r"metric +model +baseline +skill *$", text, re.M) and "always up" not in text


def test_where_nobody_watches_a_row_is_a_line() -> None:
    table = plain_table(("name", "n"), right=("n",))
    table.add_row("several words that would not fit", "1 kB")
    table.add_row("word " * 100, "2 kB")
    assert len(printed(table, width=40, terminal=False).splitlines()) == 4
    assert len(printed(table, width=40).splitlines()) > 6


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal of 100 columns."""
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr("nextbar.tables.console", lambda: terminal)
    return text


def compared(skill: float) -> dict:
    values = {
        "model": {"mae": 90.0, "r2": 0.5},
        "baseline": {"mae": 100.0, "r2": None},
        "skill": {"mae": skill},
    }
    tickers = {name: values for name in ("btc_usd", "[eth]")}
    return {
        **values,
        "windows": 1234,
        "by_ticker": tickers,
        "verdict": "Beats persistence: mae [red]90[/red] against 100.",
    }


def test_closing_table_sets_model_baseline_and_skill_side_by_side(screen: io.StringIO) -> None:
    closing_table({"validation": compared(0.1), "test": compared(-0.25)}, show=True)
    lines = screen.getvalue().splitlines()
    cells = [re.split(" {2,}", line.strip()) for line in lines if re.match("(mae|r2)", line)]
    assert cells[:4] == [
        ["mae", "90", "100", "+0.1000"],
        ["r2", "0.5"],
        ["mae btc_usd", "90", "100", "+0.1000"],
        ["mae [eth]", "90", "100", "+0.1000"],
    ]
    assert cells[4] == ["mae", "90", "100", "-0.2500"]
    assert [line.rstrip() for line in lines if "windows" in line] == [
        "validation: 1,234 windows",
        "test: 1,234 windows",
    ]
    assert lines.count("Beats persistence: mae [red]90[/red] against 100.") == 2


def test_closing_table_is_silent_where_nextbar_is(screen: io.StringIO, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "nextbar")
    closing_table({"test": compared(0.1)})
    closing_table({"test": compared(0.1)}, show=False)
    assert screen.getvalue() == ""
