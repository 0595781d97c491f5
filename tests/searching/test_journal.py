"""The journal of a study: what a kill leaves beside it or at its end does not stop the next process."""

from __future__ import annotations

import threading
from pathlib import Path

import optuna
import pytest

from nextbar.searching.journal import lock_of, open_journal


@pytest.mark.parametrize("folder", ["runs", ""], ids=["relative", "absolute"])
def test_a_lock_that_nobody_holds_any_more_is_taken_over(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(folder) / "journal.log" if folder else tmp_path / "journal.log"
    path.parent.mkdir(exist_ok=True)
    path.touch()
    lock_of(path).acquire()  # by a process that was killed
    lock = lock_of(path)
    lock.grace_period = 1
    turn = threading.Thread(target=lock.acquire, daemon=True)  # it might wait for ever
    turn.start()
    turn.join(20)
    assert not turn.is_alive()
    lock.release()


def test_a_line_that_a_kill_cut_is_dropped_and_the_study_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    study = optuna.create_study(storage=open_journal(path, create=True), study_name="s")
    study.enqueue_trial({"x": 1})
    whole = path.read_bytes()
    study.enqueue_trial({"x": 2})
    path.write_bytes(path.read_bytes()[:-1])  # each line is one operation
    study = optuna.load_study(storage=open_journal(path, create=False), study_name="s")
    assert whole == path.read_bytes()
    study.enqueue_trial({"x": 3})
    assert [trial.system_attrs["fixed_params"] for trial in study.trials] == [{"x": 1}, {"x": 3}]
