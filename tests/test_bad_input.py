"""What a user gets wrong: the real command answers with one message and exit code 1, and leaves nothing on the disk."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bar_files import bars_table, write
from builders import make_config
from typer.testing import CliRunner, Result

from nextbar.cli import app
from nextbar.config import ExperimentConfig
from nextbar.data.bars import fingerprint
from nextbar.data.dataset import build_dataset, read_series
from nextbar.train.run import Run

BARS = bars_table(60)
CSV = BARS.to_csv(index=False)
PARQUET = BARS.to_parquet(index=False)
LONGEST = 12
"""lines of a message: a heading, ten problems and how many more there are"""

GRID = ["model_config.output_mode=discrete_grid", "dataset_config.output_mode=discrete_grid"]
EDGES = "dataset_config.discrete_grid_levels=[-.inf, 0, .inf]"
NUMBERS = BARS[["date", "close"]].assign(close=BARS.close - BARS.close.mean())
"""some series of numbers that is not always above zero"""


def save(folder: Path, content: pd.DataFrame | str | bytes = BARS, extension: str = "csv", name: str = "abc") -> Path:
    bars = folder / "bars"
    bars.mkdir(exist_ok=True)
    return write(bars, content, extension, name)


def experiment(folder: Path) -> Path:
    path = folder / "experiment.yaml"
    config = make_config(datapath=str(folder / "bars"), log_dir=str(folder / "runs"), tickers="abc", num_epochs=1)
    config.save(path)
    return path


def command(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", str(folder / "experiment.yaml"), *arguments])


def on_disk(folder: Path) -> dict[str, bytes | None]:
    """Every folder and file with its content; a lock is empty and may stay."""
    paths = [path for path in folder.rglob("*") if path.suffix != ".lock"]
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


def refusal(folder: Path, *arguments: str) -> str:
    """The one message of a command that does nothing else."""
    before = on_disk(folder)
    result = command(folder, *arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.stdout == "" and "Traceback" not in result.stderr and "Warning" not in result.stderr
    assert on_disk(folder) == before
    lines = result.stderr.splitlines()
    assert 0 < len(lines) <= LONGEST and len(set(lines)) == len(lines)
    return result.stderr


def require(message: str, *words: str) -> None:
    assert [word for word in words if word not in message] == [], message


def spoil(column: str, value: object, row: int = 3) -> pd.DataFrame:
    table = BARS.astype({column: object})
    table.loc[row, column] = value
    return table


FILES: dict[str, tuple[pd.DataFrame | str | bytes, str, list[str]]] = {
    "empty file": (b"", "csv", ["the file is empty"]),
    **{
        f"no {name}": (BARS.drop(columns=name), "csv", [f"no column '{name}'", "the columns are", "volume"])
        for name in ("date", "open", "high", "low", "close")
    },
    "text in a price": (spoil("open", "n/a"), "csv", ["line 5: open 'n/a' is not a finite number"]),
    "zero": (spoil("low", 0.0), "csv", ["line 5: low 0.0 is not above 0"]),
    "negative": (spoil("low", -2.5), "csv", ["line 5: low -2.5 is not above 0"]),
    "NaN": (spoil("close", np.nan), "csv", ["line 5: close is empty or NaN"]),
    "NaN in JSON": (spoil("close", np.nan), "json", ["record 4: close is empty or NaN"]),
    "infinity": (spoil("high", np.inf), "csv", ["line 5: high inf is not a finite number"]),
    "infinity in JSON": (spoil("high", np.inf), "json", ["record 4: high inf is not a finite number"]),
    "too large for the device": (spoil("high", 1e300), "csv", ["line 5: high 1e+300 is beyond 1e+30", "another unit"]),
    "too small for the device": (spoil("low", 1e-300), "csv", ["line 5: low 1e-300 is below 1e-30", "another unit"]),
    "volume too large": (spoil("volume", 1e300), "csv", ["line 5: volume 1e+300 is beyond 1e+30"]),
    "negative volume": (spoil("volume", -1.0), "csv", ["line 5: volume -1.0 is negative"]),
    "high below low": (spoil("high", 1.0), "csv", ["line 5: high 1.0 is below", "low"]),
    "duplicate dates": (spoil("date", BARS.date[2]), "csv", [f"line 5: date '{BARS.date[2]}'", "already in line 4"]),
    "zone missing": (spoil("date", BARS.date[3][:-1]), "csv", ["line 5", "no time zone and other rows have one"]),
    "year 9999": (spoil("date", "9999-12-31T00:00:00Z"), "csv", ["line 5", "9999-12-31", "1900 to 2199"]),
    "American dates": (spoil("date", "09/13/2020"), "csv", ["'09/13/2020' is not a date", "2024-01-31T13:00:00Z"]),
    "semicolons": (BARS.to_csv(index=False, sep=";"), "csv", ["a semicolon", "save the file with commas"]),
    "decimal commas": (BARS.to_csv(index=False, sep=";", decimal=","), "csv", ["a semicolon", "with commas"]),
    "quoted decimal commas": (BARS.to_csv(index=False, decimal=","), "csv", ["line 2: open '100,0'", "and 290 more"]),
    "fields without a name": (CSV.replace(",volume\n", "\n"), "csv", ["more fields in the lines than names"]),
    "truncated gzip": (gzip.compress(CSV.encode())[:-50], "csv.gz", ["gzip file is cut off", "fetch it again"]),
    "truncated Parquet": (PARQUET[:-50], "parquet", ["not a sound Parquet file, or cut off"]),
    "Parquet of another table": (pd.DataFrame({"a": [1.0], "b": ["x"]}), "parquet", ["'close'", "columns are a, b"]),
    "lists in Parquet": (BARS.assign(open=[[1.0]] * 60), "parquet", ["record 1: open [1.] is not a finite number"]),
    "binary garbage": (bytes(range(255, 0, -1)), "csv", ["not UTF-8 text", "save the file as UTF-8"]),
    "never written": (b"\0" * 500, "csv", ["not UTF-8 text", r"b'\x00'"]),
    "UTF-16": (CSV.encode("utf-16"), "csv", ["not UTF-8 text", "save the file as UTF-8"]),
    "UTF-16 without a mark": (CSV.encode("utf-16-le"), "csv", ["not UTF-8 text", "save the file as UTF-8"]),
    "a web page": ("<html>\n<p>404, not found</p>\n</html>\n", "csv", ["<html>", "separated by commas"]),
    "text": ("hello world\nthis is no table\n", "csv", ["no column 'date'", "the columns are hello world"]),
    "only a header": (CSV.splitlines()[0] + "\n", "csv", ["no rows", "at least one bar is needed"]),
    "object in JSON": (json.dumps(BARS.to_dict("list")), "json", ["found one object", "array of objects"]),
    "another resolution": (BARS.iloc[::4], "csv", ["mostly 4h apart", "resolution is 1h"]),
}
TOO_FEW: dict[str, tuple[pd.DataFrame, list[str]]] = {
    "fewer bars than a window": (BARS.head(6), ["one window, which is 7", "abc_1h has 6", "shorter seq_len"]),
    "one bar": (BARS.head(1), ["one window, which is 7", "abc_1h has 1"]),
    "a span without windows": (BARS.head(8), ["no training windows", "8 bars, 4 in", "use more bars"]),
    "volume with gaps": (
        BARS.assign(volume=BARS.volume.where(np.arange(60) % 3 > 0)),
        ["no training windows", "volume is empty in 20 of 60 bars of abc_1h"],
    ),
}


@pytest.mark.parametrize("mistake", FILES)
def test_a_bad_file(tmp_path: Path, mistake: str):
    content, extension, words = FILES[mistake]
    experiment(tmp_path)
    path = save(tmp_path, content, extension)
    require(refusal(tmp_path), str(path), *words)


@pytest.mark.parametrize("kind", TOO_FEW)
def test_too_few_bars(tmp_path: Path, kind: str):
    content, words = TOO_FEW[kind]
    experiment(tmp_path)
    save(tmp_path, content)
    require(refusal(tmp_path), *words)


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
        (["dataset_config.initial_date=2030-01-01"], ["no bars within initial_date 2030-01-01", "from 2020-09-13"]),
    ],
    ids=lambda part: part[0] if part and "=" in part[0] else "",
)
def test_a_bad_setting(tmp_path: Path, arguments: list[str], words: list[str]):
    experiment(tmp_path)
    save(tmp_path)
    require(refusal(tmp_path, *arguments), *words)


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        (["dataset_config.target=log_return"], "as target log_return needs"),
        ([*GRID, EDGES], "as output_mode discrete_grid needs"),
    ],
)
def test_numbers_below_zero_have_no_returns(tmp_path: Path, arguments: list[str], needs: str):
    experiment(tmp_path)
    path = save(tmp_path, NUMBERS)
    first = NUMBERS.close[NUMBERS.close < 0]
    message = refusal(tmp_path, "dataset_config.features=close", *arguments)
    require(message, str(path), f"line {first.index[0] + 2}: close {first.iloc[0]} is not above 0, {needs}")


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


def begin(folder: Path) -> Run:
    """A run that was interrupted in its first epoch."""
    config = ExperimentConfig.load(experiment(folder))
    save(folder)
    bars = read_series(config)
    run = Run(config, fingerprint(bars))
    with run.claimed(overwrite=False):
        run.begin(build_dataset(config, bars).preparation, {})
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


READABLE: dict[str, pd.DataFrame | str | bytes] = {
    "carriage returns": CSV.replace("\n", "\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + CSV.encode(),
    "no newline at the end": CSV.rstrip("\n"),
    "a comma too many": CSV.replace("\n", ",\n"),
    "a bar without volume": spoil("volume", np.nan),
}


@pytest.mark.parametrize("kind", READABLE)
def test_what_is_not_wrong_trains(tmp_path: Path, kind: str):
    experiment(tmp_path)
    path = save(tmp_path, READABLE[kind])
    path.chmod(0o444)  # nobody writes to the bars
    result = command(tmp_path)
    assert result.exit_code == 0, result.stderr
    summary = json.loads((Path(result.stdout.strip()) / "summary.json").read_text())
    assert summary["status"] == "finished"
    # of 60 bars 54 have six before them and one after; the fourth bar is in the contexts of the first four windows
    assert sum(summary["data"]["windows"].values()) == (50 if kind == "a bar without volume" else 54)


def test_the_program_itself_says_it_in_one_line(tmp_path: Path):
    experiment(tmp_path)
    path = save(tmp_path, b"")
    called = [sys.executable, "-m", "nextbar", "train", str(tmp_path / "experiment.yaml")]
    done = subprocess.run(called, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{path}: the file is empty\n")
