"""The strongest simple rival of a run: the one that it has written down, or fitted anew on its own training bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nextbar.bars.new_bars import own_bars
from nextbar.bars.series import series_tickers
from nextbar.baselines.rivals import Rival, strongest_rival
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.data.panel import Panel
from nextbar.data.series_fit import SeriesFit
from nextbar.errors import DataError, NextbarError
from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.runs.bars import hold
from nextbar.runs.records import read_cuts, read_preparation, read_rival
from nextbar.runs.summary import read_summary

ALONE = "scored beside the plain baseline alone"


def rival_of(run_dir: Path, fit: Path, config: ExperimentConfig, own: bool) -> tuple[Rival | None, str]:
    """The rival of a run, and a notice where there is none; runs of earlier versions have written none down.

    Args:
        run_dir: its folder.
        fit: folder of the fit that it forecasts with.
        config: its configuration.
        own: whether its own bars are at hand, so that a rival can be fitted anew.

    Raises:
        RunError: the record is damaged.
    """
    task = Task.of(config)
    plain = read_rival(fit)
    if plain is not None:
        rival = Rival.from_dict(plain, task)
        return (rival, "") if rival.baseline else (None, f"{ALONE}: {'; '.join(plain['left_out'].values())}")
    if not own:
        return None, f"{ALONE}: the run is of a version without rivals, and its training bars are not at hand"
    try:
        return _fitted_anew(run_dir, fit, config, task), ""
    except NextbarError as error:
        return None, f"{ALONE}: the run is of a version without rivals, and none can be fitted ({error})"


def _fitted_anew(run_dir: Path, fit: Path, config: ExperimentConfig, task: Task) -> Rival:
    own = own_bars(config, series_tickers(config), read_summary(run_dir).get("datapath"))
    layout = read_preparation(run_dir).spec.layout
    dataset = build_dataset(config, hold(run_dir, own).bars, read_cuts(run_dir), layout)
    validation = None
    if len(dataset.origins["validation"]):
        row_N, closes = dataset.baseline_history("validation")
        reference = fit_reference(dataset.outcomes_at(row_N), closes, task, np.array(dataset.learnt))
        validation = Scorer(dataset.outcomes("validation"), reference, task)
    rival = strongest_rival(dataset, task, validation)
    return rival if fit == run_dir else rival.fitted(dataset, read_cuts(fit).training_end)


def beside_rival(
    scorer: Scorer, rival: Rival | None, panel: Panel, fits: Sequence[SeriesFit], origin_N: np.ndarray
) -> tuple[Scorer, str]:
    """A scorer that holds forecasts against the rival too, and a notice where the rival cannot forecast the series."""
    if rival is None:
        return scorer, ""
    try:
        strongest = rival.strongest(panel, [fit.calendar for fit in fits], origin_N, scorer.reference)
    except DataError as error:
        return scorer, f"{ALONE}: {error}"
    return scorer.beside(strongest), ""
