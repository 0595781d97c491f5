"""Deep ensembles: several runs as one forecaster, of runs alone that go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars
from experiments import GRID
from made_runs import MadeRun, make_run
from typer.testing import CliRunner

from nextbar.cli.app import app
from nextbar.errors import ConfigError, DataError, RunError
from nextbar.inference.evaluator import evaluate
from nextbar.inference.forecaster import Forecaster
from nextbar.inference.loading import load_runs

RUNS: dict[str, dict[str, Any]] = {
    "mean": {"horizon": 2},
    "distribution": {"output_mode": "distribution", "target": "log_return"},
    "student_t": {"output_mode": "distribution", "tail": "student_t"},
    "discrete_grid": {"output_mode": "discrete_grid", "discrete_grid_levels": GRID},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[MadeRun]]:
    """Two runs of each kind; the second of another width, normalisation and epoch."""
    return {
        name: [
            make_run(tmp_path_factory.mktemp(name), losses=losses, **{**fields, **more})
            for losses, more in (((0.1,), {}), ((0.2, 0.1), {"d_model": 16, "norm_mode": "window_meanstd"}))
        ]
        for name, fields in RUNS.items()
    }


@pytest.mark.parametrize("name", RUNS)
def test_an_ensemble_averages_what_its_runs_say(name: str, made: dict[str, list[MadeRun]]) -> None:
    runs = made[name]
    ensemble = Forecaster.load([run.run_dir for run in runs])
    assert isinstance(ensemble.params, list) and len(ensemble.params) == 2
    frame = runs[0].frame
    said = ensemble.predict(frame, law=True, last_only=False)
    each = [run.load().predict(frame, law=True, last_only=False) for run in runs]
    law = {"distribution": ["close", "scale"], "student_t": ["close", "scale", "df"]}.get(name, [])
    own = [f"{column}-{m}" for m in (1, 2) for column in law]
    assert list(said) == [column for column in each[0] if column != "df"] + own and len(said) > 100
    for m, one in enumerate(each, start=1):
        for column in [column for column in own if column.endswith(f"-{m}")]:
            np.testing.assert_allclose(said[column], one[column.removesuffix(f"-{m}")], rtol=1e-6)
    pd.testing.assert_frame_equal(
        said[["ticker", "origin", "step", "date"]], each[0][["ticker", "origin", "step", "date"]]
    )
    if name == "discrete_grid":
        bins = [column for column in said if column.startswith("p_")]
        np.testing.assert_allclose(said[bins], (each[0][bins] + each[1][bins]) / 2, rtol=1e-6)
        return
    if name != "distribution":  # whose mean is one of log returns
        np.testing.assert_allclose(said["close"], (each[0]["close"] + each[1]["close"]) / 2, rtol=1e-6)
    assert not np.allclose(each[0]["close"], each[1]["close"], rtol=1e-6)
    if name != "mean":
        assert (said["scale"] ** 2 >= (each[0]["scale"] ** 2 + each[1]["scale"] ** 2) / 2 * (1 - 1e-6)).all()


def test_an_ensemble_of_one_is_that_run(made: dict[str, list[MadeRun]]) -> None:
    run = made["distribution"][1]
    said = Forecaster.load([run.run_dir]).predict(run.frame, last_only=False)
    wanted = run.load().predict(run.frame, last_only=False)
    pd.testing.assert_frame_equal(said, wanted, rtol=1e-6)


def test_the_epoch_is_asked_of_each(made: dict[str, list[MadeRun]]) -> None:
    paths = [run.run_dir for run in made["mean"]]
    assert [run.epoch for run in load_runs(paths)] == [1, 2]
    assert [run.epoch for run in load_runs(paths, epoch=1)] == [1, 1]
    with pytest.raises(RunError, match="no checkpoint of epoch 2"):
        Forecaster.load(paths, epoch=2)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"horizon": 2}, r"dataset_config\.horizon: 1 and 2"),
        ({"features": "ohlc"}, r"dataset_config\.features"),
        ({"tail": "student_t"}, r"model_config\.tail: normal and student_t"),
        ({"n": 151}, "the bars of their training spans"),
    ],
)
def test_runs_that_do_not_go_together_are_refused(
    fields: dict[str, Any], named: str, made: dict[str, list[MadeRun]], tmp_path: Path
) -> None:
    first = make_run(tmp_path, output_mode="distribution", losses=(0.1,))
    n = {"n": fields.pop("n")} if "n" in fields else {}
    bars = [make_bars(n=150, seed=3)] if n else None
    other = make_run(tmp_path / "other", bars, output_mode="distribution", losses=(0.1,), **fields)
    with pytest.raises(RunError, match=rf"cannot be averaged: they differ in .*{named}"):
        Forecaster.load([first.run_dir, other.run_dir])


def test_a_run_chosen_by_bars_that_the_first_is_scored_on_is_refused(tmp_path: Path) -> None:
    """Both learn from the same bars, the first 96; the second's validation goes on where the first's test is."""
    first = make_run(tmp_path, losses=(0.1,))
    other = make_run(tmp_path / "other", losses=(0.1,), test_split=0.1, validation_split=39 / 135)
    cuts = [run.dataset.cuts for run in (first, other)]
    assert cuts[0].validation == cuts[1].validation and cuts[0].test < cuts[1].test
    assert first.dataset.preparation.to_dict() == other.dataset.preparation.to_dict()
    for runs in ([first, other], [other, first]):
        with pytest.raises(RunError, match=r"cannot be averaged: they differ in where test begins: .*T.* and .*T"):
            Forecaster.load([run.run_dir for run in runs])


def test_what_an_ensemble_has_not_is_said(made: dict[str, list[MadeRun]]) -> None:
    with pytest.raises(ConfigError, match="at least one run; found none"):
        Forecaster.load([])
    ensemble = Forecaster.load([run.run_dir for run in made["distribution"]])
    with pytest.raises(RunError, match="not of an ensemble"):
        ensemble.predict(made["distribution"][0].frame, conformal=True)
    with pytest.raises(DataError):
        Forecaster.load([run.run_dir for run in made["mean"]]).conformal()


def test_an_ensemble_is_scored_like_a_run(made: dict[str, list[MadeRun]]) -> None:
    runs = made["distribution"]
    paths = [run.run_dir for run in runs]
    found = evaluate(paths, runs[0].frame)
    single = evaluate(paths[0], runs[0].frame)
    assert found.metrics["test"]["windows"] == single.metrics["test"]["windows"] == 30
    assert found.metrics["test"]["baseline"] == single.metrics["test"]["baseline"]
    forecasts = [evaluate(path, runs[0].frame).spans["test"].forecast.location_NH for path in paths]
    np.testing.assert_allclose(found.spans["test"].forecast.location_NH, np.mean(forecasts, axis=0), rtol=1e-5)


def test_the_commands_take_several_runs(made: dict[str, list[MadeRun]], tmp_path: Path) -> None:
    runs = made["mean"]
    paths = [str(run.run_dir) for run in runs]
    bars = tmp_path / "bars.csv"
    runs[0].frame.drop(columns="resolution").to_csv(bars, index=False)
    predicted = CliRunner().invoke(app, ["predict", *paths, "--data", str(bars), "--out", str(tmp_path / "out.csv")])
    assert predicted.exit_code == 0, predicted.output
    said = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(said["close"], Forecaster.load(paths).predict(runs[0].frame)["close"], rtol=1e-6)
    evaluated = CliRunner().invoke(app, ["evaluate", *paths, "--data", str(bars), "--json"])
    assert evaluated.exit_code == 0, evaluated.output
