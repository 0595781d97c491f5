"""A unit in a worker: under the command's terms, until the command ends."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import cluster_units as work
import pytest

from nextbar.errors import DataError, RunError
from nextbar.machine import units
from nextbar.machine.units import Unit, UnitTerms, perform


@pytest.fixture
def terms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UnitTerms:
    monkeypatch.setattr(units, "SIGHT", 0.0)
    monkeypatch.setattr(units, "LOOKS", 0.01)
    (tmp_path / "alive").touch()
    return UnitTerms.here(tmp_path / "alive")


def test_a_unit_works_in_the_commands_folder_and_says_what_was_warned_of(terms: UnitTerms, tmp_path: Path) -> None:
    before = os.getcwd()
    answer = perform(terms._replace(folder=str(tmp_path)), Unit("where", work.where, ()))
    assert answer.value == (str(tmp_path), os.getpid()) and os.getcwd() == before
    assert f"process {os.getpid()}" in answer.where and answer.warnings == ()
    answer = perform(terms, Unit("square", work.square, (3,)))
    assert answer.value == 9 and answer.warnings == ("squares are large",)


def test_errors_of_a_unit_are_its_own(terms: UnitTerms) -> None:
    with pytest.raises(DataError, match="no bars") as raised:
        perform(terms, Unit("refuse", work.refuse, ("no bars",)))
    assert raised.value.__notes__ == ["warned before: no bars are few (refuse)"]


def test_a_run_folder_that_a_dead_workers_process_still_holds_is_waited_for(
    terms: UnitTerms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nextbar.machine.interruptible.pause", lambda seconds: None)
    answer = perform(terms, Unit("busy", work.busy_once, (str(tmp_path / "held"),)))
    assert answer.value == "done" and answer.warnings == ("waiting: another process is at it",)


@pytest.mark.parametrize("name", ["nextbar", "jax", "scipy", "optuna", "python"])
def test_a_worker_with_other_versions_is_refused(terms: UnitTerms, name: str) -> None:
    other = terms._replace(versions=terms.versions | {name: "9.8.7"})
    with pytest.raises(RunError, match=rf"other versions: {name} \S+ there, 9\.8\.7 here\. Install the same"):
        perform(other, Unit("square", work.square, (3,)))


def test_the_last_part_of_pythons_version_may_differ(terms: UnitTerms) -> None:
    python = ".".join(terms.versions["python"].split(".")[:2]) + ".99"
    assert (
        perform(terms._replace(versions=terms.versions | {"python": python}), Unit("n", work.square, (2,))).value == 4
    )


@pytest.mark.parametrize("name", ["alive", "folder"])
def test_a_worker_that_does_not_see_the_commands_folders_is_refused(
    terms: UnitTerms, name: str, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    path = elsewhere / "alive" if name == "alive" else elsewhere
    with pytest.raises(RunError, match=f"does not see {elsewhere}; all workers .* file system that they share"):
        perform(terms._replace(**{name: str(path)}), Unit("square", work.square, (3,)))


def test_a_unit_whose_command_has_ended_is_not_begun(terms: UnitTerms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is in sight, so there is nothing to wait for."""
    monkeypatch.setattr(units, "SIGHT", 60.0)
    monkeypatch.setattr(units, "pause", pytest.fail)
    Path(terms.alive).unlink()
    with pytest.raises(RunError, match=r"^never on .*: stopped, since the command that wanted it has ended$"):
        perform(terms, Unit("never", pytest.fail, ("it was begun",)))


def test_waiting_for_folders_keeps_no_other_unit_waiting(
    terms: UnitTerms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "SIGHT", 60.0)
    late = tmp_path / "late"

    def meanwhile(seconds: float) -> None:
        monkeypatch.setattr(units, "pause", pytest.fail)
        assert not units._AT_WORK.locked()
        late.mkdir()

    monkeypatch.setattr(units, "pause", meanwhile)
    assert perform(terms._replace(folder=str(late)), Unit("where", work.where, ())).value[0] == str(late)


def test_jax_looks_for_nans_in_a_unit_where_it_does_in_the_command(terms: UnitTerms) -> None:
    """As ``--debug`` has it, and in the threads of a unit too."""
    assert not terms.debug and not units.debugging()
    assert perform(terms._replace(debug=True), Unit("debug", units.debugging, ())).value is True
    assert not units.debugging()


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
def test_a_unit_that_nobody_wants_any_more_stops_as_after_ctrl_c(
    terms: UnitTerms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """A command that ends takes its sign of life away, one that is killed gives none any more."""
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    if killed:
        monkeypatch.setattr(units, "SILENCE", 0.3)
    else:
        threading.Timer(0.2, lambda: Path(terms.alive).unlink()).start()
    with pytest.raises(RunError, match=r"^long on .*: stopped, since the command that wanted it has ended$"):
        perform(terms, Unit("long", work.wait_until_stopped, (str(begun), str(ended))))
    assert begun.exists() and ended.exists()
