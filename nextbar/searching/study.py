"""``Study``: the result of a search, with its trials, its best run and the importance of its fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from nextbar.arguments import strict_arguments
from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig
from nextbar.display.figure import Figure
from nextbar.display.markup import Child
from nextbar.display.shown import Shown
from nextbar.display.trials import history_figure
from nextbar.errors import NextbarError, RunError
from nextbar.folders import told_as_damage
from nextbar.logger import console
from nextbar.metrics.comparison import neutral_score
from nextbar.metrics.interval import LossInterval, loss_interval
from nextbar.metrics.luck import Luck
from nextbar.metrics.task import Task
from nextbar.runs.bars import hold
from nextbar.runs.summary import read_summary
from nextbar.searching.folder import StudyFolder
from nextbar.searching.importance import field_importance
from nextbar.searching.leaderboard import Row, best_of, leaderboard, leaderboard_cells, leaderboard_table, row_of
from nextbar.searching.optuna_study import load_study
from nextbar.searching.space.space import Space
from nextbar.searching.storage import open_storage, storage_failures
from nextbar.searching.trials import OWNER, counted, run_name
from nextbar.searching.winner import winner_luck
from nextbar.storage.address import require_local
from nextbar.tables import print_whole, rounded, signed

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


FEW = 5
"""trials that a notebook shows"""


@strict_arguments
class Study(Shown):
    """The result of a search.

    Args:
        path: the study's folder.
        space: what was varied.
        study: Optuna's own, for all that Optuna can do with it.
        bars: the series of an experiment, where they do not lie under ``datapath``.
    """

    def __init__(
        self,
        path: Path,
        space: Space,
        study: optuna.Study,
        bars: Callable[[ExperimentConfig], list[Bars]] | None = None,
    ) -> None:
        self.path, self.space, self.optuna, self._bars = path, space, study, bars

    @classmethod
    def load(
        cls,
        path: str | Path,
        storage: str | None = None,
        bars: Callable[[ExperimentConfig], list[Bars]] | None = None,
    ) -> Study:
        """Open a study by its folder.

        Args:
            path: ``log_dir/experiment_name``.
            storage: where it is kept, where the folder does not say it all: a database's password is not written down.
            bars: gives the series of an experiment, where they do not lie under ``datapath``.

        Raises:
            RunError: no study, or a damaged one.
            ConfigError: a storage that cannot be reached.
        """
        require_local(path, "a study", "copy it there")
        folder = StudyFolder(Path(path))
        description = folder.read()
        with told_as_damage(path):
            space = Space.from_dict({"base": description.get("base"), "search": description.get("search")})
            place = str(storage or description.get("storage") or folder.journal)
            study = load_study(open_storage(place, create=False), description["study_name"])
        return cls(folder.path, space, study, bars)

    @cached_property
    def trials(self) -> list[FrozenTrial]:
        """The trials in the order drawn; see ``counted``, also for their numbers."""
        with storage_failures(), told_as_damage(self.path):
            return counted(self.optuna.get_trials(deepcopy=False))

    @cached_property
    def leaderboard(self) -> list[Row]:
        """A row for each trial, the best first; see ``leaderboard.csv``."""
        with told_as_damage(self.path):
            return leaderboard(self.trials, self.space)

    @property
    def best_trial(self) -> FrozenTrial:
        """The finished trial with the lowest ranking score; of two equals the earlier one.

        Raises:
            RunError: no trial has finished.
        """
        best = best_of(self.trials)
        if best is None:
            reasons = {row["reason"] for row in self.leaderboard if row["reason"]}
            raise RunError(
                f"no trial of {self.path} has finished" + (":\n  " + "\n  ".join(sorted(reasons)) if reasons else "")
            )
        return best

    @property
    def best(self) -> Path:
        """The run folder of the best trial, which everything else opens.

        Raises:
            RunError: no trial has finished, or the best one was trained on another machine.
        """
        trial = self.best_trial
        run = self.path / run_name(trial)
        if not run.is_dir():
            host = trial.user_attrs[OWNER]["host"]
            raise RunError(
                f"the best trial, {trial.number}, was trained on {host}, and its run {run.name} is not in {self.path}; "
                "copy it here"
            )
        return run

    @cached_property
    def importance(self) -> dict[str, float]:
        """Share of each field in what tells the best tenth of the trials from the others, the greatest first.

        PED-ANOVA; empty for fewer than ``LEAST_FOR_IMPORTANCE`` finished trials, see ``field_importance``.
        """
        return field_importance(self.trials, self.space)

    @cached_property
    def winner_interval(self) -> LossInterval | None:
        """How much lower the best run's loss is than its rival's on the test span, with its interval; None: no test.

        Nothing was chosen by the test span, so the winner's test result is not flattered by the search.

        Raises:
            RunError: no trial has finished, or the winner's run cannot be loaded.
            DataError: the bars are gone or were revised, or a study of a frame was loaded without it.
        """
        from nextbar.inference.evaluator import evaluate

        config = self.config(self.best_trial)
        if self._bars is None:
            span = evaluate(self.best).spans["test"]
        else:
            dates = config.dataset_config.initial_date, config.dataset_config.final_date
            bars = hold(self.best, [series.between(*dates) for series in self._bars(config)]).bars
            span = evaluate(self.best, bars, tickers=config.scored_tickers).spans["test"]
        return loss_interval(span.scorer, span.forecast)

    @property
    def tried(self) -> str:
        """How many configurations were tried, and what that means for the winner, in words."""
        ended = [trial for trial in self.trials if trial.state.is_finished()]
        count = {name: sum(trial.state == state for trial in ended)
                 for name, state in (("finished", TrialState.COMPLETE), ("pruned", TrialState.PRUNED),
                                     ("failed", TrialState.FAIL))}  # fmt: skip
        counts = ", ".join(f"{n} {name}" for name, n in count.items() if n)
        tried = f"{len(ended)} configurations were tried ({counts})."
        if not count["finished"]:
            return f"{tried} None has finished, so there is no winner."
        return (
            f"{tried} Validation chose, so the winner's validation score is flattered, the more the more were tried; "
            "the test span was never looked at."
        )

    @property
    def sureness(self) -> str:
        """How much lower the winner's loss is on the test span, with its interval, in words; or why there is none."""
        try:
            interval = self.winner_interval
        except (NextbarError, OSError) as error:  # bars that are gone
            return f"No interval: {error}"
        return (
            interval.in_words()
            if interval
            else "No interval: there are too few windows, a ticker has no baseline, or an error is not finite."
        )

    @cached_property
    def luck(self) -> Luck | str:
        """How likely luck alone makes a winner as good on validation; or why that cannot be said, in words."""
        return winner_luck(self.path, self.trials, Task.of(self.config(self.best_trial)).horizon)

    @property
    def luck_in_words(self) -> str:
        """One sentence."""
        return (
            f"Whether it is luck cannot be said: {self.luck}." if isinstance(self.luck, str) else self.luck.in_words()
        )

    def show(self, out: Console | None = None) -> None:
        """Print the leaderboard, and the lines under it.

        Args:
            out: where to; None: standard error, as all of nextbar's messages.
        """
        out = out or console()
        print_whole(out, leaderboard_table(self.leaderboard, self.space), keys=2)
        for line in self.lines():
            out.print(line, markup=False, highlight=False, soft_wrap=True)

    def lines(self) -> Sequence[str]:
        """The lines under the leaderboard: trials tried, the winner on the test span, importances."""
        lines = [self.tried]
        if any(trial.state == TrialState.COMPLETE for trial in self.trials):
            try:
                report = read_summary(self.best)["metrics"].get("test")
                test = [f"Winner on the test span: {report['verdict']}", self.sureness] if report else []
                lines += test or ["The winner has no test span."]
                lines.append(self.luck_in_words)
            except RunError as error:
                lines.append(str(error))
        if self.importance:
            shares = ", ".join(f"{name} {share:.0%}" for name, share in self.importance.items())
            lines.append(f"Importance (PED-ANOVA, on validation): {shares}")
        return lines

    def config(self, trial: FrozenTrial) -> ExperimentConfig:
        """The experiment of a trial."""
        return self.space.config(trial.params)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickles: opened anew in its folder, so that no pickle holds a connection or a database's password."""
        return Study.load, (self.path, None, self._bars)

    @property
    def history(self) -> pd.DataFrame:
        """The trials in the order drawn as a pandas frame, a row for each, with the columns of ``leaderboard.csv``."""
        import pandas as pd

        rows: list[Row] = sorted(self.leaderboard, key=lambda row: row["trial"])
        return pd.DataFrame(rows)

    def _title(self) -> str:
        return str(self.path)

    def _headline(self) -> str:
        best = best_of(self.trials)
        if best is None:
            return self.tried
        row = row_of(best, self.space)
        leading = Task.of(self.config(best)).leading
        words = f"{len(self.trials)} trials, best is trial {best.number}: ranking score {rounded(row['ranking_score'])}"
        if row["test"] is None:
            return words
        rival = row["strongest"] or "the baseline"
        held = row["test_strongest" if row["strongest"] else "test_baseline"]
        skill = "" if row["test_skill"] is None else f", skill {signed(row['test_skill'])}"
        return (
            f"{words}; test: {leading} {rounded(row['test'])} beside {rounded(held) or 'undefined'} of {rival}{skill}"
        )

    def _scores(self) -> tuple[Sequence[str], Sequence[Sequence[Child]]]:
        return leaderboard_cells(self.leaderboard, self.space, FEW)

    def _chart(self) -> Figure | None:
        best = best_of(self.trials)
        mode = None if best is None else Task.of(self.config(best)).output_mode
        return None if mode is None else history_figure(self.leaderboard, neutral_score(mode))
