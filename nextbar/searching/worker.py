"""A worker of a study: takes stale trials over, claims new ones, and trains them until the study is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from nextbar.folders import writing
from nextbar.machine.interruptible import pause
from nextbar.searching.attempts import Attempts
from nextbar.searching.bars_cache import BarsCache
from nextbar.searching.claim import Claim
from nextbar.searching.folder import StudyFolder
from nextbar.searching.hparams import write_hparams
from nextbar.searching.leaderboard import write_leaderboard
from nextbar.searching.ledger import Ledger
from nextbar.searching.options import SAMPLERS, SearchOptions
from nextbar.searching.optuna_study import open_study
from nextbar.searching.parts import SearchParts
from nextbar.searching.progress import Progress
from nextbar.searching.proposals import Proposal, propose
from nextbar.searching.pruning import Pruning
from nextbar.searching.samplers import STARTUP, Sampler
from nextbar.searching.sizes import Sizes
from nextbar.searching.space.space import Space
from nextbar.searching.storage import open_storage
from nextbar.searching.trial_runner import TrialRunner
from nextbar.searching.trials import CONFIGURATION
from nextbar.searching.worker_lock import WorkerLock

LOOKS = 1.0
"""seconds between two looks at the trials of other workers"""


def train_trials(task: Mapping[str, Any], post: str = "") -> None:
    """Train trials of a study in this process until there are as many as asked.

    Args:
        task: of ``SearchParts.task``.
        post: of a worker on a cluster, which gives it to another one when this one has died.

    Raises:
        NextbarError: see ``TrialRunner.run``.
        TrainingInterrupted: Ctrl-C.
    """
    options, space = SearchOptions(**task["options"]), Space.from_dict(task["space"])
    folder = StudyFolder(Path(task["study"]))
    storage = open_storage(options.storage or str(folder.journal))
    study = open_study(storage, options.study_name or folder.path.name, space.identity())
    with closing(WorkerLock(folder.path, post)) as lock:
        ledger, progress = Ledger(study, storage, space, lock), Progress(options.n_trials, show=False)
        Worker(SearchParts(folder, ledger, space, options, BarsCache.taken_over(task["bars"]), progress)).work()


class Worker:
    """Trains the trials of a study, in this process.

    Args:
        parts: of the search.
    """

    def __init__(self, parts: SearchParts) -> None:
        self._folder, self._ledger, self._space, self._options, bars, self._progress = parts
        self._sampler: Sampler = SAMPLERS.load(self._options.sampler)()
        self._sizes = Sizes(self._options.population, self._space, bars, Attempts(self._ledger.lock))
        pruning = Pruning(self._ledger, self._options.pruner)
        self._runner = TrialRunner(self._ledger, pruning, bars, self._progress.epoch, self._ended)

    def work(self) -> bool:
        """Train until there are as many trials as asked.

        Returns:
            Whether the space was used up before.

        Raises:
            NextbarError: see ``TrialRunner.run``.
            TrainingInterrupted: Ctrl-C.
        """
        while True:
            trials = self._ledger.trials()
            self._progress.show(trials)
            if claims := self._take_over() or self._claim(trials):
                self._runner.run(claims, partial(self._sizes, left=len(claims)))
            elif self._complete(self._ledger.trials()):
                return len(trials) < self._options.n_trials
            else:
                pause(LOOKS)

    def _complete(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether all trials have ended and no further one can be made; if not, other workers train or were quicker."""
        return all(trial.state.is_finished() for trial in trials) and (
            len(trials) >= self._options.n_trials or self._propose(trials) is None
        )

    def _take_over(self) -> list[Claim]:
        """Take over the trials that no worker works on."""
        taken = (self._ledger.take_over(trial, self._options.n_trials) for trial in self._ledger.stale())
        return [claim for claim in taken if claim is not None]

    def _claim(self, trials: Sequence[FrozenTrial]) -> list[Claim]:
        """Claim new trials: one, or as many as help side by side, within this worker's share of the remaining ones."""
        claims: list[Claim] = []
        size = 1
        while len(claims) < size and (proposal := self._propose(trials)):
            if not claims:  # measured before there is a claim, whose lease nothing would renew meanwhile
                share = -(-(self._options.n_trials - len(trials)) // (self._options.workers or 1))
                size = self._sizes(proposal.config, min(share, self._most_at_once()))
            claim = self._ledger.claim(proposal, self._options.n_trials)
            if claim is None:
                break  # another worker was quicker; look again
            claims.append(claim)
            trials = self._ledger.trials()
        return claims

    def _propose(self, trials: Sequence[FrozenTrial]) -> Proposal | None:
        if len(trials) >= self._options.n_trials:
            return None
        tried = {trial.user_attrs[CONFIGURATION] for trial in trials}
        return propose(self._space, self._sampler, self._options.seed, trials, tried)

    def _most_at_once(self) -> int:
        """Trials that may be drawn before there are results: fewer than all where the sampler learns from them."""
        n = self._options.n_trials
        return max(STARTUP, n // 4) if self._sampler.learns else n

    def _ended(self, claim: Claim) -> None:
        """Show and write a trial that has ended."""
        trials = self._ledger.trials()
        own = next((trial for trial in trials if trial.number == claim.number), None)
        if own is not None:
            self._progress.ended(own, trials)
            with writing(self._folder.path):
                write_hparams(self._folder.path, self._space, own)
        with writing(self._folder.path):
            write_leaderboard(self._folder.leaderboard, trials, self._space)
