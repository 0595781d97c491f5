"""A search killed at any moment of any epoch ends like one that nobody disturbed; here with pretended trainings."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from builders import make_bars
from optuna.trial import TrialState
from searches import Pretender
from spaces import make_space

from nextbar.config import ExperimentConfig
from nextbar.searching import samplers, worker
from nextbar.searching.bars_cache import BarsCache
from nextbar.searching.folder import StudyFolder
from nextbar.searching.leaderboard import best_of
from nextbar.searching.ledger import Ledger
from nextbar.searching.options import PRUNERS, SAMPLERS, SearchOptions
from nextbar.searching.optuna_study import open_study
from nextbar.searching.parts import SearchParts
from nextbar.searching.progress import Progress
from nextbar.searching.worker import Worker
from nextbar.searching.worker_lock import WorkerLock

TRIALS, EPOCHS = 9, 9
WRITES = ("create_new_trial", "set_trial_user_attr", "set_trial_intermediate_value", "set_trial_state_values")


class Killed(BaseException):
    """Here the process ended."""


class Moments:
    """Counts the moments of a search, before and after each write and each epoch, and ends the process at one."""

    def __init__(self) -> None:
        self.reached, self.last = 0, math.inf

    def pass_one(self) -> None:
        self.reached += 1
        if self.reached == self.last:
            raise Killed


class Storage(optuna.storages.InMemoryStorage):
    """One that a process may be killed in."""

    def __init__(self, moments: Moments) -> None:
        super().__init__()
        self._moments = moments

    def __getattribute__(self, name: str) -> Any:
        attribute = super().__getattribute__(name)
        if name not in WRITES:
            return attribute

        def write(*given: Any, **named: Any) -> Any:
            self._moments.pass_one()
            answer = attribute(*given, **named)
            self._moments.pass_one()
            return answer

        return write


def score(config: ExperimentConfig, epoch: int) -> float:
    """Noise around a level of the experiment's own, that falls slowly; of some the first epochs are infinite."""
    chance = random.Random(config.seed)
    level, late = chance.gauss(1, 0.05), chance.random() < 0.2
    noise = random.Random(f"{config.seed} {epoch}").gauss(0, 0.05)
    return math.inf if late and epoch < 3 else level + noise - 0.01 * epoch


class Search:
    """A search in pieces: each ``go_on`` is a process."""

    def __init__(self, folder: Path, pruner: str, sampler: str, patch: pytest.MonkeyPatch) -> None:
        self.moments = Moments()
        self.pretender = Pretender(patch)
        self.pretender.score = self._score
        patch.setattr(samplers, "STARTUP", 3)  # so that what TPE draws depends on results
        patch.setattr(Ledger, "release", lambda self, claim, seconds: None)  # nobody comes to that
        for name in ("write_hparams", "write_leaderboard"):
            patch.setattr(worker, name, lambda *given: None)
        self._space = make_space({"seed": {"low": 0, "high": 24}}, log_dir=str(folder), num_epochs=EPOCHS)
        self._storage = Storage(self.moments)
        self._options = SearchOptions(n_trials=TRIALS, pruner=pruner, sampler=sampler, population=1)
        self._folder = StudyFolder(folder)

    def go_on(self, last: float = math.inf) -> bool:
        """Work to the end, or until the process is killed; True at the end."""
        self.moments.last = self.moments.reached + last
        study = open_study(self._storage, "test", self._space.identity())
        lock = WorkerLock(self._folder.path)
        ledger = Ledger(study, self._storage, self._space, lock)
        cache = BarsCache([make_bars(n=150)])
        try:
            progress = Progress(TRIALS, show=False)
            Worker(SearchParts(self._folder, ledger, self._space, self._options, cache, progress)).work()
        except Killed:
            return False
        finally:
            lock.close()
        self.trials = ledger.trials()
        return True

    @property
    def pruned(self) -> list[int]:
        """Numbers of the trials that were ended early."""
        return [trial.number for trial in self.trials if trial.state == TrialState.PRUNED]

    @property
    def ends(self) -> tuple[Any, ...]:
        """What became of the trials, in order, and the number of the winner."""
        best = best_of(self.trials)
        ends = [(t.number, t.params, t.state, t.value, t.intermediate_values) for t in self.trials]
        return ends, best and best.number

    def _score(self, config: ExperimentConfig, epoch: int) -> float:
        self.moments.pass_one()
        return score(config, epoch)


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Search]:
    made: list[Search] = []

    def make(pruner: str, sampler: str = "random") -> Search:
        (folder := tmp_path / str(len(made))).mkdir()
        made.append(Search(folder, pruner, sampler, monkeypatch))
        return made[-1]

    return make


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_search_killed_again_and_again_ends_like_the_undisturbed_one(
    search: Callable[..., Search], pruner: str, sampler: str
) -> None:
    """Each process has so few moments that most end within a trial; which ones, differs by their number."""
    undisturbed = search(pruner, sampler)
    assert undisturbed.go_on()
    if pruner != "none":
        assert undisturbed.pruned and len(undisturbed.pruned) < TRIALS
    for moments in (13, 23):
        killed, kills = search(pruner, sampler), 0
        while not killed.go_on(moments):
            kills += 1
        assert kills > TRIALS
        assert killed.ends == undisturbed.ends, moments


@pytest.mark.slow
@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_search_killed_once_at_every_third_moment_ends_like_the_undisturbed_one(
    search: Callable[..., Search], pruner: str
) -> None:
    undisturbed = search(pruner)
    assert undisturbed.go_on()
    for moment in range(1 + [*PRUNERS].index(pruner) % 3, undisturbed.moments.reached + 1, 3):
        killed = search(pruner)
        assert not killed.go_on(moment) and killed.go_on()
        assert killed.ends == undisturbed.ends, moment
