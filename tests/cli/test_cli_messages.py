"""What commands say that were given the wrong thing, and what they do where nobody listens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bar_files import WRITERS, bars_table
from refusals import command, experiment, save
from typer.testing import CliRunner, Result

from nextbar.cli.app import app
from nextbar.errors import LONGEST, MOST, listed, short

LIMIT = 2_000
"""characters of a message at most"""


def call(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(map(str, arguments)))


def refused(*arguments: str | Path) -> str:
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert len(result.stderr) < LIMIT and "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("name", ["long_1h.csv", "long_1h.json", "long_1h.parquet"])
def test_a_file_where_something_else_is_meant_is_not_printed(name: str, tmp_path: Path) -> None:
    """Whichever command gets it: as a configuration, a run, a study, a folder of bars or of logs."""
    bars = tmp_path / name
    table = bars_table(3_000)
    WRITERS[bars.suffix[1:]](table, bars)
    save(tmp_path)
    config = experiment(tmp_path)
    for arguments in (
        ["train", bars], ["search", bars], ["search", "--show", bars], ["backtest", bars], ["report", bars],
        ["evaluate", bars], ["predict", bars, "--data", tmp_path], ["refit", bars], ["runs", bars],
        ["train", config, f"dataset_config.datapath={bars}"], ["train", config, f"log_dir={bars}"],
    ):  # fmt: skip
        message = refused(*arguments)
        assert name in message and "T01:00" not in message[LONGEST + len(str(bars)) :]
    assert "is a file, should be the folder that holds <resolution>/<ticker>" in refused(
        "train", config, f"dataset_config.datapath={bars}"
    )


def test_long_values_and_many_names_are_cut() -> None:
    assert short("abc") == "'abc'" and len(short("x" * 10_000)) < LONGEST + 30
    assert short("x" * 10_000).endswith("... (10,002 characters)")
    assert listed("abc") == "a, b, c" and listed(range(1_000)).endswith("19 and 980 more")
    assert listed(range(MOST)).endswith(", 19")


def test_of_many_tickers_a_message_lists_some(tmp_path: Path) -> None:
    for i in range(60):
        save(tmp_path, bars_table(3), name=f"ticker_{i:02}")
    message = refused("train", experiment(tmp_path))
    assert "no ticker 'abc' at 1h" in message and "ticker_19 and 40 more" in message


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        (["train", "x.yaml", "--num_epochs", "3"], "num_epochs=3"),
        (["train", "x.yaml", "--num-epochs=3"], "num_epochs=3"),
        (["train", "--num_epoch", "3", "x.yaml"], "num_epochs=3"),
        (["train", "x.yaml", "--seq_len", "12"], "dataset_config.seq_len=12"),
        (["train", "x.yaml", "--model_config.d_model=64"], "model_config.d_model=64"),
        (["train", "x.yaml", "--learning_rate"], "learning_rate=…"),
        (["search", "x.yaml", "--n_trials", "3"], "n_trials=3"),
        (["search", "x.yaml", "--num_epochs", "3"], "num_epochs=3"),
        (["backtest", "x.yaml", "--folds=3"], "folds=3"),
    ],
)
def test_a_field_written_as_an_option_is_told_how(arguments: list[str], setting: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2  # 1 by the program itself, as for all misuse
    assert f"No such option: {arguments[1 if arguments[1][0] == '-' else 2].partition('=')[0]}" in result.stderr
    assert f"fields are given without dashes: {setting}" in result.stderr


@pytest.mark.parametrize("arguments", [["train", "x.yaml", "--zzz", "3"], ["predict", "x", "--num_epochs", "3"]])
def test_other_options_that_do_not_exist_are_no_fields(arguments: list[str]) -> None:
    assert "without dashes" not in call(*arguments).stderr


def test_a_context_longer_than_the_bars_before_a_span_is_told(tmp_path: Path) -> None:
    save(tmp_path)
    config = experiment(tmp_path)
    message = refused("train", config, "dataset_config.seq_len=45", "model_config.max_seq_len=45", "test_split=0.2")
    assert "no training windows" in message and "bars of context" not in message
    message = refused("train", config, "dataset_config.seq_len=58", "model_config.max_seq_len=58", "test_split=0.05")
    assert "1 needed; and seq_len 58 bars of context before them, but there are 56: use a shorter seq_len" in message


def test_a_training_goes_on_where_nobody_reads_what_it_says(tmp_path: Path) -> None:
    """As after ``2>&1 | head``: standard error is closed after its first line."""
    save(tmp_path, bars_table(60))
    arguments = [sys.executable, "-m", "nextbar", "train", str(experiment(tmp_path))]
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=usual) as process:
        assert process.stderr is not None and process.stdout is not None
        assert "run " in process.stderr.readline()
        process.stderr.close()
        run = Path(process.stdout.read().strip())
    assert process.returncode == 0 and run.is_dir()
    assert json.loads((run / "summary.json").read_text())["status"] == "finished"


def test_a_path_that_cannot_be_written_is_told_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    from nextbar.files import write_whole

    for path in (tmp_path / "file" / "x.csv", tmp_path / "none" / "x.csv", tmp_path / "folder"):
        with pytest.raises(OSError) as error:
            write_whole(path, "content")
        assert error.value.filename == str(path) and str(path) in str(error.value)
        assert not list(tmp_path.glob(".*")) and f".{path.name}." not in str(error.value)
        assert isinstance(error.value, NotADirectoryError | FileNotFoundError | IsADirectoryError)


def test_a_file_of_bars_is_checked_by_itself(tmp_path: Path) -> None:
    path = save(tmp_path, bars_table(30).assign(mood=[float(i) if i % 10 else None for i in range(30)]))
    save(tmp_path, "date,close\nx,y\n", name="bad")
    result = call("data", "check", path)
    assert result.exit_code == 0 and "bad" not in result.stdout
    assert result.stdout.splitlines()[2].split()[:3] == ["abc", "1h", "30"]
    assert "mood is empty in 3 of 30 rows; as an indicator it has what empty_values says there" in result.stdout
    other = tmp_path / "abc.csv"
    os.rename(path, other)
    nameless = call("data", "check", other)
    assert nameless.exit_code == 0 and nameless.stdout.splitlines()[2].split()[:3] == ["abc", "1h", "30"]
    assert "assumed: resolution 1h by the distances of the dates" in nameless.stdout
    (tmp_path / "notes.txt").write_text("x")
    assert "notes.txt" in refused("data", "check", tmp_path / "notes.txt")


def test_a_command_says_nothing_of_windows_that_are_not_lost(tmp_path: Path) -> None:
    save(tmp_path)
    experiment(tmp_path)
    assert "left out" not in command(tmp_path, "--quiet").stderr
