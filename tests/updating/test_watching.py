"""What is shown of a log: the command, in 80 columns, and what there is before there is anything to show."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from builders import make_bars, make_frame
from experiments import GRID
from made_runs import MadeRun, make_run
from typer.testing import CliRunner

from nextbar import watch
from nextbar.bars.bars import Bars
from nextbar.cli.app import app
from nextbar.cli.update import _show
from nextbar.errors import RunError
from nextbar.forecasts.writing import to_csv
from nextbar.terminal import SafeConsole
from nextbar.updating.updater import update

RUNS: dict[str, dict[str, Any]] = {
    "bins": {"tickers": ["aaa", "bbb"], "output_mode": "discrete_grid", "discrete_grid_levels": GRID},
    "law": {"output_mode": "distribution", "horizon": 2},
}


def whole(run: MadeRun) -> list[Bars]:
    return [make_bars(b.ticker, n=220, seed=i, price=100 * 10**i) for i, b in enumerate(run.bars)]


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    tickers = RUNS[request.param].get("tickers", ["made_up"])
    bars = [make_bars(ticker, n=220, seed=i, price=100 * 10**i) for i, ticker in enumerate(tickers)]
    run = make_run(tmp_path_factory.mktemp("logs"), [b.first(150) for b in bars], **RUNS[request.param])
    with pytest.raises(RunError, match=r"has no log yet.*nextbar update begins it"):
        watch(run.run_dir)
    update(run.run_dir, whole(run))
    return run


def test_a_terminal_of_80_columns_is_wide_enough(run: MadeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr("nextbar.tables.stdout", lambda: SafeConsole(file=screen, width=80, force_terminal=True))
    _show(watch(run.run_dir), 10)
    lines = screen.getvalue().splitlines()
    table = [line for line in lines if line.startswith(("ticker", "made_up", "aaa", "bbb", "scored", "all", "last"))]
    assert len(table) >= 12 and max(map(len, table)) <= 80


def test_the_command_shows_scores_evidence_and_the_newest_bars(run: MadeRun) -> None:
    shown = CliRunner().invoke(app, ["watch", str(run.run_dir), "--last", "4"])
    assert shown.exit_code == 0
    watched = watch(run.run_dir)
    assert f"forecasts: {watched.made}" in shown.stdout and f"{watched.evidence:.3g}" in shown.stdout
    assert f"evidence of being worse than {watched.rival}" in shown.stdout and "last 50" in shown.stdout
    newest = watched.forecasts.iloc[-1]
    assert f"{newest['date']:%Y-%m-%d %H:%M}" in shown.stdout
    none = CliRunner().invoke(app, ["watch", str(run.run_dir), "--last", "0"])
    assert f"{newest['date']:%Y-%m-%d %H:%M}" not in none.stdout and "all" in none.stdout


def test_as_json_it_is_all_but_the_bars(run: MadeRun) -> None:
    shown = CliRunner().invoke(app, ["watch", str(run.run_dir), "--json"])
    plain, watched = json.loads(shown.stdout), watch(run.run_dir)
    assert plain["evidence"] == watched.evidence and plain["scores"][0]["model"] == watched.scores[0].model
    assert plain["log"] == str(watched.log) and "forecasts" not in plain


def test_the_command_prints_the_newest_forecasts_alone(run: MadeRun, tmp_path: Path) -> None:
    for b in whole(run):
        target = tmp_path / "1h" / f"{b.ticker}_1h.csv"
        target.parent.mkdir(exist_ok=True)
        make_frame(b).drop(columns=["ticker", "resolution"]).to_csv(target, index=False)
    before = watch(run.run_dir).log.read_bytes()
    done = CliRunner().invoke(app, ["update", str(run.run_dir), "--data", str(tmp_path), "--quiet"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == to_csv(update(run.run_dir, whole(run)).forecasts)
    assert watch(run.run_dir).log.read_bytes() == before


def test_what_cannot_be_done_is_one_message(run: MadeRun, tmp_path: Path) -> None:
    for words in (
        ["watch", str(tmp_path / "none")],
        ["update", str(tmp_path / "none")],
        ["update", str(run.run_dir), "--data", str(tmp_path / "none")],
        ["update", str(run.run_dir), "--refit-every", "often"],
    ):
        refused = CliRunner().invoke(app, words)
        assert refused.exit_code == 1 and refused.stdout == "" and 0 < len(refused.stderr.splitlines()) < 8
        assert "Traceback" not in refused.stderr
