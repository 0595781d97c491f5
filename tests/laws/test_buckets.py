"""Runs in object storage: like runs on a disk, whatever was killed, on whatever machine they go on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from buckets import ADDRESS, Content, content, failing, lay_out, on_machine, steps
from trainings import BARS, assert_same_run, interrupt, make_config, parameters, train
from typer.testing import CliRunner

from nextbar.backtesting import Backtest, backtest
from nextbar.bars.folder import list_series
from nextbar.cli.app import app
from nextbar.errors import ConfigError, RunBusy, RunError, TrainingInterrupted, Unreachable
from nextbar.exporting.exporter import export_run
from nextbar.forecasts.writing import check_target
from nextbar.inference.evaluator import evaluate
from nextbar.inference.forecaster import Forecaster
from nextbar.report import write_report
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.copies import local_folder, local_run
from nextbar.runs.folder import RunFolder
from nextbar.runs.listing import best_run, list_runs
from nextbar.runs.metrics_csv import read_metrics
from nextbar.searching import Study, search
from nextbar.storage.address import named
from nextbar.storage.lease import Lease
from nextbar.train import loop
from nextbar.train.refit import refit
from nextbar.train.result import Result
from nextbar.train.trainer import Trainer
from nextbar.updating.updater import update
from nextbar.updating.watching import watch
from nextbar.verification import verify

EPOCHS = 4
SOME = 12
"""steps from one that is looked at to the next; in `make slow` training goes on from every seventh"""
FIELDS: dict[str, Any] = {"num_epochs": EPOCHS, "early_stopper": 0}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return train(tmp_path_factory.mktemp("undisturbed"), **FIELDS)


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[Content]:
    """What lies in storage after each object that a training writes or removes; the last is its end."""
    with pytest.MonkeyPatch.context() as patch:
        on_machine(patch, tmp_path_factory.mktemp("machine"))
        lay_out({})
        with steps() as seen:
            train_there()
    lay_out({})
    return seen


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    on_machine(monkeypatch, tmp_path / "machine")
    monkeypatch.setattr("nextbar.storage.lease.LASTS", 0.05)  # the processes of killed trainings are dead
    lay_out({})
    yield
    lay_out({})


def train_there(fields: dict[str, Any] = FIELDS, **options: Any) -> Result:
    return Trainer(make_config(ADDRESS, **fields), BARS, show=False).train_and_evaluate(**options)


def stored(result: Result) -> Path:
    """A copy of all that lies in storage of a run."""
    return local_folder(result.place)


def leases() -> list[str]:
    return [path for path in content() if ".lease/" in path]


def test_a_run_in_a_bucket_is_the_run_on_a_disk(states: Sequence[Content], undisturbed: Result) -> None:
    lay_out(states[-1])
    (info,) = list_runs(ADDRESS)
    assert (info.status, info.epochs) == ("finished", EPOCHS) and not leases()
    copy = local_folder(f"{ADDRESS}/test/{info.path.name}")
    assert_same_run(copy, undisturbed.run_dir)
    files = {path.relative_to(undisturbed.run_dir) for path in undisturbed.run_dir.rglob("*") if path.is_file()}
    for name in files:
        if "checkpoints" not in name.parts and not name.name.startswith(("events", "config", "summary")):
            assert (copy / name).read_bytes() == (undisturbed.run_dir / name).read_bytes(), name
    assert f"log_dir: {ADDRESS}" in (copy / "config.yaml").read_text()
    assert info.bytes == sum(file.size for file in content().values())
    (verified,) = verify(ADDRESS)
    assert verified.faults == ()


def test_after_every_step_there_is_a_run_to_go_on_with(states: Sequence[Content], tmp_path: Path) -> None:
    """Its last epoch is whole, and so are the best one that it names and the rows up to it; it never falls back."""
    assert len(states) > 50
    epochs = []
    for number, state in enumerate(states[::-SOME][::-1]):
        if not any(path.endswith("summary.json") for path in state):
            continue
        lay_out(state)
        with pytest.MonkeyPatch.context() as patch:
            on_machine(patch, tmp_path / str(number))
            copy = local_run(only_run(), epoch=0)
            checkpoints = Checkpoints(copy / "checkpoints")
            try:
                last = checkpoints.last_epoch()
                if last:
                    checkpoints.restore_raw(last)
            finally:
                checkpoints.close()
            assert len(read_metrics(copy)) >= last
            epochs.append(last)
        shutil.rmtree(tmp_path / str(number))
    assert epochs == sorted(epochs) and set(epochs) == set(range(1, EPOCHS + 1))


def only_run() -> str:
    (info,) = list_runs(ADDRESS)
    return named(info.path)


def resumed_from(state: Content, machine: Path, patch: pytest.MonkeyPatch) -> Result:
    lay_out(state)
    on_machine(patch, machine)
    return train_there()


@pytest.mark.parametrize("share", [0.2, 0.45, 0.62, 0.8, 0.97])
def test_a_process_killed_between_two_steps_is_gone_on_from_elsewhere(
    share: float, states: Sequence[Content], undisturbed: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = resumed_from(states[int(share * len(states))], tmp_path, monkeypatch)
    assert result.metrics == undisturbed.metrics
    for folder in (result.run_dir, stored(result)):
        assert_same_run(folder, undisturbed.run_dir)
    assert verify(ADDRESS)[0].faults == () and not leases()


@pytest.mark.slow
def test_a_process_killed_after_any_of_many_steps_is_gone_on_from_elsewhere(
    states: Sequence[Content], undisturbed: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, state in enumerate(states[::7]):
        result = resumed_from(state, tmp_path / str(number), monkeypatch)
        assert result.metrics == undisturbed.metrics, number
        assert_same_run(stored(result), undisturbed.run_dir)
        shutil.rmtree(tmp_path / str(number))


@pytest.mark.slow
def test_a_process_killed_between_two_fits_or_in_the_second_is_gone_on_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an epoch of the second has arrived, and not yet the summary that says that the first has ended."""
    fields = {"num_epochs": 2, "final_fit": True}
    with steps() as seen:
        wanted = train_there(fields)
    reference, final = stored(wanted), wanted.run_dir.name + "/final/"
    ended = [state for state in seen if not any(final in path for path in state)][-1]
    begun = next(state for state in seen if any(f"{final}checkpoints/last/1/checksums" in path for path in state))
    for number, state in enumerate((ended, begun, seen[-2])):
        lay_out(state)
        on_machine(monkeypatch, tmp_path / str(number))
        result = train_there(fields)
        assert result.metrics == wanted.metrics and verify(ADDRESS)[0].faults == () and not leases()
        assert_same_run(stored(result), reference)
        for a, b in zip(parameters(stored(result) / "final"), parameters(reference / "final"), strict=True):
            np.testing.assert_array_equal(a, b)


def test_ctrl_c_leaves_all_whole_epochs_there(
    undisturbed: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt(patch, EPOCHS)
        with pytest.raises(TrainingInterrupted, match=rf"state saved in {ADDRESS}/test/"):
            train_there()
    (info,) = list_runs(ADDRESS)
    assert info.status == "interrupted" and not leases()
    on_machine(monkeypatch, tmp_path / "other")
    assert_same_run(stored(train_there()), undisturbed.run_dir)


def test_ctrl_c_while_storage_does_not_answer_names_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, EPOCHS)
    with (
        failing(lambda path: "checkpoints" in path),
        pytest.raises(TrainingInterrupted, match=rf"state saved in {tmp_path}/machine/work/memory/bucket/runs/test/"),
    ):
        train_there()


def test_an_address_that_cannot_be_used_is_told_before_the_bars_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any) -> None:
        raise AssertionError("reads the bars")

    monkeypatch.setattr(Trainer, "read", read)
    with failing(), pytest.raises(Unreachable, match=rf"^cannot reach {ADDRESS}: "):
        train_there()
    with pytest.raises(RunError, match=r"^found 'nothing://bucket/runs', should be"):
        Trainer(make_config("nothing://bucket/runs"), BARS, show=False).train_and_evaluate()
    (tmp_path / "file").touch()
    on_machine(monkeypatch, tmp_path / "file" / "below")
    with pytest.raises(RunError, match=r"^cannot write to .*; name another folder in NEXTBAR_SCRATCH$"):
        train_there()


def test_epochs_that_could_not_be_sent_are_kept_and_sent_by_the_same_command(
    undisturbed: Result, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        failing(lambda path: "checkpoints" in path and "/2/" in path),
        pytest.raises(Unreachable, match=r"Connection refused.*The run is kept in .*; the same command sends it$"),
    ):
        train_there()
    assert caplog.text.count("which is sent later") == 1, "told once"
    with failing(), pytest.raises(Unreachable, match="cannot reach"):
        train_there()
    caplog.set_level("INFO", "nextbar")
    result = train_there()
    assert "reported, not trained anew" in caplog.text
    assert_same_run(stored(result), undisturbed.run_dir)
    assert verify(ADDRESS)[0].faults == ()


def test_what_was_sent_counts_no_more_once_it_has_been_removed_there(undisturbed: Result) -> None:
    """A working folder is no second truth."""
    train_there()
    lay_out({})
    with steps() as seen:
        train_there()
    assert len(seen) > 50, "trained anew"
    assert_same_run(stored(train_there()), undisturbed.run_dir)


def test_overwriting_begins_anew_also_where_another_machine_trained(
    states: Sequence[Content], undisturbed: Result
) -> None:
    lay_out(states[-1])
    with steps() as seen:
        result = train_there(overwrite=True)
    assert any(not any("checksums.json" in path for path in state) for state in seen)
    assert_same_run(stored(result), undisturbed.run_dir)


def test_a_second_process_is_refused_and_one_that_was_overtaken_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = f"{ADDRESS}/test/{train_there().run_dir.name}"
    monkeypatch.setattr("nextbar.storage.lease.LASTS", 5.0)
    monkeypatch.setattr("nextbar.storage.lease.LOOK", 0.05)
    monkeypatch.setattr("nextbar.storage.lease.BEAT", 0.05)
    other = Lease(run, tmp_path / "note")
    other.acquire()
    with other.kept():
        assert [info.status for info in list_runs(ADDRESS)] == ["finished"]
        with pytest.raises(RunBusy, match=rf"^{run} is being trained by another process"):
            train_there()
    monkeypatch.setattr("nextbar.storage.lease.LASTS", 0.0)
    usual = Checkpoints.save

    def save(checkpoints: Checkpoints, epoch: int, *rest: Any) -> None:
        if epoch == 2:
            Lease(run, tmp_path / "another").acquire()
        usual(checkpoints, epoch, *rest)

    monkeypatch.setattr(Checkpoints, "save", save)
    with pytest.raises(RunBusy, match=rf"^{run} has been taken over by another process"):
        train_there(overwrite=True)


def test_seeds_of_a_process_that_died_elsewhere_are_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [RunFolder(make_config(ADDRESS, seed=seed), "0" * 10) for seed in range(3)]
    for run in runs:
        Lease(run.place, tmp_path / "note").acquire()
    slept: list[float] = []
    monkeypatch.setattr("nextbar.storage.lease.time", SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append))
    with loop._claimed(runs, SimpleNamespace(used=()), overwrite=False):  # type: ignore[arg-type]
        assert sum(slept) == pytest.approx(0.05) and all(run.path.is_dir() for run in runs)


def test_forecasts_scores_and_refits_of_a_run_there_are_those_on_a_disk(
    states: Sequence[Content], undisturbed: Result, tmp_path: Path
) -> None:
    lay_out(states[-1])
    here, there = undisturbed.run_dir, f"{ADDRESS}/test"
    best, wanted = (Forecaster.load(place) for place in (there, here))
    assert best.predict(BARS).equals(wanted.predict(BARS))
    copy = best_run(there)
    assert len(list((copy / "checkpoints").rglob("checksums.json"))) == 1, "only what is needed"
    assert evaluate(there, BARS).metrics == evaluate(here, BARS).metrics
    last = Forecaster.load(there, epoch=EPOCHS)
    assert last.predict(BARS).equals(Forecaster.load(here, epoch=EPOCHS).predict(BARS))
    assert "<html" in write_report(there, tmp_path / "page.html", bars=BARS).read_text()
    again = refit(f"{there}/{here.name}", BARS, show=False)
    assert again.place.startswith(f"{there}/") and len(list_runs(ADDRESS)) == 2
    for a, b in zip(parameters(stored(again)), parameters(refit(here, BARS, show=False).run_dir), strict=True):
        np.testing.assert_array_equal(a, b)


def test_commands_take_addresses(states: Sequence[Content]) -> None:
    lay_out(states[-1])
    name = only_run().rpartition("/")[2]
    listed, whole, absent = (
        CliRunner().invoke(app, words)
        for words in (["runs", ADDRESS], ["verify", f"{ADDRESS}/test"], ["predict", f"{ADDRESS}/none"])
    )
    (row,) = (line for line in listed.stdout.splitlines() if name in line)
    assert row.split()[:3] == ["test", name, "finished"]
    assert whole.stdout.strip() == "1 run whole"
    assert (absent.exit_code, absent.stderr.strip()) == (1, f"there is nothing under {ADDRESS}/none")


def test_a_run_that_is_not_there_is_told_by_its_address(states: Sequence[Content]) -> None:
    with pytest.raises(RunError, match=rf"^there is nothing under {ADDRESS}/test$"):
        Forecaster.load(f"{ADDRESS}/test")
    lay_out(states[-1])
    with pytest.raises(RunError, match=rf"^no run 'zzz' in {ADDRESS}/test; there are {only_run().rpartition('/')[2]}$"):
        Forecaster.load(f"{ADDRESS}/test", run="zzz")
    lay_out({path: file for path, file in states[-1].items() if "checkpoints" not in path})
    with pytest.raises(RunError, match=rf"^{only_run()} has no checkpoint"):
        Forecaster.load(f"{ADDRESS}/test")


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (
            lambda: search({"base": make_config(ADDRESS).to_dict(), "search": {"seed": [1, 2]}}, bars=BARS),
            "a search",
        ),
        (lambda: backtest(make_config(ADDRESS), BARS), "a backtest"),
        (lambda: update(f"{ADDRESS}/test", BARS), "a forecast log"),
        (lambda: watch(f"{ADDRESS}/test"), "a forecast log"),
        (lambda: write_report(f"{ADDRESS}/test"), "a report is written beside"),
        (lambda: write_report("runs", f"{ADDRESS}/page.html"), "a report is written to a disk"),
        (lambda: export_run("runs", f"{ADDRESS}/export"), "an export is written to a disk"),
        (lambda: check_target(Path(f"{ADDRESS}/table.csv")), "tables are written to a disk"),
        (lambda: list_series(f"{ADDRESS}/bars"), "bars are read from a disk"),
        (lambda: Study.load(f"{ADDRESS}/test"), "a study"),
        (lambda: Backtest.load(f"{ADDRESS}/test/backtest-1"), "a backtest"),
    ],
)
def test_what_needs_a_disk_says_so(act: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigError, match=rf"{words}.*found {ADDRESS}.*, should be a folder on a disk; "):
        act()
    assert content() == {}
