"""A run's dataset: from checked bars to the windows of three spans, and what is fitted on the first of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars, fingerprint
from nextbar.bars.calendar import Calendar
from nextbar.bars.naming import Naming
from nextbar.bars.record import SeriesRecord
from nextbar.config import ExperimentConfig
from nextbar.data.covariates import pool_covariates
from nextbar.data.description import describe
from nextbar.data.features import FeatureSet, empty_features, with_all_columns
from nextbar.data.indicators import add_indicators
from nextbar.data.origins import late_origins, moves_in_training, moves_until, window_origins
from nextbar.data.panel import Panel
from nextbar.data.preparation import Preparation, fit_spreads
from nextbar.data.range_har.ranges import range_variances
from nextbar.data.roles import Roles, within_dates
from nextbar.data.series_fit import fit_series, training_calendars
from nextbar.data.splits import Cuts, require_length, require_windows
from nextbar.data.start import RangeStart
from nextbar.data.targets import realised
from nextbar.data.window_spec import LAYOUT, WindowSpec
from nextbar.data.windows import Tape
from nextbar.machine.long_arrays import in_threads
from nextbar.metrics.reference import enough_moves, least_bars
from nextbar.metrics.task import Task
from nextbar.types import Outcomes

LARGEST_RANGE = 4.0
"""of a log range variance beside the start's, 55 times as much or little"""

SPANS = ("training", "validation", "test")


@dataclass(frozen=True, eq=False)
class Dataset:
    """The series of a run, their windows by span, and what was fitted on the training span."""

    bars: tuple[Bars, ...]
    calendars: tuple[Calendar, ...]
    cuts: Cuts
    preparation: Preparation
    origins: dict[str, np.ndarray]
    """row of the last known bar of every window of a span, over all series end to end"""
    history_N: np.ndarray
    """rows whose next H bars close in the training span, whatever their context, of every series, also those that are
    only scored: what baselines are fitted on, see ``baseline_history``"""
    scored: tuple[bool, ...]
    trained: tuple[bool, ...]
    learnt: tuple[bool, ...]
    """trained, with windows to learn from and moves enough that baselines learn from them too"""
    late: dict[str, int]
    """series that were not trained and have too few bars before their first windows to fit rivals on: name -> when the
    last known bar of the first window that is scored closes"""
    dropped: dict[str, list[str]]
    """features that some series lack in the training span, so that none has them: name -> those series"""
    used: tuple[Bars, ...]
    """the bars within the dates asked for, with the columns of their source that are used: what the run is named by"""

    ranges_ahead: bool
    """whether training looks at the range variance of the bars ahead"""

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the bars that are used."""
        return fingerprint(self.used)

    @cached_property
    def records(self) -> tuple[SeriesRecord, ...]:
        """Records of the bars that are used, which are saved with the run."""
        return tuple(in_threads(SeriesRecord.of, self.used))

    @cached_property
    def panel(self) -> Panel:
        """All series end to end."""
        return self.preparation.panel(self.bars)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the series in reports."""
        return self.panel.names

    def tape(self) -> Tape:
        """The bars as arrays for the device."""
        tape = self.preparation.tape(self.bars, self.preparation.series)
        return tape._replace(range_RH=self._range_labels(tape.start_RHX[..., 1])) if self.ranges_ahead else tape

    def _range_labels(self, log_scale_RH: np.ndarray) -> np.ndarray:
        """Log range variance of the bars ahead over the start's variance, less its mean in each series; (R, H).

        Of training windows; 0 elsewhere. Within ``LARGEST_RANGE``: a bar without a range has no logarithm. Whether a
        later price is above zero must not count, so the variances are taken bar by bar.
        """
        origin_N = self.origins["training"]
        variance_R = self.panel.per_bar(lambda b: range_variances(b.columns))
        ratio_NH = realised(variance_R, origin_N, self.panel.horizon) / np.exp(2.0 * log_scale_RH[origin_N])
        log_NH = np.log(np.maximum(ratio_NH, np.exp(-2 * LARGEST_RANGE)))
        series_N = self.panel.series_R[origin_N]
        for s in np.unique(series_N):
            log_NH[series_N == s] -= log_NH[series_N == s].mean(axis=0)
        label_RH = np.zeros(log_scale_RH.shape, np.float32)
        label_RH[origin_N] = np.clip(log_NH, -LARGEST_RANGE, LARGEST_RANGE)
        return label_RH

    def outcomes(self, span: str) -> Outcomes:
        """What happened after the origins of a span."""
        return self.outcomes_at(self.origins[span])

    def outcomes_at(self, origin_N: np.ndarray) -> Outcomes:
        """What happened after the given rows."""
        return self.panel.outcomes(origin_N)

    def training_closes(self) -> list[np.ndarray]:
        """Closes of each series before the first cut."""
        return [b.columns["close"][: np.searchsorted(b.close_time_N, self.cuts.training_end)] for b in self.bars]

    def baseline_history(self, span: str) -> tuple[np.ndarray, list[np.ndarray]]:
        """Rows of the moves over H bars, and the closes of each series, that the baselines of a span are fitted on.

        Those before the first cut; of a series that is not ``learnt`` its own up to its first origin in the span.
        """
        rows, closes = [], self.training_closes()
        if all(self.learnt):
            return self.history_N, closes
        for s, (b, calendar, learnt) in enumerate(zip(self.bars, self.calendars, self.learnt, strict=True)):
            origin_N = self.panel.within(self.origins[span], s)
            if learnt or not len(origin_N):
                rows.append(self.panel.within(self.history_N, s))
            else:
                origin = int(origin_N.min())
                rows.append(moves_until(b, calendar, self.panel.horizon, origin))
                closes[s] = b.columns["close"][: origin + 1]
        return self.panel.join(rows), closes

    def scored_digest(self) -> str:
        """Hash of the closes from the validation cut on of the scored series, whatever the model sees of them."""
        scored = []
        for b, is_scored in zip(self.bars, self.scored, strict=True):
            if is_scored:
                late = b.close_time_N >= self.cuts.validation
                scored.append(Bars(b.ticker, b.resolution, b.time_N[late], {"close": b.columns["close"][late]}))
        return hashlib.sha256(f"{self.cuts} {fingerprint(scored)}".encode()).hexdigest()[:10]

    def describe(self) -> dict[str, Any]:
        """Series, cuts and windows in plain values, for the summary."""
        return describe(self)


def build_dataset(
    config: ExperimentConfig, bars: Sequence[Bars], cuts: Cuts | None = None, layout: int = LAYOUT
) -> Dataset:
    """Split, fit and window the series of an experiment.

    Args:
        config: the experiment.
        bars: its series.
        cuts: where validation and test begin, instead of where the configuration's shares put them. With the test
            cut after the last bar there is no test; with both, everything is training and nothing is scored.
        layout: of the windows; that of an earlier run where it is trained once more.

    Raises:
        DataError: a series without bars in the dates asked for, a span without windows, a series whose statistics
            cannot be fitted.
    """
    dataset = config.dataset_config
    source = [within_dates(b, dataset) for b in bars]
    bars = [add_indicators(b, dataset.indicators or ()) for b in source]
    require_length(bars, dataset.seq_len, dataset.horizon)
    roles = Roles.of(config, bars, cuts)
    calendars = training_calendars(bars, roles.n_train, dataset.calendar, dataset.timezone)
    empty = empty_features(dataset, bars, roles.n_train)
    spec = WindowSpec.of(dataset, bars, empty, layout, roles.n_train)
    bars = [with_all_columns(b, spec.volumes, empty) for b in bars]
    n_learnt = [n if is_trained else 0 for n, is_trained in zip(roles.n_train, roles.trained, strict=True)]
    covariates = pool_covariates(bars, n_learnt, spec.covariates)
    fits, spread_SGN = fit_series(bars, roles.n_train, calendars, spec, dataset.norm_mode)
    windows = in_threads(lambda b, calendar: window_origins(b, calendar, spec, roles.cuts), bars, calendars)
    require_windows(
        bars,
        windows,
        roles.cuts,
        trained=roles.trained,
        scored=roles.scored,
        seq_len=spec.seq_len,
        horizon=spec.horizon,
        columns=spec.required,
    )
    late = [
        None if is_trained or not is_scored else _begin_late(b, own, least_bars(Task.of(config)))
        for b, own, is_trained, is_scored in zip(bars, windows, roles.trained, roles.scored, strict=True)
    ]
    learnt_from = _of_span(windows, "training", roles.trained)
    spreads = fit_spreads(spread_SGN, fits, learnt_from, spec)
    del spread_SGN  # as large as several columns of the bars
    start = RangeStart.fit(config, bars, roles.n_train, calendars, roles.trained)
    spec = spec.started(start, config)
    preparation = Preparation(
        spec, roles.first_time, roles.last_time, fits, Naming.of(dataset), spreads, start, covariates
    )
    panel = preparation.panel(bars)
    moves = in_threads(lambda b, calendar: moves_in_training(b, calendar, spec.horizon, roles.cuts), bars, calendars)
    moves_S = np.array([len(own) if len(rows) else 0 for own, rows in zip(moves, learnt_from, strict=True)])
    features = replace(FeatureSet.of(dataset), volumes=spec.volumes)
    return Dataset(
        bars=tuple(bars),
        calendars=calendars,
        cuts=roles.cuts,
        preparation=preparation,
        origins={
            span: panel.join(_of_span(windows, span, roles.trained if span == "training" else roles.scored))
            for span in SPANS
        },
        history_N=panel.join(moves),
        scored=roles.scored,
        trained=roles.trained,
        learnt=tuple((enough_moves(moves_S, spec.horizon) & (moves_S > 0)).tolist()),
        late={name: time for name, time in zip(panel.names, late, strict=True) if time is not None},
        dropped={name: lacking for name, lacking in empty.items() if len(lacking) < sum(n > 0 for n in roles.n_train)},
        used=tuple(map(features.of_source, source)),
        ranges_ahead=config.range_loss > 0,
    )


def _begin_late(bars: Bars, windows: dict[str, np.ndarray], least: int) -> int | None:
    """Leave out scored windows of a series before which it has too few bars to fit rivals on.

    Returns:
        When the last known bar of the first one left closes; None where all windows stay.
    """
    begin = None
    for span in ("validation", "test"):
        late_N = late_origins(windows[span], least)
        if len(late_N) < len(windows[span]):
            begin, windows[span] = int(bars.close_time_N[late_N[0]]), late_N
    return begin


def _of_span(windows: Sequence[dict[str, np.ndarray]], span: str, used: Sequence[bool]) -> list[np.ndarray]:
    """Origins of a span of each series; none of those that are not used in it."""
    return [origins[span] if is_used else origins[span][:0] for origins, is_used in zip(windows, used, strict=True)]
