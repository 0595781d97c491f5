"""``verify``: runs, backtests and studies in a folder, each looked through; and what the command says of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from builders import make_config
from made_runs import make_run
from spaces import make_space
from typer.testing import CliRunner

from nextbar import verify
from nextbar.backtesting.folder import BacktestFolder
from nextbar.cli.app import app
from nextbar.errors import RunError
from nextbar.exporting import export_run
from nextbar.runs.records import write_bars_record
from nextbar.searching.folder import StudyFolder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, one of them of a study, and a backtest with the run of a fold."""
    logs = tmp_path_factory.mktemp("logs")
    run = make_run(logs, experiment_name="plain", losses=(0.1,)).run_dir
    study = StudyFolder(logs / "study")
    study.make()
    study.describe(make_space(), "study", None)
    study.journal.write_text('{"op_code": 0}\n{"op_code": 1}\n')
    shutil.copytree(run, study.path / "run")
    backtest = BacktestFolder(logs / "tested" / "backtest-0")
    (backtest.folds / "0").mkdir(parents=True)
    shutil.copytree(run, backtest.folds / "0" / "run")
    backtest.begin(make_config(), {})
    write_bars_record(backtest.path, [])
    backtest.finish(pd.DataFrame({"close": [1.0, 2.0]}))
    return logs


@pytest.fixture
def logs(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "logs")


def test_everything_in_a_folder_is_looked_through(logs: Path) -> None:
    found = verify(logs)
    kinds = [(folder.path.relative_to(logs).parts[0], folder.kind) for folder in found]
    assert kinds == [
        ("plain", "run"), ("study", "study"), ("study", "run"), ("tested", "backtest"), ("tested", "run"),
    ]  # fmt: skip
    assert all(folder.whole and folder.faults == () for folder in found)
    (run,) = verify(found[0].path)
    assert run == found[0]


@pytest.mark.parametrize(
    "name",
    ["config.yaml", "summary.json", "bars.json", "forecasts.parquet", "../../study/study.yaml",
     "../../study/journal.log", "folds/0/run/normalisation.json"],
)  # fmt: skip
def test_a_damaged_or_missing_file_is_named(name: str, logs: Path) -> None:
    path = (logs / "tested" / "backtest-0" / name).resolve()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\n" + data[len(data) // 2 :])
    damaged = [folder for folder in verify(logs) if not folder.whole]
    assert len(damaged) == 1 and any(path.name in fault.text + str(fault.path) for fault in damaged[0].faults)
    if path.name not in ("summary.json", "study.yaml"):  # without which it is none
        path.unlink()
        (fault,) = (fault for folder in verify(logs) for fault in folder.faults)
        assert (fault.path, fault.text) == (path, "is missing")


def test_half_a_line_at_the_end_of_a_journal_does_no_harm(logs: Path) -> None:
    with (logs / "study" / "journal.log").open("a") as file:
        file.write('{"op_c')
    (fault,) = (fault for folder in verify(logs) for fault in folder.faults)
    assert "ends in half a line" in fault.text and not fault.harmful


def test_the_command_says_a_line_a_fault_and_its_exit_code(logs: Path) -> None:
    cli = CliRunner()
    good = cli.invoke(app, ["verify", str(logs)])
    assert (good.exit_code, good.output) == (0, "3 runs, 1 study, 1 backtest whole\n")
    (path,) = (logs / "plain").glob("*/normalisation.json")  # there is a lock beside the folder
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"first_time": 0}))
    bad = cli.invoke(app, ["verify", str(logs / "plain")])
    assert bad.exit_code == 1
    lines = bad.output.splitlines()
    assert lines[0].startswith(f"{path} is damaged: the checksum at its end is missing")
    assert lines[-1] == "1 of 1 run damaged"


def test_a_folder_that_holds_nothing_to_verify_is_refused(tmp_path: Path, logs: Path) -> None:
    with pytest.raises(RunError, match=r"no folder .*nowhere"):
        verify(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"empty holds no run, backtest, study or export; runs nearby:"):
        verify(tmp_path / "empty")


def test_an_export_is_looked_through(whole: Path, tmp_path: Path) -> None:
    (run,) = [found.path for found in verify(whole) if found.path.is_relative_to(whole / "plain")]
    folder = export_run(run, tmp_path / "exports" / "one")
    (found,) = verify(tmp_path)
    assert (found.path, found.kind, found.faults) == (folder, "export", ())
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("1", "2", 1))
    (folder / "golden.npz").unlink()
    (found,) = verify(folder)
    assert not found.whole
    assert {fault.text for fault in found.faults} == {
        "manifest.json was changed since it was written",
        "golden.npz is missing",
    }
    (folder / "checksums.json").unlink()
    assert [fault.text for fault in verify(folder)[0].faults] == ["checksums.json is missing"]
