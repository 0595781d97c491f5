"""What names a run becomes a local folder: with what is needed, the best checkpoint alone, never half of anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from buckets import ADDRESS, failing, lay_out, on_machine
from made_runs import make_run
from typer.testing import CliRunner

from nextbar.checksums import read_json, write_json
from nextbar.cli.app import app
from nextbar.errors import ConfigError, NextbarError, RunError, Unreachable
from nextbar.inference.evaluator import evaluate
from nextbar.inference.forecaster import Forecaster
from nextbar.report import write_report
from nextbar.runs.choice import chosen_run
from nextbar.runs.copies import local_cards, local_folder, local_run, runs_beginning
from nextbar.runs.listing import best_run, list_runs, runs_below
from nextbar.runs.mirror import mirrored
from nextbar.storage.address import named
from nextbar.storage.bucket import Bucket
from nextbar.train.refit import refit
from nextbar.verification import verify


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs, the second of which is best."""
    return make_run(tmp_path_factory.mktemp("made"), losses=(0.3, 0.1, 0.2)).run_dir


@pytest.fixture(autouse=True)
def stored(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its address."""
    on_machine(monkeypatch, tmp_path)
    lay_out({})
    address = f"{ADDRESS}/test/{made.name}"
    Bucket(address).send(made, [path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()])
    yield address
    lay_out({})


def checkpoints(folder: Path) -> set[str]:
    return {path.parent.relative_to(folder / "checkpoints").as_posix() for path in folder.rglob("checksums.json")}


def test_a_folder_on_a_disk_is_itself(made: Path) -> None:
    assert local_run(made) == local_folder(str(made)) == made
    assert local_cards(made) == (made, None)


def test_a_run_is_copied_with_its_best_checkpoint_or_with_all(stored: str) -> None:
    copy = local_run(stored)
    assert named(copy) == stored and checkpoints(copy) == {"best/2"}
    assert checkpoints(local_run(stored, epoch=3)) == {"best/1", "best/2", "best/3", "last/2", "last/3"}
    with failing(lambda path: path.endswith(("config.yaml", "checksums.json"))):
        assert local_run(stored) == copy, "fetched once"


def test_where_the_best_checkpoint_is_damaged_the_others_are_copied_too(
    stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = Bucket(stored)
    for kind in ("best", "last"):
        bucket.write(f"checkpoints/{kind}/2/notes/metadata", b"flipped")
    forecaster = Forecaster.load(stored)
    assert forecaster.epoch != 2 and f"{stored}/checkpoints/best/2 is damaged" in caplog.text


def test_what_a_list_names_stands_for_the_run_itself(stored: str) -> None:
    """Its copy holds the records alone."""
    (info,) = list_runs(ADDRESS)
    assert Forecaster.load(info.path).epoch == 2 and best_run(info.path) == local_run(stored)
    assert chosen_run(info.path.parent, info.path.name) == local_run(stored) == local_run(str(info.path))
    assert local_folder(info.path) == local_folder(stored) and verify(info.path)[0].faults == ()
    assert [again.path for again in list_runs(info.path)] == [local_cards(stored).folder]
    with pytest.raises(ConfigError, match=rf"found {stored}, should be a folder on a disk"):
        write_report(info.path)


def test_a_checkpoint_that_has_not_arrived_whole_is_no_damage(stored: str) -> None:
    bucket = Bucket(stored)
    bucket.remove(["checkpoints/last/3/checksums.json"])
    for place in (ADDRESS, stored):
        (verified,) = verify(place)
        assert verified.faults == () and not list(verified.path.glob("checkpoints/last/3"))
    bucket.remove(["checkpoints/best/2/notes/metadata"])
    assert verify(ADDRESS)[0].faults != (), "one that had"


@pytest.mark.parametrize("use", [Forecaster.load, evaluate, refit, write_report], ids=lambda use: use.__name__)
def test_what_is_wrong_with_a_run_is_told_by_its_address(use: Callable[..., Any], stored: str, tmp_path: Path) -> None:
    """No message names the copy, of which whoever reads it knows nothing; also where the copy itself is handed over."""
    options = {"out": tmp_path / "page.html"} if use is write_report else {}
    Bucket(stored).write("config.yaml", b"flipped")
    for path in (stored, list_runs(ADDRESS)[0].path):
        with pytest.raises(NextbarError, match=f"^{stored}/config.yaml") as refusal:
            use(path, **options)
        assert str(tmp_path) not in str(refusal.value)


def test_a_list_of_runs_and_one_of_faults_name_addresses(stored: str, tmp_path: Path) -> None:
    Bucket(stored).write("config.yaml", b"flipped")
    (verified,), (info,) = verify(ADDRESS), list_runs(ADDRESS)
    shown = [CliRunner().invoke(app, [command, ADDRESS]).stdout for command in ("verify", "runs")]
    for text in (verified.faults[0].text, info.problem, *shown):
        assert f"{stored}/config.yaml" in text and str(tmp_path) not in text


@pytest.mark.parametrize("summary", [b"no JSON", b'{"best_epoch": [2]}', b'{"best_epoch": 9}'])
def test_a_summary_that_names_no_checkpoint_has_all_of_them_copied(stored: str, summary: bytes) -> None:
    Bucket(stored).write("summary.json", summary)
    assert len(checkpoints(local_run(stored))) == 5


def test_a_list_needs_no_checkpoint_and_tells_the_whole_size(stored: str, made: Path) -> None:
    (info,) = list_runs(ADDRESS)
    assert named(info.path) == stored and checkpoints(info.path) == set()
    assert info.bytes == sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    assert [found.name for found in runs_beginning(f"{ADDRESS}/test", made.name[:6])] == [made.name]
    assert runs_beginning(f"{ADDRESS}/test", "x") == []


def test_a_run_that_is_being_trained_is_running_and_not_interrupted(stored: str, tmp_path: Path) -> None:
    bucket = Bucket(stored)
    summary = bucket.read("summary.json")
    assert summary is not None
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "summary.json").write_bytes(summary)
    write_json(tmp_path / "s" / "summary.json", read_json(tmp_path / "s" / "summary.json") | {"status": "running"})
    bucket.send(tmp_path / "s", ["summary.json"])
    assert [info.status for info in list_runs(ADDRESS)] == ["interrupted"]
    folder = tmp_path / "work" / "memory" / Path(*stored.partition("://")[2].split("/"))
    folder.parent.mkdir(parents=True)
    with mirrored(folder, stored, overwrite=False):
        for place in (ADDRESS, stored):
            assert [info.status for info in list_runs(place)] == ["running"]
    assert [info.status for info in list_runs(ADDRESS)] == ["interrupted"]


def test_what_changes_while_it_is_copied_is_copied_anew(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, calls = Bucket.fetch, 0

    def fetch(bucket: Bucket, folder: Path, names: list[str]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            bucket.write("metrics.csv", b"more rows")
            raise Unreachable("gone meanwhile")
        usual(bucket, folder, names)

    monkeypatch.setattr(Bucket, "fetch", fetch)
    assert (local_run(stored) / "metrics.csv").read_bytes() == b"more rows"


def test_nothing_there_is_told_and_is_no_run_below() -> None:
    with pytest.raises(RunError, match=rf"^there is nothing under {ADDRESS}/none$"):
        local_run(f"{ADDRESS}/none")
    assert runs_below(f"{ADDRESS}/none") == [] and len(runs_below(ADDRESS)) == 1
    with failing(), pytest.raises(Unreachable):
        runs_below(ADDRESS)
