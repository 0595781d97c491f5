"""A job that runs every week: the file grows, the same commands are given again, from wherever it may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bar_files import write
from builders import make_bars, make_config, make_frame
from typer.testing import CliRunner

from nextbar import Forecaster, evaluate, write_report
from nextbar.cli.app import app
from nextbar.runs.info import describe
from nextbar.runs.summary import read_summary

WEEK, FIRST = 40, 150
WHOLE = make_frame(make_bars("abc", n=FIRST + WEEK)).drop(columns=["ticker", "resolution"])


def call(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


@pytest.mark.slow
def test_train_append_train_load_predict_evaluate_report_refit_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written with relative paths, used from another folder."""
    home, away = tmp_path / "home", tmp_path / "away"
    away.mkdir()
    (home / "bars").mkdir(parents=True)
    experiment = home / "runs" / "test"
    monkeypatch.chdir(home)
    make_config(tickers="abc", num_epochs=1).save("experiment.yaml")

    write(home / "bars", WHOLE.head(FIRST), "csv", "abc")
    first = home / call("train", "experiment.yaml", "--quiet")
    first_refit = Path(call("refit", first, "--quiet"))
    write(home / "bars", WHOLE, "csv", "abc")
    second = home / call("train", "experiment.yaml", "--quiet")
    assert first != second and {first.parent, second.parent, first_refit.parent} == {experiment}

    monkeypatch.chdir(away)
    assert Forecaster.load(experiment).run_dir == first_refit  # until there is another
    assert Forecaster.load(experiment, run=second.name).run_dir == second
    assert evaluate(experiment).run == second
    assert evaluate(experiment, run=first.name).metrics["test"]["windows"] == 30  # without what came later
    assert evaluate(experiment, new=True).metrics["test"]["windows"] == WEEK  # by the refit in use
    assert write_report(experiment) == second / "report.html"

    refit = Path(call("refit", experiment, "--quiet"))
    summary = read_summary(refit)
    assert (summary["refit_of"], summary["datapath"]) == (second.name, str(home / "bars"))
    assert describe(refit).until == describe(second).until
    assert Forecaster.load(experiment).run_dir == refit
    assert evaluate(experiment).run == second
    found = pd.read_csv(pd.io.common.StringIO(call("predict", experiment)))
    assert list(found["origin"]) == [WHOLE["date"].iloc[-1].strftime("%Y-%m-%dT%H:%M:%SZ")]
    call("evaluate", experiment, "--run", second.name)
    assert call("report", experiment, "--run", refit.name) == str(refit / "report.html")
    shown = call("runs", experiment.parent)
    assert shown.count("* predict") == shown.count("* evaluate") == 1
    assert np.isfinite(evaluate(experiment).metrics["test"]["model"]["mae"])
