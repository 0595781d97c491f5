"""One worker of a study: takes up what was left, draws what is new, waits for the others, until all is done."""

from __future__ import annotations

import time

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.trial import FrozenTrial

from nextbar.search.bars_cache import BarsCache
from nextbar.search.contradictions import most_epochs
from nextbar.search.draw import propose
from nextbar.search.folder import StudyFolder
from nextbar.search.hparams import write_hparams
from nextbar.search.leaderboard import write_leaderboard
from nextbar.search.ledger import CONFIGURATION, Claim, LeaseLost, Ledger
from nextbar.search.options import SearchOptions
from nextbar.search.progress import Progress
from nextbar.search.space import Space
from nextbar.search.trial import Trial

LOOKS = 1.0
"""seconds between two looks at what the other workers do"""


class Worker:
    """Trains the trials of a study, in this process.

    Args:
        folder: of the study.
        ledger: its trials.
        space: what is varied.
        options: what is asked.
        bars: the series of an experiment.
        progress: what a user watches.
    """

    def __init__(
        self,
        folder: StudyFolder,
        ledger: Ledger,
        space: Space,
        options: SearchOptions,
        bars: BarsCache,
        progress: Progress,
    ) -> None:
        self._folder, self._ledger, self._space, self._options = folder, ledger, space, options
        self._progress = progress
        pruner = make_pruner(options.pruner, space)
        self._trial = Trial(ledger, pruner, bars, progress.epoch)

    def work(self) -> bool:
        """Train until there are as many trials as asked; True where no further combination was found before.

        Raises:
            NextbarError: see ``Trial.run``.
            TrainingInterrupted: Ctrl-C.
        """
        while True:
            trials = self._ledger.trials()
            self._progress.show(trials)
            claim, more = self._next(trials)
            if claim is not None:
                self._run(claim)
            elif not more:
                if all(trial.state.is_finished() for trial in trials):
                    return len(trials) < self._options.n_trials
                time.sleep(LOOKS)

    def _next(self, trials: list[FrozenTrial]) -> tuple[Claim | None, bool]:
        """What to train now; and where that is nothing, whether it is worth to look again at once."""
        n = self._options.n_trials
        if stale := self._ledger.stale(trials):
            return self._ledger.take_over(stale[0], n), True
        if len(trials) >= n:
            return None, False
        tried = {trial.user_attrs[CONFIGURATION] for trial in trials}
        proposal = propose(self._space, self._options.sampler, self._options.seed, trials, tried)
        if proposal is None:
            return None, False
        return self._ledger.claim(proposal, n), True

    def _run(self, claim: Claim) -> None:
        try:
            self._trial.run(claim)
        except LeaseLost:
            return
        trials = self._ledger.trials()
        mine = next((trial for trial in trials if trial.number == claim.number), None)
        if mine is not None:
            self._progress.ended(mine, trials)
            write_hparams(self._folder.path, self._space, mine)
        write_leaderboard(self._folder.leaderboard, trials, self._space)


def make_pruner(name: str, space: Space) -> BasePruner:
    """The pruner of this name for trainings as long as the space has them; never after a first tenth."""
    epochs = most_epochs(space)
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, epochs // 10))
    if name == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=max(epochs, 1), reduction_factor=3)
    return NopPruner()
