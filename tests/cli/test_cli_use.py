"""The commands that use a trained run, on real small ones: what they print, what they write, what they refuse."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bar_files import write
from builders import make_bars, make_config, make_frame
from typer.testing import CliRunner, Result

from nextbar.cli.app import app
from nextbar.forecasts.formats import FORMATS, forecasts_as
from nextbar.inference.evaluator import evaluate
from nextbar.inference.forecaster import Forecaster
from nextbar.runs.info import describe
from nextbar.train.trainer import Trainer

cli = CliRunner()
GRID = (-np.inf, -0.5, 0.5, np.inf)


def bars(name: str, n: int = 160, seed: int = 0) -> pd.DataFrame:
    """One series as its file holds it."""
    return make_frame(make_bars(name, n=n, seed=seed)).drop(columns=["ticker", "resolution"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bars of two tickers, ``long.csv`` with both, and ``runs`` of two output modes."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "bars" / "1h").mkdir(parents=True)
    frames = {name: bars(name, seed=seed) for seed, name in enumerate(("abc", "xyz"))}
    for name, frame in frames.items():
        write(folder / "bars", frame, "csv", name)
    pd.concat([frame.assign(ticker=name) for name, frame in frames.items()]).to_csv(folder / "long.csv", index=False)
    for mode, extra in (
        ("distribution", {}),
        ("discrete_grid", {"discrete_grid_levels": GRID, "norm_mode": "global_meanstd"}),
    ):
        config = make_config(
            datapath=str(folder / "bars"), log_dir=str(folder / "runs"), experiment_name=mode,
            tickers=["abc", "xyz"], output_mode=mode, num_epochs=1, **extra,
        )  # fmt: skip
        Trainer(config, show=False).train_and_evaluate()
    return folder


@pytest.fixture(autouse=True)
def inside(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "200")


def call(*arguments: str | Path) -> Result:
    return cli.invoke(app, list(map(str, arguments)))


def answer(*arguments: str | Path) -> str:
    """Standard output of a command that works."""
    result = call(*arguments)
    assert result.exit_code == 0, result.stderr or result.exception
    return result.stdout


def refused(*arguments: str | Path) -> str:
    """The one message of a command that does not."""
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert "Traceback" not in result.stderr
    return result.stderr


def run_dir(mode: str = "distribution") -> Path:
    (path,) = (path.parent for path in Path("runs", mode).glob("*/summary.json"))
    return path


def table(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), parse_dates=["origin", "date"])


# --- predict


def test_predict_prints_what_the_library_forecasts() -> None:
    found = table(answer("predict", run_dir(), "--data", "bars"))
    expected = Forecaster.load(run_dir()).predict(pd.read_csv("long.csv"))
    assert list(found.columns) == list(expected.columns) and found["ticker"].tolist() == ["abc", "xyz"]
    for name in expected.columns[4:]:
        np.testing.assert_array_equal(found[name], expected[name])  # every digit is printed
    assert (found["origin"] == expected["origin"]).all() and (found["date"] == expected["date"]).all()


def test_an_experiment_stands_for_its_best_run_and_a_file_for_its_series() -> None:
    both = table(answer("predict", "runs/distribution", "--data", "long.csv"))
    alone = table(answer("predict", run_dir(), "--data", "bars/1h/xyz_1h.csv"))
    pd.testing.assert_frame_equal(alone, both[both["ticker"] == "xyz"].reset_index(drop=True))


def test_the_options_of_predict_reach_the_library(tmp_path: Path) -> None:
    out = tmp_path / "all.csv"
    now = "2020-01-11T00:00Z"
    options = ["--levels", "0.9,0.5", "--all", "--now", now, "--law", "--conformal", "--epoch", "1", "--out", out]
    assert answer("predict", run_dir(), "--data", "long.csv", *options) == f"{out}\n"
    expected = Forecaster.load(run_dir(), epoch=1).predict(
        pd.read_csv("long.csv"), [0.9, 0.5], last_only=False, now=now, law=True, conformal=True
    )
    found = table(out.read_text())
    assert [*found.columns[5:]] == ["close-lo-90", "close-hi-90", "close-lo-50", "close-hi-50", "scale"]
    assert len(found) == len(expected) > 100
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=False, rtol=1e-12)
    assert found["origin"].max() < pd.Timestamp(now)


def test_what_other_programs_take_is_what_the_library_makes_of_it(tmp_path: Path) -> None:
    options = ["--quantiles", "0.1,0.9", "--probability", "above=100,below=99.5,above=101", "--samples", "2"]
    command = ["predict", run_dir(), "--data", "long.csv", *options, "--seed", "7"]
    table_ = Forecaster.load(run_dir()).predict(
        pd.read_csv("long.csv"), quantiles=[0.1, 0.9], above=[100, 101], below=[99.5], samples=2, seed=7
    )
    nixtla = pd.read_csv(io.StringIO(answer(*command, "--as", "nixtla")), parse_dates=["ds"])
    expected = forecasts_as(table_, "nixtla")
    pd.testing.assert_frame_equal(nixtla, expected, check_dtype=False, check_exact=True)
    assert list(nixtla.columns[-7:]) == [
        "nextbar-q-10", "nextbar-q-90", "nextbar-above-100", "nextbar-above-101", "nextbar-below-99.5",
        "nextbar-path-1", "nextbar-path-2",
    ]  # fmt: skip
    lines = [json.loads(line) for line in answer(*command, "--as", "jsonl").splitlines()]
    assert [line["close-path-2"] for line in lines] == table_["close-path-2"].tolist()
    out = tmp_path / "f.feather"
    assert answer(*command, "--as", "freqtrade", "--out", out) == f"{out}\n"
    pd.testing.assert_frame_equal(pd.read_feather(out), forecasts_as(table_, "freqtrade"))
    piped = call("predict", run_dir(), "--data", "long.csv", "--as", "parquet").stdout_bytes
    assert "close-lo-95" in pd.read_parquet(io.BytesIO(piped))


def test_the_help_names_every_format() -> None:
    for command in ("predict", "backtest"):
        assert ", ".join(FORMATS) in " ".join(call(command, "--help").stdout.replace("│", " ").split())


def test_now_may_be_the_clocks_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbar.bars.present.clock", lambda: int(pd.Timestamp("2020-01-11T00:00Z").timestamp()))
    command = ["predict", run_dir(), "--data", "bars"]
    assert answer(*command, "--now", "now") == answer(*command, "--now", "2020-01-11T00:00Z") != answer(*command)


def test_unknown_tickers_need_fit_scaler_where_the_normalisation_is_global(tmp_path: Path) -> None:
    bars("new").assign(ticker="new").to_csv(tmp_path / "new.csv", index=False)
    command = ["predict", run_dir("discrete_grid"), "--data", tmp_path / "new.csv"]
    assert "fit_scaler" in refused(*command)
    assert table(answer(*command, "--fit-scaler"))["ticker"].tolist() == ["new"]


def test_predict_without_out_writes_no_file(place: Path) -> None:
    before = sorted(place.rglob("*"))
    answer("predict", run_dir(), "--data", "bars")
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "none", "--out", "f.xlsx"], r"f\.xlsx: the ending .* \.csv, \.csv\.gz, \.parquet, \.json"),
        (["--data", "bars", "--out", "none/f.csv"], "there is no folder 'none'"),
        (["--data", "none"], "none"),
        (["--data", "bars", "--levels", "0.5,x"], "levels: 'x' is no share"),
        (["--data", "bars", "--levels", "95"], "write 0.95 for 95 %"),
        (["--data", "bars", "--now", "soon"], "soon"),
        (["--data", "none", "--as", "excel"], "format: found 'excel', should be one of table, nixtla, vectorbt"),
        (["--data", "none", "--as", "freqtrade", "--out", "f.csv"], r"must be one of \.feather"),
        (["--data", "none", "--quantiles", "10"], "write 0.1 for 10 %"),
        (["--data", "none", "--probability", "over=3"], "found 'over=3', should be above=PRICE or below=PRICE"),
        (["--data", "none", "--probability", "above="], "above: '' is no price"),
        (["--data", "none", "--samples", "-1"], "samples: found -1"),
        (["--data", "bars", "--samples", "9", "--conformal"], "samples: they are the law's"),
        (["--data", "bars", "--epoch", "9"], "no checkpoint of epoch 9; epochs kept: 1"),
    ],
)
def test_what_predict_cannot_do_is_one_message_and_no_file(arguments: list[str], message: str, place: Path) -> None:
    before = sorted(place.rglob("*"))
    assert re.search(message, refused("predict", run_dir(), *arguments))
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("command", [["predict", "--data", "bars"], ["evaluate"], ["refit"], ["report"]])
def test_a_path_that_is_no_run_lists_those_nearby(command: list[str]) -> None:
    name, *options = command
    message = refused(name, "run/distribution", *options)
    assert message.startswith("no run run/distribution; runs nearby:\n")
    assert str(run_dir()) in message and str(run_dir("discrete_grid")) in message
    assert "cannot be ranked together" in refused(name, "runs", *options)


# --- evaluate


def test_evaluate_shows_the_closing_table_and_calibration() -> None:
    shown = answer("evaluate", run_dir())
    summary = json.loads((run_dir() / "summary.json").read_text())
    flat = " ".join(shown.split())
    for span in ("validation", "test"):
        report = summary["metrics"][span]
        assert f"{span}: {report['windows']} windows" in flat
        assert f"nll {report['model']['nll']:.5g} {report['baseline']['nll']:.5g}" in flat
        assert " ".join(report["verdict"].split()) in flat
        assert f"90 % {report['model']['coverage_90']:.1f} % ±" in flat
    tests = evaluate(run_dir()).spans["test"].tests
    assert all(f"{finding['title']} {finding['sentence']}" in flat for finding in tests.values())
    assert "forecast QLIKE Diebold-Mariano p the model" in flat.replace("─", "").replace("  ", " ")
    assert "conformal" not in shown


def test_evaluate_says_what_conformal_changed() -> None:
    shown = answer("evaluate", run_dir(), "--conformal")
    assert shown.count("conformal intervals") == 1  # of the test span: on the other they were learnt
    assert len(re.findall(r"^\d\d %: covers [\d.]+ % instead of [\d.]+ %", shown, re.MULTILINE)) == 4
    assert "'discrete_grid'" in refused("evaluate", run_dir("discrete_grid"), "--conformal")


def test_evaluate_prints_json_as_in_the_summary() -> None:
    for mode, extra in (("distribution", "coverage"), ("discrete_grid", "reliability")):
        found = json.loads(answer("evaluate", run_dir(mode), "--json"))
        summary = json.loads((run_dir(mode) / "summary.json").read_text())["metrics"]
        for span in ("validation", "test"):
            assert extra in found[span].pop("calibration")
            tests = found[span].pop("tests")
            of_laws = {"variance", "coverage", "pit", "parts"}
            assert set(tests) == {"contest"} | (of_laws if mode == "distribution" else set())
            assert all(set(finding) == {"title", "sentence", "figures"} for finding in tests.values())
            assert found[span]["windows"] == summary[span]["windows"]
            for name, value in summary[span]["model"].items():
                assert found[span]["model"][name] == pytest.approx(value, rel=1e-6)
    assert "probability" in answer("evaluate", run_dir("discrete_grid"))


def test_evaluate_scores_new_bars(tmp_path: Path) -> None:
    later = bars("abc", 300, seed=3)
    path = write(tmp_path, later, "csv", "abc")
    found = json.loads(answer("evaluate", run_dir(), "--data", path, "--json"))
    assert set(found["test"]["by_ticker"]) == {"abc"} and found["test"]["windows"] > 150


def test_tickers_and_epochs_can_be_chosen(tmp_path: Path) -> None:
    found = json.loads(answer("evaluate", run_dir(), "--tickers", "xyz", "--epoch", "1", "--json"))
    assert set(found["test"]["by_ticker"]) == {"xyz"}
    assert "no checkpoint of epoch 7" in refused("evaluate", run_dir(), "--epoch", "7")
    assert set(table(answer("predict", run_dir(), "--data", "long.csv", "--tickers", "xyz"))["ticker"]) == {"xyz"}
    assert "no ticker abd" in refused("predict", run_dir(), "--data", "long.csv", "--tickers", "xyz, abd")
    new = write(tmp_path, bars("new", 300, seed=5), "csv", "new")
    assert "--fit-scaler" in refused("evaluate", run_dir("discrete_grid"), "--data", new)
    found = json.loads(answer("evaluate", run_dir("discrete_grid"), "--data", new, "--fit-scaler", "--json"))
    assert set(found["test"]["by_ticker"]) == {"new"}


# --- refit, report, runs


def test_refit_prints_a_new_run_that_forecasts_and_is_listed(tmp_path: Path) -> None:
    shutil.copytree("runs", tmp_path / "runs")
    source = tmp_path / run_dir()
    new = Path(answer("refit", source, "--quiet").strip())
    assert describe(new).refit_of == source.name and new.parent == source.parent.resolve()
    assert len(table(answer("predict", new, "--data", "bars"))) == 2
    shown = answer("runs", tmp_path / "runs")
    assert f"finished, refit of {source.name}" in shown
    assert Path(answer("refit", source, "--quiet", "--data", "long.csv").strip()).parent == new.parent
    assert "itself a refit" in refused("refit", new, "--quiet")


def test_report_prints_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    out = tmp_path / "page.html"
    assert answer("report", "runs/distribution", "--out", out) == f"{out}\n"
    assert out.read_text().startswith("<!") and not opened
    answer("report", run_dir(), "--out", out, "--open")
    assert opened == [out.as_uri()]


def test_report_takes_a_backtest_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its folds' runs lie inside; none of them is meant."""
    (tmp_path / "summary.json").write_text('{"kind": "backtest"}')
    shutil.copytree(run_dir(), tmp_path / "folds" / "1")
    seen = SimpleNamespace()

    def stand_in(source: Path, out: Path | None, **options: Any) -> Path:
        seen.source = source
        return source / "report.html"

    monkeypatch.setattr("nextbar.report.write_report", stand_in)
    assert answer("report", tmp_path) == f"{tmp_path / 'report.html'}\n"
    assert seen.source == tmp_path


def test_runs_lists_them_and_marks_the_best(tmp_path: Path) -> None:
    lines = [line.split() for line in answer("runs").splitlines()]
    info = describe(run_dir())
    assert info.skill is not None
    row = next(line for line in lines if line[:1] == ["distribution"])
    assert row[1:6] == [info.path.name, "finished", "1", "1", "distribution"]
    assert row[6] == f"{info.skill:+.4f}" and row[8] == {"kB": "kB", "MB": "MB"}[row[8]] and row[9] == "*"
    copy = tmp_path / "runs" / "exp"
    shutil.copytree(run_dir(), copy / "a")
    shutil.copytree(run_dir(), copy / "b")
    (copy / "b" / "summary.json").write_text("{")
    shown = answer("runs", tmp_path / "runs")
    assert re.search(r"exp +a +finished .*\*", shown) and re.search(r"exp +b +damaged", shown)
    assert f"{copy / 'b' / 'summary.json'} cannot be read" in shown


def test_runs_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no run" in refused("runs", tmp_path)
    assert "no folder" in refused("runs", tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    assert refused("runs").startswith("no folder runs")


# --- Ctrl-C

WORKING = "nextbar.inference.forecaster", 0.1
"""a moment: so many seconds after the module is loaded"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a single process")
@pytest.mark.parametrize(
    ("arguments", "message", "module", "after"),
    [
        (["predict", "--data", "bars", "--out", "x.csv"], "interrupted; nothing was written", "jax", 0.0),
        (["evaluate"], "interrupted; evaluating changes nothing, the same command starts again", *WORKING),
        (["report", "--out", "x.html"], "interrupted; nothing was written", *WORKING),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_ctrl_c_ends_it_at_once(
    arguments: list[str], message: str, module: str, after: float, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from processes import interrupt, wait_for

    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # names each module when it is loaded
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    before = sorted(place.rglob("*"))
    name, *options = arguments
    with subprocess.Popen(
        [sys.executable, "-m", "nextbar", name, str(run_dir()), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        wait_for(process, f" {module}\n")
        time.sleep(after)
        assert f"{message}\n" in interrupt(process)  # the worker's thread may load another module meanwhile
    assert sorted(place.rglob("*")) == before
