"""From checked bars to three spans of windows: who may see what, and the arrays the device needs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars, fingerprint
from nextbar.bars.calendar import Calendar, learn_together
from nextbar.bars.dates import iso
from nextbar.bars.naming import Naming
from nextbar.bars.record import SeriesRecord
from nextbar.bars.zone import UTC
from nextbar.config import ExperimentConfig
from nextbar.data.emptiness import lost_windows
from nextbar.data.features import empty_features, window_spec, with_all_columns
from nextbar.data.indicators import add_indicators
from nextbar.data.panel import Panel
from nextbar.data.preparation import Preparation, SeriesFit, fit_spreads
from nextbar.data.scaling import needs_training
from nextbar.data.selection import used_columns, within_dates
from nextbar.data.splits import Cuts, find_cuts, require_length, require_windows, spans, whole_windows
from nextbar.data.windows import LAYOUT, Tape, WindowSpec
from nextbar.errors import DataError
from nextbar.types import Outcomes

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
    """trained, with windows to learn from"""
    dropped: dict[str, list[str]]
    """features that some series lack in the training span, so that none has them: name -> those series"""
    used: tuple[Bars, ...]
    """the bars within the dates asked for, with the columns of their source that are used: what the run is named by"""

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the bars that are used."""
        return fingerprint(self.used)

    @cached_property
    def records(self) -> tuple[SeriesRecord, ...]:
        """What a run keeps of the bars that are used."""
        return tuple(map(SeriesRecord.of, self.used))

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
        return self.preparation.tape(self.bars, self.preparation.series)

    def outcomes(self, span: str) -> Outcomes:
        """What happened after the origins of a span."""
        return self.outcomes_at(self.origins[span])

    def outcomes_at(self, origin_N: np.ndarray) -> Outcomes:
        """What happened after the given rows."""
        return self.panel.outcomes(origin_N)

    def training_closes(self) -> list[np.ndarray]:
        """Closes of each series before the first cut."""
        return [b.columns["close"][b.close_time_N < self.cuts.training_end] for b in self.bars]

    def baseline_history(self, span: str) -> tuple[np.ndarray, list[np.ndarray]]:
        """Rows of the moves over H bars, and the closes of each series, that the baselines of a span are fitted on.

        Those before the first cut; of a series without training windows its own up to its first origin in the span.
        """
        rows, closes = [], self.training_closes()
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
        """Hash of the bars that validation and test are made of, whatever the model sees of them."""
        judged = []
        for b, wanted in zip(self.bars, self.scored, strict=True):
            if wanted:
                late = b.close_time_N >= self.cuts.validation
                judged.append(Bars(b.ticker, b.resolution, b.time_N[late], {"close": b.columns["close"][late]}))
        return hashlib.sha256(f"{self.cuts} {fingerprint(judged)}".encode()).hexdigest()[:10]

    def describe(self) -> dict[str, Any]:
        """Series, cuts and windows in plain values, for the summary."""
        return {
            "series": [
                {
                    "name": name,
                    "bars": len(b),
                    "first": iso(b.time_N[0]),
                    "last": iso(b.time_N[-1]),
                    "calendar": calendar.kind,
                    "timezone": calendar.timezone,
                    "holes": int(calendar.hole_before(b.time_N).sum()),
                    "trained": trained,
                    "scored": scored,
                    "training_windows": int(windows),
                    "notices": list(b.notices),
                    **lost_windows(b, calendar, self.preparation.spec),
                }
                for name, b, calendar, trained, scored, windows in zip(
                    self.names,
                    self.bars,
                    self.calendars,
                    self.trained,
                    self.scored,
                    np.bincount(self.panel.series_R[self.origins["training"]], minlength=len(self.bars)),
                    strict=True,
                )
            ],
            "features": list(self.preparation.spec.columns),
            "indicators": list(self.preparation.spec.indicators),
            "dropped_features": self.dropped,
            "until": iso(self.panel.close_time_R.max()),
            "validation_from": iso(self.cuts.validation),
            "test_from": iso(self.cuts.test),
            "windows": {span: len(rows) for span, rows in self.origins.items()},
        }


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
    source = [within_dates(b, config.dataset_config) for b in bars]
    bars = [add_indicators(b, dataset.indicators or ()) for b in source]
    require_length(bars, dataset.seq_len, dataset.horizon)
    whole = cuts is not None and all(b.close_time_N[-1] < cuts.validation for b in bars)
    scored = tuple(b.ticker in config.scored_tickers and not whole for b in bars)
    trained = tuple(b.ticker in dataset.tickers for b in bars)
    if cuts is None:
        pooled = [b.close_time_N for b, wanted in zip(bars, scored, strict=True) if wanted]
        cuts = find_cuts(pooled, config.test_split, config.validation_split)
    n_train = [int(np.searchsorted(b.close_time_N, cuts.training_end)) for b in bars]
    times = [b.close_time_N[:n] for b, n, wanted in zip(bars, n_train, trained, strict=True) if wanted and n]
    if not times:
        raise DataError(
            f"no bars of {', '.join(dataset.tickers)} close before the validation span ({iso(cuts.validation)}); "
            "nothing is left to train on: use earlier bars, other splits, or other tickers"
        )
    calendars = _calendars(bars, n_train, dataset.calendar, dataset.timezone)
    empty = empty_features(dataset, bars, n_train)
    spec = window_spec(dataset, bars, empty, layout)
    bars = [with_all_columns(b, spec, empty) for b in bars]
    fits = tuple(SeriesFit.fit(b, n, spec, calendar) for b, n, calendar in zip(bars, n_train, calendars, strict=True))
    _require_fits(fits, n_train, spec, dataset.norm_mode)
    windows = [
        spans(b.close_time_N, usable_origins(b, calendar, spec, spec.horizon), spec.horizon, cuts)
        for b, calendar in zip(bars, calendars, strict=True)
    ]
    require_windows(
        bars,
        windows,
        cuts,
        trained=trained,
        scored=scored,
        seq_len=spec.seq_len,
        horizon=spec.horizon,
        columns=spec.columns + spec.plain,
    )
    panel = Panel(tuple(bars), spec.horizon, Naming.of(dataset))
    origins = {s: _rows(s, windows, panel, trained if s == "training" else scored) for s in SPANS}
    learnt_from = [w["training"] if used else w["training"][:0] for w, used in zip(windows, trained, strict=True)]
    preparation = Preparation(
        spec,
        int(min(t[0] for t in times)),
        int(max(t[-1] for t in times)),
        fits,
        Naming.of(dataset),
        fit_spreads(bars, fits, learnt_from, spec),
    )
    moves = [
        spans(b.close_time_N, whole_windows(calendar.hole_before(b.time_N), 1, spec.horizon), spec.horizon, cuts)
        for b, calendar in zip(bars, calendars, strict=True)
    ]
    history_N = _rows("training", moves, panel, [True] * len(bars))
    return Dataset(
        tuple(bars),
        calendars,
        cuts,
        preparation,
        origins,
        history_N,
        scored,
        trained,
        tuple(len(rows) > 0 for rows in learnt_from),
        {name: lacking for name, lacking in empty.items() if len(lacking) < sum(n > 0 for n in n_train)},
        tuple(used_columns(b, dataset, spec.volumes) for b in source),
    )


def _calendars(bars: Sequence[Bars], n_train: Sequence[int], kind: str, timezone: str) -> tuple[Calendar, ...]:
    """Learnt from the training dates; a series that begins later takes the one of its resolution's first other."""
    times = [b.time_N[:n] for b, n in zip(bars, n_train, strict=True)]
    learnt = learn_together(times, [b.step for b in bars], kind, timezone)
    by_step = {b.step: found for b, found in reversed(list(zip(bars, learnt, strict=True))) if found}
    return tuple(
        found or by_step.get(b.step, Calendar.always(b.step, timezone=UTC if timezone == "auto" else timezone))
        for b, found in zip(bars, learnt, strict=True)
    )


def _require_fits(fits: Sequence[SeriesFit], n_train: Sequence[int], spec: WindowSpec, norm_mode: str) -> None:
    if not needs_training(norm_mode):
        return
    for fit, n in zip(fits, n_train, strict=True):
        unknown = [name for name, group in zip(spec.groups, fit.statistics, strict=True) if np.isnan(group.mean)]
        if (spec.returns or spec.target == "log_return") and np.isnan(fit.return_std):
            unknown.append("return")
        if n < 2 or unknown:
            what = f"no {' and no '.join(unknown)} is known" if n >= 2 else f"{n} bars are known"
            raise DataError(
                f"{fit.ticker}_{fit.resolution}: {what} before the validation span begins, but norm_mode {norm_mode} "
                "fits its statistics there, on at least 2 bars; use a window mode or leave the series out"
            )


def usable_origins(bars: Bars, calendar: Calendar, spec: WindowSpec, horizon: int) -> np.ndarray:
    """bool (N,): rows whose context has no hole and nothing empty, with ``horizon`` bars without a hole after them."""
    valid_N = ~np.isnan(np.stack([bars.columns[name] for name in spec.columns + spec.plain])).any(axis=0)
    return whole_windows(calendar.hole_before(bars.time_N), spec.seq_len, horizon, valid_N)


def moves_until(bars: Bars, calendar: Calendar, horizon: int, origin: int) -> np.ndarray:
    """Rows whose next ``horizon`` bars follow without a hole and are known at the row ``origin``."""
    rows = np.flatnonzero(whole_windows(calendar.hole_before(bars.time_N), 1, horizon))
    return rows[rows + horizon <= origin]


def _rows(span: str, windows: Sequence[dict[str, np.ndarray]], panel: Panel, wanted: Sequence[bool]) -> np.ndarray:
    """Origins of one span as rows over all series end to end."""
    return panel.join([w[span] if use else w[span][:0] for w, use in zip(windows, wanted, strict=True)])
