"""Run folders that an earlier nextbar wrote keep their meaning.

``data/runs_format_1.zip`` holds two runs of 90 made-up bars, trained by commit 2244c9e (format 1: a column of the share
of the training span that has passed, which Time2Vec reads, and spread tokens 0..100), the bars, and the forecasts that
its ``Forecaster.predict(bars, last_only=False)`` made of them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nextbar import Forecaster, refit
from nextbar.errors import ConfigError
from nextbar.runs.records import FORMAT, read_config, read_summary

ARCHIVE = Path(__file__).parent / "runs_format_1.zip"
RUNS = ("mean", "distribution")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("format_1")
    shutil.unpack_archive(ARCHIVE, folder)
    return folder


def bars_of(runs: Path, name: str) -> pd.DataFrame:
    frame = pd.read_csv(runs / "bars.csv")
    return frame if name == "mean" else frame[frame["ticker"] == "made_up"]


@pytest.mark.parametrize("name", RUNS)
def test_an_earlier_run_forecasts_what_it_forecast(runs: Path, name: str) -> None:
    assert read_summary(runs / name)["format"] == 1
    forecaster = Forecaster.load(runs / name)
    made = forecaster.predict(bars_of(runs, name), last_only=False, law=name == "distribution")
    then = pd.read_csv(runs / name / "forecasts.csv", parse_dates=["origin", "date"])
    assert list(made.columns) == list(then.columns) and len(made) == len(then) > 80
    for column in then.columns:
        if then[column].dtype == float:
            np.testing.assert_allclose(made[column], then[column], rtol=1e-7, err_msg=column)
        else:
            assert (made[column] == then[column]).all()
    assert then["close"].sub(then["close"].mean()).abs().max() > 1e-3


def test_an_earlier_run_has_the_column_of_time_that_it_was_trained_with(runs: Path, tmp_path: Path) -> None:
    assert read_config(runs / "mean").dataset_config.time_feature == "span"
    spec = Forecaster.load(runs / "mean").preparation.spec
    assert (spec.time_feature, spec.layout, spec.n_features) == ("span", 1, 6)
    copy = shutil.copytree(runs / "mean", tmp_path / "copy")
    (copy / "config.yaml").write_text(
        (copy / "config.yaml").read_text().replace("  clock", "  time_feature: none\n  clock")
    )
    assert read_config(copy).dataset_config.time_feature == "none", "what is written counts"
    (copy / "config.yaml").write_text("dataset_config: 3\n")
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        read_config(copy)


def test_a_refit_of_an_earlier_run_trains_what_was_judged(runs: Path, tmp_path: Path) -> None:
    run = shutil.copytree(runs / "mean", tmp_path / "logs" / "mean" / "run")
    result = refit(run, bars_of(runs, "mean"), show=False)
    again = Forecaster.load(result.run_dir)
    first = Forecaster.load(run)
    assert again.preparation.spec == first.preparation.spec
    assert {name: leaf.shape for name, leaf in again.params["time2vec"].items()} == {"frequency": (8,), "phase": (8,)}
    assert again.params["token_0"]["embedding"].shape == (101, 8)
    summary = json.loads((result.run_dir / "summary.json").read_text())
    assert (summary["format"], summary["refit_of"]) == (FORMAT, "run")
    assert read_config(result.run_dir).dataset_config.time_feature == "span"
