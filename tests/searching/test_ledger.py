"""Claims on trials: whoever races with whom, and wherever one is killed, each experiment is one worker's."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from spaces import make_space

from nextbar.errors import RunError
from nextbar.searching import ledger as ledgers
from nextbar.searching.claim import Claim, LeaseLost
from nextbar.searching.ledger import Ledger
from nextbar.searching.optuna_study import open_study
from nextbar.searching.proposals import Proposal
from nextbar.searching.storage import open_storage
from nextbar.searching.trials import CONFIGURATION, FACTS, LEASED, OWNER, VERDICT, WITHDRAWN
from nextbar.searching.worker_lock import LEASE, WorkerLock

SPACE = make_space({"n_heads": [1, 2, 4, 8], "seed": {"low": 0, "high": 9}})


def proposal(n_heads: int = 1, seed: int = 0) -> Proposal:
    return Proposal.of(SPACE, {"model_config.n_heads": n_heads, "seed": seed})


@pytest.fixture
def join(tmp_path: Path) -> Iterator[Callable[[], Ledger]]:
    """Gives further workers of one study, on one journal; in real life each is a process."""
    locks: list[WorkerLock] = []

    def joined() -> Ledger:
        storage = open_storage(str(tmp_path / "journal.log"))
        locks.append(WorkerLock(tmp_path))
        return Ledger(open_study(storage, "study", SPACE.identity()), storage, SPACE, locks[-1])

    yield joined
    for lock in locks:
        lock._lock.release()


def kill(ledger: Ledger) -> None:
    """What the system does of itself when a process ends: its lock is open, the file stays."""
    ledger.lock._lock.release()


def claimed(ledger: Ledger, made: Proposal | None = None, n: int = 9) -> Claim:
    claim = ledger.claim(made or proposal(), n)
    assert claim is not None
    return claim


def elsewhere(patch: pytest.MonkeyPatch, ledger: Ledger) -> None:
    """As if the worker were on another machine, whose locks say nothing here."""
    patch.setattr(WorkerLock, "name", property(lambda self: {"token": self.token, "host": f"host of {self.token}"}))


def require_sound(ledger: Ledger, expected: int) -> list[FrozenTrial]:
    """As many trials as expected, no experiment twice, nothing withdrawn among them."""
    trials = ledger.trials()
    digests = [trial.user_attrs[CONFIGURATION] for trial in trials]
    assert len(digests) == len(set(digests)) == expected, digests
    return trials


def test_a_claim_is_a_whole_trial_from_the_first_moment(join: Callable[[], Ledger]) -> None:
    one, other = join(), join()
    claim = claimed(one, proposal(4, 3))
    (trial,) = other.trials()
    assert (trial.number, trial.state, trial.params) == (0, TrialState.RUNNING, claim.proposal.params)
    assert trial.user_attrs[CONFIGURATION] == proposal(4, 3).digest
    assert trial.user_attrs[OWNER] == one.lock.name and trial.user_attrs[LEASED]["seconds"] == 0


def test_of_two_with_the_same_experiment_the_first_has_it(join: Callable[[], Ledger]) -> None:
    one, other = join(), join()
    claimed(one)
    assert other.claim(proposal(), 9) is None
    claimed(other, proposal(2))
    require_sound(one, 2)


@pytest.mark.parametrize("first", [0, 1])
def test_both_make_a_trial_before_either_looks(
    join: Callable[[], Ledger], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment that a lock would have to guard: both trials are there; the one with the lower number stays."""
    workers = [join(), join()]
    inner, outer = workers[first], workers[1 - first]
    answers: dict[int, Claim | None] = {}
    make = outer._storage.create_new_trial

    def make_and_let_the_other_go(*given: Any, **named: Any) -> int:
        made = make(*given, **named) if first else None
        answers[0] = inner.claim(proposal(), 9)
        return made if made is not None else make(*given, **named)

    monkeypatch.setattr(outer._storage, "create_new_trial", make_and_let_the_other_go)
    answers[1] = outer.claim(proposal(), 9)
    assert [answer is not None for answer in answers.values()] == ([False, True] if first else [True, False])
    require_sound(inner, 1)


def test_no_more_than_asked_even_if_two_see_one_missing(
    join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = join(), join()
    claimed(one, proposal(1), 2)
    make = one._storage.create_new_trial

    def late(*given: Any, **named: Any) -> int:
        claimed(other, proposal(2), 2)
        return make(*given, **named)

    monkeypatch.setattr(one._storage, "create_new_trial", late)
    assert one.claim(proposal(4), 2) is None
    require_sound(one, 2)
    claimed(other, proposal(4), 3)  # it is not lost: with more trials it is drawn again
    require_sound(one, 3)


def test_many_at_once(join: Callable[[], Ledger]) -> None:
    """Six workers in threads, all after the same twelve experiments, of which ten are asked for."""
    wanted = [proposal(n_heads, seed) for n_heads in (1, 2, 4) for seed in range(4)]
    workers = [join() for _ in range(6)]
    got: list[Claim] = []

    def work(ledger: Ledger) -> None:
        for one in wanted:
            claim = ledger.claim(one, 10)
            if claim:
                got.append(claim)

    threads = [threading.Thread(target=work, args=[ledger]) for ledger in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trials = require_sound(workers[0], 10)
    assert sorted(claim.number for claim in got) == [trial.number for trial in trials]


def test_whose_worker_lives_is_left_alone_and_whose_was_killed_is_free_at_once(join: Callable[[], Ledger]) -> None:
    one, other = join(), join()
    claimed(one)
    assert other.stale() == []
    kill(one)
    assert [trial.number for trial in other.stale()] == [0]


def test_a_killed_workers_trial_stays_free_after_another_was_interrupted(join: Callable[[], Ledger]) -> None:
    one, other = join(), join()
    claimed(one)
    kill(one)
    other.lock.close()  # Ctrl-C before it took the trial over
    third = join()
    assert len(third.stale()) == 1
    third.lock.clear()
    assert [path.stem for path in third.lock._folder.glob("*.lock")] == [third.lock.token]


def test_the_last_worker_removes_what_a_killed_one_left_half_written(tmp_path: Path) -> None:
    one, other = WorkerLock(tmp_path), WorkerLock(tmp_path)
    part = tmp_path / ".leaderboard.csv.x.part"
    part.touch()
    for worker, remains in ((one, True), (other, False)):
        worker.close()
        worker.clear()
        assert part.exists() == remains


def pass_time(patch: pytest.MonkeyPatch, seconds: float, *clocks: str) -> None:
    for clock in clocks:
        now = getattr(ledgers.time, clock)()
        patch.setattr(ledgers.time, clock, lambda now=now: now + seconds)


def test_on_one_machine_no_time_that_passes_takes_a_trial_from_a_worker_that_lives(
    join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It was stopped by Ctrl-Z, or the machine slept. Whoever waits for it is told once which process that is."""
    one, other = join(), join()
    claim = claimed(one)
    assert other.stale() == []
    pass_time(monkeypatch, LEASE - 1, "time", "monotonic")
    assert other.stale() == []
    one.renew(claim, 7.0)
    assert other.stale() == []
    pass_time(monkeypatch, LEASE - 1, "time", "monotonic")
    assert other.stale() == [] and not caplog.text
    pass_time(monkeypatch, 9 * LEASE, "time", "monotonic")
    assert other.stale() == other.stale() == one.stale() == []
    (message,) = caplog.messages
    assert message.startswith(f"process {os.getpid()}, a worker of the search on this machine, has not renewed")
    assert message.endswith(f"goes on (kill -CONT {os.getpid()}) or is ended (kill -KILL {os.getpid()})")
    kill(one)
    assert len(other.stale()) == 1


def test_on_another_machine_the_lease_decides(join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen by the clock that cannot be put forward, of the machine that looks."""
    one, other = join(), join()
    elsewhere(monkeypatch, one)
    claim = claimed(one)
    kill(one)
    assert other.stale() == []
    pass_time(monkeypatch, 9 * LEASE, "time")
    assert other.stale() == []
    pass_time(monkeypatch, LEASE - 1, "monotonic")
    assert other.stale() == []
    pass_time(monkeypatch, 2, "monotonic")
    assert len(other.stale()) == 1
    one.renew(claim, 7.0)  # it lives after all
    assert other.stale() == []
    assert other.trials()[0].user_attrs[LEASED]["seconds"] == 7.0
    pass_time(monkeypatch, LEASE, "monotonic")
    assert len(other.stale()) == 1


def test_one_that_was_let_go_is_free_at_once_anywhere(
    join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = join(), join()
    elsewhere(monkeypatch, one)
    one.release(claimed(one), 3.0)
    (trial,) = other.stale()
    claim = other.take_over(trial, 9)
    assert claim is not None and claim.seconds == 3.0


def test_a_take_over_goes_on_with_what_there_was_and_the_former_owner_hears_of_it(join: Callable[[], Ledger]) -> None:
    one, other = join(), join()
    lost = claimed(one)
    for epoch, ranking in ((1, 0.9), (2, 0.8)):
        one.report(lost, epoch, ranking)
    one.renew(lost, 12.5)
    kill(one)
    claim = other.take_over(other.stale()[0], 1)
    assert claim is not None and claim.proposal == lost.proposal
    assert (claim.number, claim.trial_id) == (0, 1)
    assert (claim.seconds, other.values(claim)) == (12.5, {1: 0.9, 2: 0.8})
    (trial,) = require_sound(other, 1)
    assert (trial.number, trial._trial_id) == (0, 1)
    assert one.study.get_trials()[0].state == TrialState.FAIL and WITHDRAWN in one.study.get_trials()[0].user_attrs
    for action in (
        lambda: one.renew(lost, 1.0),
        lambda: one.report(lost, 3, 0.7),
        lambda: one.note_verdict(lost, 3, False, {}),
        lambda: one.finish(lost, TrialState.COMPLETE, 0.7, {"ranking": 0.7}),
    ):
        with pytest.raises(LeaseLost):
            action()
    one.release(lost, 1.0)  # too late, and no matter
    other.finish(claim, TrialState.COMPLETE, 0.5, {"ranking": 0.5})
    (trial,) = require_sound(other, 1)
    assert trial.value == 0.5 and trial.user_attrs[FACTS] == {"ranking": 0.5}


def test_two_take_over_at_once_and_one_has_it(join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = join(), join(), join()
    claimed(one)
    kill(one)
    (stale,) = two.stale()
    make, answers = two._storage.create_new_trial, []

    def late(*given: Any, **named: Any) -> int:
        answers.append(three.take_over(stale, 9))
        return make(*given, **named)

    monkeypatch.setattr(two._storage, "create_new_trial", late)
    answers.append(two.take_over(stale, 9))
    assert [answer is not None for answer in answers] == [True, False]
    require_sound(two, 1)


def test_one_that_ends_while_it_is_taken_over_stays_as_it_ended(
    join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker was slow, not gone."""
    one, other = join(), join()
    claim = claimed(one)
    kill(one)
    (stale,) = other.stale()
    make = other._storage.create_new_trial

    def late(*given: Any, **named: Any) -> int:
        made = make(*given, **named)
        one.finish(claim, TrialState.COMPLETE, 0.25, {})
        return made

    monkeypatch.setattr(other._storage, "create_new_trial", late)
    assert other.take_over(stale, 9) is None
    (trial,) = require_sound(one, 1)
    assert (trial.number, trial.value) == (0, 0.25)


class Killed(BaseException):
    """Here the process ended."""


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("step", ["create_new_trial", "set_trial_user_attr", "set_trial_state_values"])
def test_killed_between_the_steps_of_a_take_over(
    join: Callable[[], Ledger], step: str, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, third = join(), join(), join()
    first = claimed(one)
    one.report(first, 1, 0.9)
    kill(one)
    real = getattr(other._storage, step)

    def die(*given: Any, **named: Any) -> None:
        if not before:
            real(*given, **named)
        raise Killed

    monkeypatch.setattr(other._storage, step, die)
    with pytest.raises(Killed):
        other.take_over(other.stale()[0], 1)
    kill(other)
    claims = []
    for _ in range(5):  # each a look of a worker
        if stale := third.stale():
            claims.append(third.take_over(stale[0], 1))
    assert len([claim for claim in claims if claim]) == 1
    (trial,) = require_sound(third, 1)
    assert trial.intermediate_values == {1: 0.9} and trial.user_attrs[OWNER] == third.lock.name


def test_deaths_in_one_epoch_are_counted_and_an_epoch_in_between_ends_the_count(join: Callable[[], Ledger]) -> None:
    claim, times = claimed(worker := join()), []
    for i in range(6):
        if i == 3:
            worker.report(claim, 1, 0.9)
        kill(worker)
        worker = join()
        (stale,) = worker.stale()
        again = worker.take_over(stale, 9)
        assert again is not None
        claim = again
        times.append(claim.taken_over)
    assert times == [1, 2, 3, 1, 2, 3]


def test_trials_that_somebody_else_put_there_do_not_count(join: Callable[[], Ledger]) -> None:
    ledger = join()
    ledger.study.ask()
    assert ledger.trials() == []
    claimed(ledger, n=1)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (StorageInternalError("server closed the connection\nand a page of SQL"), "server closed the connection"),
        (
            OSError(errno.ENOSPC, "No space left on device", "journal.log"),
            "[Errno 28] No space left on device: 'journal.log'",
        ),
    ],
    ids=["database", "full disk"],
)
def test_a_storage_that_fails_is_one_message(
    join: Callable[[], Ledger], failure: Exception, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = join()
    claim = claimed(ledger)

    def fail(*_: Any, **__: Any) -> None:
        raise failure

    for name in (
        "create_new_trial", "set_trial_user_attr", "set_trial_intermediate_value", "set_trial_state_values",
        "get_trial", "get_all_trials",
    ):  # fmt: skip
        monkeypatch.setattr(ledger._storage, name, fail)
    for action in (
        ledger.trials,
        lambda: ledger.claim(proposal(2), 9),
        lambda: ledger.renew(claim, 1.0),
        lambda: ledger.report(claim, 1, 0.5),
        lambda: ledger.note_verdict(claim, 1, False, {}),
        lambda: ledger.values(claim),
        lambda: ledger.finish(claim, TrialState.FAIL, None, {}),
        lambda: ledger.release(claim, 1.0),
    ):
        with pytest.raises(RunError) as error:
            action()
        assert f"has failed: {words}; trials that ended are kept" in str(error.value)


def test_a_trial_keeps_its_place_its_scores_and_its_marks_however_often_it_is_taken_over(
    join: Callable[[], Ledger],
) -> None:
    """And those drawn after it have the place that they would have had."""
    worker, seeds = join(), range(4)
    for seed in seeds:
        claim = claimed(worker, proposal(seed=seed))
        worker.report(claim, 1, seed / 10)
        worker.note_verdict(claim, 1, False, {"completed_rung_0": seed / 10})
        for _ in range(seed):
            kill(worker)
            worker = join()
            taken_over = worker.take_over(worker.stale()[0], 4)
            assert taken_over is not None and taken_over.number == claim.number == seed
            claim = taken_over
        worker.finish(claim, TrialState.COMPLETE, seed / 10, {})
    trials = require_sound(worker, 4)
    assert [(trial.number, trial.params["seed"]) for trial in trials] == [(seed, seed) for seed in seeds]
    assert [trial.intermediate_values for trial in trials] == [{1: seed / 10} for seed in seeds]
    assert [trial.user_attrs[VERDICT]["marks"] for trial in trials] == [{"completed_rung_0": s / 10} for s in seeds]
    assert len(worker.study.get_trials()) == 4 + 1 + 2 + 3


def test_a_trial_that_was_taken_over_goes_before_one_drawn_meanwhile(join: Callable[[], Ledger]) -> None:
    """Its worker died, and so did one that had drawn the same experiment and not yet seen that it is there."""
    one, two, three, four = join(), join(), join(), join()
    first = claimed(one)
    one.report(first, 1, 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two, "_all", lambda: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            two.claim(proposal(), 9)
    require_sound(three, 1)
    kill(one)
    kill(two)
    claims = [three.take_over(trial, 9) for trial in three.stale()]
    assert [claim is not None for claim in claims] == [True, False]
    (trial,) = require_sound(four, 1)
    assert trial.intermediate_values == {1: 0.5} and trial.number == 0 and four.stale() == []


def test_free_trials_come_in_the_order_in_which_they_were_drawn(join: Callable[[], Ledger]) -> None:
    """One that was taken over has a later number in the storage, and its old place."""
    one, two, three = join(), join(), join()
    for n_heads in (1, 2):
        claimed(one, proposal(n_heads))
    kill(one)
    assert two.take_over(two.stale()[0], 9) is not None
    assert [trial.number for trial in three.stale()] == [1]
    kill(two)
    assert [trial.number for trial in three.stale()] == [2, 1]


def test_no_more_than_asked_where_one_was_taken_over_meanwhile(
    join: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken over has a high number in the storage, and counts as drawn when it was drawn."""
    one, two, three = join(), join(), join()
    claimed(one, proposal(1), 1)
    kill(one)
    make = two._storage.create_new_trial

    def early(*given: Any, **named: Any) -> int:
        made = make(*given, **named)
        assert three.take_over(three.stale()[0], 1) is not None
        return made

    monkeypatch.setattr(two._storage, "create_new_trial", early)
    assert two.claim(proposal(2), 1) is None
    require_sound(three, 1)


def test_optuna_opens_the_storage_and_sees_the_trials(join: Callable[[], Ledger], tmp_path: Path) -> None:
    """As its dashboard does."""
    ledger = join()
    ledger.finish(claimed(ledger, proposal(2, 7)), TrialState.COMPLETE, 0.5, {})
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal.log"))
    study = optuna.load_study(study_name="study", storage=optuna.storages.JournalStorage(backend))
    assert study.best_params == {"model_config.n_heads": 2, "seed": 7} and study.best_value == 0.5
