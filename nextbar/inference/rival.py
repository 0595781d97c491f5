"""The rivals of a run: those that it has written down, or fitted anew on its own training bars; and its own start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nextbar.bars.dates import iso
from nextbar.bars.new_bars import own_bars
from nextbar.bars.series import series_tickers
from nextbar.baselines.rivals import Rival, strongest_rival
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.data.panel import Panel
from nextbar.data.series_fit import SeriesFit
from nextbar.errors import DataError, NextbarError
from nextbar.inference.forecaster import Forecaster
from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import START, FreeForecast, Scorer
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
    """A scorer that holds forecasts against the rivals too; a notice where the strongest cannot forecast the series.

    A series that the run did not train is held against rivals that are fitted on its own bars before its first window.
    """
    if rival is None:
        return scorer, ""
    calendars = [fit.calendar for fit in fits]
    try:
        return rival.with_own(panel, calendars, origin_N).beside(scorer, panel, calendars, origin_N), ""
    except DataError as error:
        return scorer, f"{ALONE}: {error}"


def beside_start(
    scorer: Scorer,
    rival: Rival | None,
    forecaster: Forecaster,
    panel: Panel,
    fits: Sequence[SeriesFit],
    origin_N: np.ndarray,
) -> Scorer:
    """A scorer whose verdicts are over the network's own start as well, where the run has written that down."""
    if rival is None or not rival.start:
        return scorer
    forecast = forecaster.untrained(rival.start).forecast(panel.bars, fits, origin_N)
    return scorer.held_against(scorer.participant(FreeForecast(*START, forecast)))


def without_others(rival: Rival | None) -> str:
    """A notice on a run whose verdict is over fewer forecasts than it would be today; empty for other runs."""
    if rival is None or rival.is_complete:
        return ""
    return (
        f"held against {rival.words} and the plain baseline alone, because the run is of a version that kept no other "
        "rival and not its own start; train it anew for a verdict over all of them"
    )


def scored_origins(rival: Rival | None, panel: Panel, origin_N: np.ndarray, span: str) -> tuple[np.ndarray, list[str]]:
    """The windows that are scored, and notices on series whose first ones are not.

    A series that the run did not train is scored once it has bars enough to fit rivals on. Where it never has, all of
    its windows are scored, without a verdict.

    Args:
        rival: of the run.
        panel: the series, each from its first bar that is known.
        origin_N: rows of the windows' last known bars.
        span: ``validation`` or ``test``.
    """
    if rival is None or rival.baseline is None:
        return origin_N, []
    parts, notices = [], []
    for s, bars in enumerate(panel.bars):
        own_N = panel.within(origin_N, s)
        late_N = rival.scored(bars, own_N)
        if len(late_N) < len(own_N):
            since = iso(int(bars.close_time_N[late_N[0]]))[:10]
            notices.append(f"{panel.names[s]} is scored from {since} on in {span}, so that rivals could be fitted")
            own_N = late_N
        parts.append(own_N)
    return panel.join(parts), notices
