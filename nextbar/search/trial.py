"""One trial: trained, watched, judged and written down, whatever becomes of it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError, NextbarError, OutOfMemory, RunBusy
from nextbar.logger import get_logger
from nextbar.metrics.comparison import ranking_score
from nextbar.metrics.task import Task
from nextbar.search.ledger import Claim, LeaseLost, Ledger
from nextbar.search.owner import Pulse
from nextbar.search.storage import told
from nextbar.train.records import read_summary
from nextbar.train.trainer import Result, Trainer

MOST_DEATHS = 10
"""times in a row that processes may die in the same epoch of a trial before it counts as failed"""

GROUP = "nextbar scored bars"
"""attribute of a study: the bars that all of its trials are scored on"""


class Trial:
    """Trains claims of a study.

    Args:
        ledger: where they are written down.
        pruner: ends those that look hopeless.
        bars: the series of an experiment, read before.
        progress: told of every epoch.
    """

    def __init__(
        self,
        ledger: Ledger,
        pruner: optuna.pruners.BasePruner,
        bars: Callable[[ExperimentConfig], Any],
        progress: Callable[[Claim, int], None] = lambda claim, epoch: None,
    ) -> None:
        self._ledger, self._pruner, self._bars = ledger, pruner, bars
        self._progress = progress

    def run(self, claim: Claim) -> None:
        """Train a claim to its end.

        Raises:
            LeaseLost: another worker has it now.
            NextbarError: nothing that lies in the trial, such as a full disk: it is left for the next command.
            TrainingInterrupted: Ctrl-C; it is left as it stands.
        """
        config = claim.proposal.config
        if config is None:
            return self._fail(claim, claim.proposal.refused)
        if claim.taken_over >= MOST_DEATHS:
            reason = f"the process was killed {claim.taken_over} times in the same epoch of it"
            return self._fail(claim, reason, claim.seconds)
        began = time.monotonic()

        def seconds() -> float:
            return claim.seconds + time.monotonic() - began

        lost = False

        def beat() -> None:
            nonlocal lost
            try:
                self._ledger.renew(claim, seconds())
            except LeaseLost:
                lost = True
            except (NextbarError, OSError) as error:  # the next beat may come through
                get_logger().warning("%s", error)

        def watch(epoch: int, ranking: float | None) -> str:
            if lost:
                raise LeaseLost
            self._progress(claim, epoch)
            if ranking is None or not math.isfinite(ranking):
                return ""
            so_far = self._ledger.report(claim, epoch, ranking)
            with told():
                hopeless = self._pruner.prune(self._ledger.study, so_far)
            return f"pruned after epoch {epoch}: ranking score {ranking:.5g}" if hopeless else ""

        try:
            with Pulse(beat), hushed():
                result = _train(Trainer(config, self._bars(config), show=False, watch=watch))
        except (ConfigError, DataError, OutOfMemory) as error:
            return self._fail(claim, str(error), seconds())
        except (NextbarError, OSError, LeaseLost, KeyboardInterrupt):
            self._ledger.release(claim, seconds())
            raise
        except Exception as error:
            get_logger().debug("trial %d", claim.number, exc_info=True)
            return self._fail(claim, f"{type(error).__name__}: {error}", seconds())
        self._judge(claim, config, result, seconds())

    def _judge(self, claim: Claim, config: ExperimentConfig, result: Result, seconds: float) -> None:
        facts = facts_of(result, config) | {"seconds": round(seconds, 3)}
        if result.status == "pruned":
            value = facts["ranking"] = self._last_value(claim)
            return self._ledger.finish(claim, TrialState.PRUNED, value, facts)
        if result.status == "diverged":
            return self._ledger.finish(claim, TrialState.FAIL, None, facts)
        wrong = self._not_comparable(result.run_dir)
        if not wrong and facts["ranking"] is None:
            wrong = "the ranking score cannot be computed: nothing is validated, or the baseline's error is zero"
        if wrong:
            return self._ledger.finish(claim, TrialState.FAIL, None, facts | {"reason": wrong, "ranking": None})
        self._ledger.finish(claim, TrialState.COMPLETE, facts["ranking"], facts)

    def _not_comparable(self, run_dir: Path) -> str:
        """Why a run cannot be ranked beside the others of the study; empty where it can."""
        scored, study = read_summary(run_dir).get("scored_bars"), self._ledger.study
        with told():
            known = study.user_attrs.get(GROUP)
            if known is None:
                study.set_user_attr(GROUP, scored)
        if known not in (None, scored):
            return "scored on other bars than the study's first trial, so it cannot be ranked with it"
        return ""

    def _last_value(self, claim: Claim) -> float | None:
        values = self._ledger.values(claim)
        return values[max(values)] if values else None

    def _fail(self, claim: Claim, reason: str, seconds: float = 0.0) -> None:
        facts = {"status": "failed", "reason": reason, "seconds": round(seconds, 3)}
        self._ledger.finish(claim, TrialState.FAIL, None, facts)


def _train(trainer: Trainer) -> Result:
    """Train, or wait for whoever trains the same experiment just now, and go on with that.

    Raises:
        NextbarError, TrainingInterrupted: see ``Trainer.train_and_evaluate``.
    """
    waits = False
    while True:
        try:
            return trainer.train_and_evaluate()
        except RunBusy as busy:
            if not waits:
                get_logger().warning("waiting: %s", busy)
            waits = True
            time.sleep(1)


def facts_of(result: Result, config: ExperimentConfig) -> dict[str, Any]:
    """What a leaderboard says of a run; plain values."""
    task = Task.of(config)
    facts: dict[str, Any] = {
        "status": result.status,
        "reason": result.message,
        "run": result.run_dir.name,
        "best_epoch": result.best_epoch,
        "ranking": None,
        "epochs": read_summary(result.run_dir).get("epochs"),
    }
    for span, report in result.metrics.items():
        facts[span] = {kind: report[kind][task.leading] for kind in ("model", "baseline", "skill")}
        facts[span]["p_value"] = (report["diebold_mariano"] or {}).get("p_value")
        if span == "validation":
            facts["ranking"] = ranking_score(report, task.output_mode)
            if not math.isfinite(facts["ranking"]):
                facts["ranking"] = None
    return facts


@contextmanager
def hushed() -> Iterator[None]:
    """A study says one line a trial; what its trainings say of each epoch stands in their folders."""
    log = get_logger()
    level = log.level
    log.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        log.setLevel(level)
