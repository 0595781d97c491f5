"""``Trainer``: trains and scores one experiment."""

from __future__ import annotations

from typing import Any, Unpack

from nextbar.arguments import strict_arguments
from nextbar.bars.bars import Bars
from nextbar.bars.columns import FrameNames
from nextbar.bars.series import series_of
from nextbar.config import ExperimentConfig
from nextbar.config.experiment import Experiment
from nextbar.data.dataset import build_dataset
from nextbar.machine.compilation import bound_arenas
from nextbar.machine.hosts import leads
from nextbar.storage.bucket import require_writable
from nextbar.tables import closing_table
from nextbar.train.announcement import suggest_exchanges
from nextbar.train.loop import train_together
from nextbar.train.result import Plan, Result, Watch

__all__ = ["Plan", "Result", "Trainer", "Watch"]


@strict_arguments
class Trainer:
    """Trains and scores one experiment.

    Args:
        config: the experiment: a configuration, a mapping of its fields, or a YAML file.
        bars: a pandas or polars frame (long, or of a single series) instead of files under ``datapath``; or ``Bars``
            that have been read.
        plan: cuts and epochs that are not the configuration's.
        show: progress bar and closing table; None: the table where ``nextbar`` logs at INFO, the bar if that is on
            a terminal.
        watch: looks on after each epoch and may end the training.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.
    """

    def __init__(
        self,
        config: Experiment,
        bars: Any = None,
        *,
        plan: Plan | None = None,
        show: bool | None = None,
        watch: Watch | None = None,
        **names: Unpack[FrameNames],
    ) -> None:
        self.config = ExperimentConfig.of(config)
        self._names = names
        self._bars = bars
        self._plan = plan or Plan()
        self._show = show
        self._watch = watch

    def train_and_evaluate(self, overwrite: bool = False) -> Result:
        """Train, or go on with an interrupted training; a finished one is reported as it is.

        Args:
            overwrite: throw an earlier run of this configuration on these bars away first.

        Raises:
            NextbarError: bars or folder that cannot be used; the message says what to do.
            TrainingInterrupted: Ctrl-C; the state after the last whole epoch is saved.
        """
        bound_arenas()  # what reading and fitting free goes back to the system
        require_writable(self.config.log_dir)
        series = self.read()
        dataset = build_dataset(self.config, series, self._plan.cuts, self._plan.layout)
        (result,) = train_together(
            [self.config], dataset, plan=self._plan, watches=[self._watch], show=self._show, overwrite=overwrite
        )
        if leads() and self.config.dataset_config.calendar == "auto":
            suggest_exchanges(dataset)
        closing_table(result.metrics, show=self._show if leads() else False)
        return result

    def read(self) -> list[Bars]:
        """The checked series.

        Raises:
            DataError: bars that cannot be used.
            ConfigError: names of columns, but no frame.
        """
        return series_of(self.config, self._bars, **self._names)
