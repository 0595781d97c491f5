"""What a user gets wrong, but for the bars: one message, exit code 1, and nothing is left on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from refusals import BARS, GRID, experiment, refusal, require, save

from nextbar.bars.series import read_series
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.runs.folder import RunFolder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dataset_config.datapath=nowhere"], ["no folder 'nowhere'"]),
        (["dataset_config.tickers=[abd]"], ["no ticker 'abd' at 1h", "there are abc", "Did you mean 'abc'?"]),
        (["test_tickers=[xyz]"], ["no ticker 'xyz' at 1h", "there are abc"]),
        (["dataset_config.resolution=4h"], ["no bars at resolution '4h'", "there are 1h"]),
        (["dataset_config.resolution=1x"], ["resolution: found '1x'", "such as 30m, 4h, 1d"]),
        (["dataset_config.tickers=[abc, abc]"], ["tickers: found ['abc', 'abc']", "only once"]),
        (["num_epoch=3"], ["no field 'num_epoch'", "did you mean num_epochs?"]),
        (["num_epochs"], ["override 'num_epochs'", "should be name=value"]),
        (["num_epochs=three"], ["num_epochs: found 'three'", "a whole number >= 1"]),
        (["experiment_name=a/b"], ["experiment_name: found 'a/b'", "without path separators"]),
        (["experiment_name=.."], ["experiment_name: found '..'", "a plain folder name"]),
        (["test_split=1"], ["test_split: found 1", "> 0 and < 1"]),
        (["test_split=0.99"], ["60 bars and all are test with test_split 0.99"]),
        (
            ["dataset_config.horizon=20"],
            ["no validation windows", "no test windows of abc", "abc_1h: 60 bars, 10", "20 needed"],
        ),
        (["dataset_config.indicators=[macd]"], ["no indicator 'macd'", "rsi, bb_upper", "volume"]),
        (["dataset_config.indicators=[ema_200]"], ["no training windows", "ema_200 is empty in 60 of 60 bars"]),
        (GRID, ["discrete_grid_levels: found None", "should be bin edges"]),
        (["dataset_config.output_mode=distribution"], ["found 'distribution', should equal model_config.output_mode"]),
        (["dataset_config.initial_date=soon"], ["initial_date: found 'soon'", "ISO 8601"]),
        (["dataset_config.final_date=9999-12-31"], ["dataset_config.final_date: found '9999-12-31'", "1900 to 2199"]),
        (["dataset_config.initial_date=2030-01-01"], ["no bars within initial_date 2030-01-01", "from 2020-09-13"]),
    ],
    ids=lambda part: part[0] if part and "=" in part[0] else "",
)
def test_a_bad_setting(tmp_path: Path, arguments: list[str], words: list[str]):
    experiment(tmp_path)
    save(tmp_path)
    require(refusal(tmp_path, *arguments), *words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["cannot read the configuration", "No such file"]),
        (b"", ["the file is empty", "mapping of configuration fields"]),
        (b"a: [1,\nb: }", ["line 2", "not valid YAML"]),
        (b"- 1\n- 2\n", ["found a list", "should be a mapping"]),
        (b"hello", ["found 'hello'", "should be a mapping"]),
        (bytes(range(256)), ["not valid YAML"]),
        ("num_epoch", ["num_epoch: no such field", "did you mean num_epochs?"]),
        ("d_modl", ["model_config.d_modl: no such field", "did you mean model_config.d_model?"]),
    ],
    ids=["missing", "empty", "no YAML", "list", "text", "binary", "typo", "typo inside"],
)
def test_a_bad_configuration_file(tmp_path: Path, content: bytes | str | None, words: list[str]):
    path = experiment(tmp_path)
    if isinstance(content, str):  # a name with a letter lost
        right = {"num_epoch": "num_epochs", "d_modl": "d_model"}[content]
        path.write_text(path.read_text().replace(f"{right}:", f"{content}:"))
    else:
        path.write_bytes(content or b"")
        if content is None:
            path.unlink()
    require(refusal(tmp_path), "experiment.yaml", *words)


def test_a_configuration_that_is_a_folder(tmp_path: Path):
    (tmp_path / "experiment.yaml").mkdir()
    require(refusal(tmp_path), "experiment.yaml", "Is a directory")


def test_two_files_for_one_series(tmp_path: Path):
    experiment(tmp_path)
    files = [str(save(tmp_path, BARS, extension)) for extension in ("csv", "parquet")]
    require(refusal(tmp_path), "2 files for one series", *files, "keep one")


def test_a_folder_where_a_file_of_bars_should_be(tmp_path: Path):
    experiment(tmp_path)
    path = save(tmp_path)
    path.unlink()
    path.mkdir()
    require(refusal(tmp_path), f"{path}: cannot be read")


def test_a_scored_ticker_without_test_labels(tmp_path: Path):
    experiment(tmp_path)
    save(tmp_path)
    save(tmp_path, BARS.head(30), name="ended")
    message = refusal(tmp_path, "test_tickers=[abc, ended]")
    require(message, "no test windows of ended", "ended_1h: 30 bars, 0 in the test span")


def test_a_trained_ticker_that_begins_after_the_cut(tmp_path: Path):
    experiment(tmp_path)
    save(tmp_path)
    save(tmp_path, BARS.tail(10), name="late")
    message = refusal(tmp_path, "dataset_config.tickers=[late]", "test_tickers=[abc]")
    require(message, "no bars of late", "other tickers")


def _file_as_log_folder(folder: Path) -> None:
    (folder / "runs").write_text("")


def _file_as_experiment(folder: Path) -> None:
    (folder / "runs").mkdir()
    (folder / "runs" / "test").write_text("")


def _forbidden(folder: Path) -> None:
    if os.name == "nt" or os.geteuid() == 0:
        pytest.skip("permissions do not bind this user")
    (folder / "runs").mkdir(mode=0o555)


@pytest.mark.parametrize("spoilt", [_file_as_log_folder, _file_as_experiment, _forbidden])
def test_a_log_folder_that_cannot_be_written(tmp_path: Path, spoilt: Callable[[Path], None]):
    experiment(tmp_path)
    save(tmp_path)
    spoilt(tmp_path)
    require(refusal(tmp_path), f"cannot write to the log folder {tmp_path / 'runs'}", "choose another log_dir")


def begin(folder: Path) -> RunFolder:
    """A run that was interrupted in its first epoch."""
    config = ExperimentConfig.load(experiment(folder))
    save(folder)
    bars = read_series(config)
    dataset = build_dataset(config, bars)
    run = RunFolder(config, dataset.fingerprint)
    with run.claimed(overwrite=False):
        run.begin(dataset, {})
        run.update(status="interrupted")
    return run


def test_data_that_changed_since_the_interruption(tmp_path: Path):
    run = begin(tmp_path)
    save(tmp_path, BARS.head(59))
    require(refusal(tmp_path), str(run.path), "changed since it was interrupted", "restore them", "--overwrite")


def test_a_damaged_run_folder(tmp_path: Path):
    run = begin(tmp_path)
    summary = run.path / "summary.json"
    summary.write_text("{")
    require(refusal(tmp_path), str(summary), "cannot be read")


def test_an_earlier_run_that_cannot_be_thrown_away(tmp_path: Path):
    run = begin(tmp_path)
    for path in run.path.iterdir():
        path.unlink()
    run.path.rmdir()
    run.path.write_text("no folder")
    require(refusal(tmp_path, "--overwrite"), str(run.path), "cannot be thrown away", "delete it yourself")


def test_the_program_itself_says_it_in_one_line(tmp_path: Path):
    experiment(tmp_path)
    path = save(tmp_path, b"")
    called = [sys.executable, "-m", "nextbar", "train", str(tmp_path / "experiment.yaml")]
    done = subprocess.run(called, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{path}: the file is empty\n")
