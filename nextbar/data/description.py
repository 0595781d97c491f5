"""A dataset in plain values: its series, cuts and windows, and what empty values cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.dates import iso
from nextbar.data.closed_bars import closed_bars
from nextbar.data.indicators import is_computed
from nextbar.data.origins import known_ahead
from nextbar.data.splits import whole_windows
from nextbar.data.window_spec import WindowSpec
from nextbar.machine.long_arrays import in_threads

if TYPE_CHECKING:
    from nextbar.data.dataset import Dataset


def describe(dataset: Dataset) -> dict[str, Any]:
    """Series, cuts and windows of a dataset, JSON-able, for a run's summary."""
    panel, spec = dataset.panel, dataset.preparation.spec
    training_windows_S = np.diff(np.searchsorted(dataset.origins["training"], panel.starts))  # rows ascend
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
                "notices": [*b.notices, *filter(None, [calendar.outside_notice(b.time_N)])],
                "outside": int(calendar.outside(b.time_N).sum()),
                **lost,
            }
            for name, b, calendar, trained, scored, windows, lost in zip(
                panel.names,
                dataset.bars,
                dataset.calendars,
                dataset.trained,
                dataset.scored,
                training_windows_S,
                in_threads(lambda b, calendar: lost_windows(b, calendar, spec), dataset.bars, dataset.calendars),
                strict=True,
            )
        ],
        "features": list(spec.columns),
        "indicators": list(spec.indicators),
        "dropped_features": dataset.dropped,
        "scored_late": {name: iso(time) for name, time in dataset.late.items()},
        "empty_values": spec.empty_values,
        "context_len": spec.context_len,
        "contexts_short": {resolution: _short_contexts(dataset, resolution) for resolution in spec.contexts},
        "until": iso(max(int(b.close_time_N[-1]) for b in dataset.bars)),
        "validation_from": iso(dataset.cuts.validation),
        "test_from": iso(dataset.cuts.test),
        "windows": {span: len(rows) for span, rows in dataset.origins.items()},
    }


def _short_contexts(dataset: Dataset, resolution: str) -> int:
    """Training windows beside which there are fewer closed bars of a longer resolution than asked for."""
    spec = dataset.preparation.spec
    known_S = [
        closed_bars(b, calendar, resolution, spec).known_N
        for b, calendar in zip(dataset.bars, dataset.calendars, strict=True)
    ]
    known_N = np.concatenate(known_S)[dataset.origins["training"]]
    return int((known_N < spec.context_len).sum())


def lost_windows(bars: Bars, calendar: Calendar, spec: WindowSpec) -> dict[str, Any]:
    """What empty values in the source cost a series; the first bars of computed indicators are no loss.

    Returns:
        ``empty_bars``: by column that the model sees, in how many bars it is empty, where it is in any; ``filled``:
        those of these columns for whose values something stands in; ``windows_lost``: how many windows, of all spans
        together, are left out for the others.
    """
    names = (*spec.columns, *spec.singles)
    empty = {name: _empty(bars.columns[name], is_computed(name)) for name in names}
    empty = {name: empty_N for name, empty_N in empty.items() if empty_N.any()}
    filled = [name for name in empty if name not in spec.required]
    costly = [empty_N for name, empty_N in empty.items() if name in spec.required]
    hole_N = calendar.hole_before(bars.time_N)
    whole_N = whole_windows(hole_N, spec.seq_len, spec.horizon)
    used_N = whole_windows(hole_N, spec.seq_len, spec.horizon, ~np.any(costly, axis=0)) if costly else whole_N
    if spec.known_ahead:
        used_N = used_N & known_ahead(bars, calendar, spec)
    return {
        "empty_bars": {name: int(empty_N.sum()) for name, empty_N in empty.items()},
        "filled": filled,
        "windows_lost": int(whole_N.sum() - used_N.sum()),
    }


def _empty(value_N: np.ndarray, computed: bool) -> np.ndarray:
    """bool (N,): NaN; of a computed column only after its first value."""
    empty_N = np.isnan(value_N)
    return empty_N & (np.cumsum(~empty_N) > 0) if computed else empty_N
