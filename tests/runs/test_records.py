"""Run folders that an earlier nextbar wrote keep their meaning, and damaged ones are refused in words.

``runs_format_<n>.zip`` holds a run or two of 90 made-up bars, the bars, and the forecasts that
``Forecaster.predict(bars, last_only=False)`` of the nextbar that trained it made of them. In format 1 (commit 2244c9e)
there is a column of the share of the training span that has passed, which Time2Vec reads, and spread tokens 0..100;
files of format 2 (commit 402da30) carry no checksums. A change of ``FORMAT`` adds a folder of the new format.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mutations import mutations

from nextbar import Forecaster, evaluate, refit
from nextbar.checksums import write_json
from nextbar.errors import ConfigError, NextbarError, RunError
from nextbar.runs.faults import READERS, run_faults
from nextbar.runs.info import describe
from nextbar.runs.records import NORMALISATION, read_config
from nextbar.runs.summary import FORMAT, SEALED, SUMMARY, read_summary

HERE = Path(__file__).parent
RUNS = [(1, "mean"), (1, "distribution"), (2, "distribution"), (3, "distribution")]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archive of each format in a folder of its number."""
    folder = tmp_path_factory.mktemp("kept")
    for number in {number for number, _ in RUNS}:
        shutil.unpack_archive(HERE / f"runs_format_{number}.zip", folder / str(number))
    return folder


@pytest.fixture(scope="module")
def runs(kept: Path) -> Path:
    return kept / "1"


def bars_of(runs: Path, name: str) -> pd.DataFrame:
    frame = pd.read_csv(runs / "bars.csv")
    return frame if name == "mean" else frame[frame["ticker"] == "made_up"]


def test_a_run_of_each_format_is_kept() -> None:
    assert {number for number, _ in RUNS} == set(range(1, FORMAT + 1))


@pytest.mark.parametrize(("number", "name"), RUNS)
def test_an_earlier_run_forecasts_what_it_forecast(number: int, name: str, kept: Path) -> None:
    run = kept / str(number) / name
    assert read_summary(run)["format"] == number
    forecaster = Forecaster.load(run)
    made = forecaster.predict(bars_of(run.parent, name), last_only=False, law=name == "distribution")
    then = pd.read_csv(run / "forecasts.csv", parse_dates=["origin", "date"])
    assert list(made.columns) == list(then.columns) and len(made) == len(then) > 80
    for column in then.columns:
        if then[column].dtype == float:
            # compilers round in other places: by 1e-6 of a price where most optimizations are off
            np.testing.assert_allclose(made[column], then[column], rtol=1e-5, err_msg=column)
        else:
            assert (made[column] == then[column]).all()
    assert then["close"].sub(then["close"].mean()).abs().max() > 1e-3


@pytest.mark.parametrize(("number", "name"), RUNS)
def test_an_earlier_run_is_whole_and_whether_it_has_checksums_is_said(number: int, name: str, kept: Path) -> None:
    faults = [fault for fault in run_faults(kept / str(number) / name) if fault.path.name != "forecasts.csv"]
    assert not any(fault.harmful for fault in faults)
    assert [fault.path.name for fault in faults] == ([name] if number < SEALED else [])


def test_a_run_of_a_later_format_is_refused(kept: Path, tmp_path: Path) -> None:
    run = shutil.copytree(kept / str(FORMAT) / "distribution", tmp_path / "run")
    write_json(run / SUMMARY, json.loads((run / SUMMARY).read_text()) | {"format": FORMAT + 1})
    for read in (Forecaster.load, evaluate, refit):
        with pytest.raises(RunError, match=rf"run has format {FORMAT + 1}, written by nextbar .*reads up to {FORMAT}"):
            read(run)


TEXTS = {path: readers for path, readers in READERS.items() if path.endswith(".json")}


@pytest.mark.parametrize("name", TEXTS)
def test_a_value_deleted_renamed_or_of_another_type_is_refused(name: str, kept: Path, tmp_path: Path) -> None:
    run = shutil.copytree(kept / str(FORMAT) / "distribution", tmp_path / "run")
    count = 0
    for change, value in mutations(json.loads((run / name).read_text())):
        (run / name).write_text(json.dumps(value, indent=2) + "\n")
        with pytest.raises(RunError, match=name):
            TEXTS[name][0](run)
            pytest.fail(change)
        count += 1
    assert count > 30


@pytest.mark.parametrize("name", TEXTS)
def test_without_checksums_it_is_refused_or_read_and_never_a_traceback(name: str, kept: Path, tmp_path: Path) -> None:
    """What of it is read and forecast with then is the next test's."""
    run = shutil.copytree(kept / "2" / "distribution", tmp_path / "run")
    refused = 0
    for number, (change, value) in enumerate(mutations(json.loads((run / name).read_text()))):
        (run / name).write_text(json.dumps(value))
        try:
            for read in TEXTS[name]:
                read(run)
            if name == SUMMARY and number % 4 == 0:  # which looks into all of the folder
                describe(run)
        except NextbarError:
            refused += 1
        except Exception as error:
            pytest.fail(f"{change}: {error!r}")
    assert refused > 0


@pytest.mark.parametrize("part", ["spec", "spreads", "first_time", "series"])
def test_a_preparation_without_checksums_that_is_read_forecasts_the_same(part: str, kept: Path, tmp_path: Path) -> None:
    run, bars = shutil.copytree(kept / "2" / "distribution", tmp_path / "run"), bars_of(kept / "2", "distribution")
    wanted = Forecaster.load(run).predict(bars)
    preparation = json.loads((run / NORMALISATION).read_text())
    for change, value in mutations({part: preparation[part]}):
        write_without_checksum(run / NORMALISATION, {k: v for k, v in preparation.items() if k != part} | value)
        try:
            made = Forecaster.load(run).predict(bars)
        except NextbarError:
            continue
        assert made.equals(wanted), change


def write_without_checksum(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value))


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
