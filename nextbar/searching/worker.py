"""One worker of a study: takes up what was left, draws what is new, waits for the others, until all is done."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from optuna.trial import FrozenTrial

from nextbar.searching.bars_cache import BarsCache
from nextbar.searching.folder import StudyFolder
from nextbar.searching.hparams import write_hparams
from nextbar.searching.leaderboard import write_leaderboard
from nextbar.searching.ledger import CONFIGURATION, Claim, Ledger
from nextbar.searching.options import SearchOptions
from nextbar.searching.progress import Progress
from nextbar.searching.proposals import STARTUP, Proposal, propose
from nextbar.searching.pruning import Pruning
from nextbar.searching.sizes import Sizes
from nextbar.searching.space.space import Space
from nextbar.searching.trial_runner import TrialRunner

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
        self._sizes = Sizes(options.population, space, bars)
        pruning = Pruning(ledger, options.pruner)
        self._trials = TrialRunner(ledger, pruning, bars, progress.epoch, self._ended)

    def work(self) -> bool:
        """Train until there are as many trials as asked; True where no further combination was found before.

        Raises:
            NextbarError: see ``Trials.run``.
            TrainingInterrupted: Ctrl-C.
        """
        while True:
            trials = self._ledger.trials()
            self._progress.show(trials)
            if claims := self._take_over() or self._claim(trials):
                self._trials.run(claims, partial(self._sizes, left=len(claims)))
            elif self._complete(self._ledger.trials()):
                return len(trials) < self._options.n_trials
            else:
                time.sleep(LOOKS)

    def _complete(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether all that there is has ended; where it has not, others are at it, or were quicker just now."""
        return all(trial.state.is_finished() for trial in trials) and (
            len(trials) >= self._options.n_trials or self._propose(trials) is None
        )

    def _take_over(self) -> list[Claim]:
        """Trials whose workers are gone."""
        taken = (self._ledger.take_over(trial, self._options.n_trials) for trial in self._ledger.stale())
        return [claim for claim in taken if claim is not None]

    def _claim(self, trials: Sequence[FrozenTrial]) -> list[Claim]:
        """New trials: one, or as many as help side by side; the other workers are left their share."""
        claims: list[Claim] = []
        wanted = 1
        while len(claims) < wanted and (proposal := self._propose(trials)):
            claim = self._ledger.claim(proposal, self._options.n_trials)
            if claim is None:
                break  # another worker was quicker; look again
            if not claims:
                mine = -(-(self._options.n_trials - len(trials)) // self._options.workers)
                wanted = self._sizes(proposal.config, min(mine, self._most_at_once()))
            claims.append(claim)
            trials = self._ledger.trials()
        return claims

    def _propose(self, trials: Sequence[FrozenTrial]) -> Proposal | None:
        if len(trials) >= self._options.n_trials:
            return None
        tried = {trial.user_attrs[CONFIGURATION] for trial in trials}
        return propose(self._space, self._options.sampler, self._options.seed, trials, tried)

    def _most_at_once(self) -> int:
        """A sampler that learns from results is not asked for everything before there are any."""
        return max(STARTUP, self._options.n_trials // 4) if self._options.sampler == "tpe" else self._options.n_trials

    def _ended(self, claim: Claim) -> None:
        """Tell of a trial that has ended."""
        trials = self._ledger.trials()
        mine = next((trial for trial in trials if trial.number == claim.number), None)
        if mine is not None:
            self._progress.ended(mine, trials)
            write_hparams(self._folder.path, self._space, mine)
        write_leaderboard(self._folder.leaderboard, trials, self._space)
