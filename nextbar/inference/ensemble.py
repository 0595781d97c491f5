"""Deep ensembles: the forecasts of several runs on the same bars, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.data.preparation import SeriesFit
from nextbar.errors import ConfigError, RunError
from nextbar.forecasts.mixture import mixture
from nextbar.inference.forecaster import Forecaster
from nextbar.metrics.conformal import Conformal, require_distribution
from nextbar.runs.records import read_cuts
from nextbar.types import Forecast


class Ensemble(Forecaster):
    """Forecasts of several runs as one; see ``forecasts.mixture``. ``predict`` is that of a ``Forecaster``.

    ``run_dir``, ``epoch`` and ``epochs`` are of the first run.

    Args:
        members: forecasters of runs trained on the same bars for the same task, at least one. They may differ in
            architecture, hyper-parameters, seed and normalisation.

    Raises:
        RunError: runs whose windows, training spans or cuts differ.
    """

    def __init__(self, members: Sequence[Forecaster]) -> None:
        first = members[0]
        for other in members[1:]:
            _require_same(first, other)
        self.members = tuple(members)
        self.config, self.preparation, self.task = first.config, first.preparation, first.task
        self.run_dir, self.epoch, self.epochs = first.run_dir, first.epoch, first.epochs

    @classmethod
    def load(
        cls, path: str | Path | Sequence[str | Path], epoch: int | None = None, *, run: str | None = None
    ) -> Ensemble:
        """Open several run folders.

        Args:
            path: the folders; an experiment's folder stands for its run, as for a ``Forecaster``.
            epoch: one of the epochs that each of them kept; None: the best of each.
            run: name of another run of the experiment, where there is one folder.

        Raises:
            ConfigError: no folder, or ``run`` beside several.
            RunError: a folder that cannot be loaded (see ``Forecaster.load``), or runs that do not go together.
        """
        paths = [path] if isinstance(path, str | Path) else list(path)
        if not paths:
            raise ConfigError("an ensemble needs at least one run; found none")
        if run is not None and len(paths) > 1:
            raise ConfigError(f"run names one run of one experiment, but {len(paths)} folders are given")
        return cls([Forecaster.load(one, epoch, run=run) for one in paths])

    @property
    def params(self) -> Any:
        """Each member's parameters."""
        return [member.params for member in self.members]

    def forecast(self, bars: Sequence[Bars], fits: Sequence[SeriesFit], origin_N: np.ndarray) -> Forecast:
        """As ``Forecaster.forecast``: every member's, averaged."""
        return mixture([member.forecast(bars, fits, origin_N) for member in self.members])

    def conformal(self) -> Conformal:
        """There is none.

        Raises:
            DataError: the mode is not ``distribution``.
            RunError: always otherwise.
        """
        require_distribution(self.task)
        raise RunError(
            "validation residuals are kept of single runs and not of an ensemble; leave conformal out, or load one run"
        )


def _require_same(first: Forecaster, other: Forecaster) -> None:
    """Refuse a run that sees, learnt from or is asked something else."""
    mine, others = (replace(f.config.dataset_config, datapath=".", norm_mode="none").to_dict() for f in (first, other))
    differing = [
        f"dataset_config.{name}: {mine[name]} and {others[name]}" for name in mine if mine[name] != others[name]
    ]
    tails = [f.config.model_config.tail for f in (first, other)]
    if first.task.output_mode == "distribution" and tails[0] != tails[1]:
        differing.append(f"model_config.tail: {tails[0]} and {tails[1]}")
    differing += _cuts_apart(first, other)
    layouts = [f.preparation.spec.layout for f in (first, other)]
    if layouts[0] != layouts[1]:
        differing.append(f"the layout of their windows: {layouts[0]} and {layouts[1]} (1 is of an earlier nextbar)")
    if not differing and first.preparation.to_dict() != other.preparation.to_dict():
        differing.append("the bars of their training spans")
    if differing:
        raise RunError(
            f"{first.run_dir} and {other.run_dir} cannot be averaged: they differ in {'; '.join(differing)}. "
            "The runs of an ensemble are trained and chosen on the same bars for the same task"
        )


def _cuts_apart(first: Forecaster, other: Forecaster) -> list[str]:
    """The spans that begin elsewhere: one run would have been chosen by bars that the other is scored on."""
    if first.run_dir is None or other.run_dir is None:  # models without a run, which are not scored
        return []
    mine, others = read_cuts(first.run_dir), read_cuts(other.run_dir)
    starts = (("validation", mine.validation, others.validation), ("test", mine.test, others.test))
    return [f"where {span} begins: {iso(a)} and {iso(b)}" for span, a, b in starts if a != b]
