"""Replays the stages before training with other futures and reports every value before the cut that changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nextbar.auditing.episodes import Episode
from nextbar.auditing.futures import FUTURES
from nextbar.auditing.result import Leak, Stage
from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.data.dataset import SPANS, Dataset
from nextbar.data.indicators import add_indicators
from nextbar.data.panel import Panel
from nextbar.data.windows import Tape

ADVICE: dict[Stage, str] = {
    "bars": "its code looks at later rows: mend it, or leave the column out",
    "indicators": "the function in FORMULAS looks at later closes: compute the value of a bar from its close and "
    "earlier ones",
    "features": "what a window shows of a bar may come from that bar and earlier ones only",
    "normalisation": "what is fitted before training may come from bars before the validation span only",
    "splits": "which windows are trained on may not depend on later bars",
    "training": "training may see no bar from the validation span on",
    "selection": "the choice of epoch and rival may see no bar from the test span on",
    "prediction": "a forecast may see no bar after its origin",
}

OwnColumns = Callable[[Sequence[Bars]], Sequence[Bars]]
"""from bars without own columns to the bars that an experiment is trained on"""


def moved(stage: Stage, what: str, kind: str, cut: int, **where: Any) -> Leak:
    """The leak of a value that changed with another future.

    Args:
        stage: where.
        what: the beginning of the sentence.
        kind: of the future, see ``FUTURES``.
        cut: bars that close from here on were others.
        where: further fields of the leak.
    """
    text = f"{what} when the bars from {iso(cut)} on are others ({kind}); {ADVICE[stage]}"
    return Leak(stage, "moved", text, **where)


def replay_own_columns(bars: Sequence[Bars], make: OwnColumns, cut: int, rng: np.random.Generator) -> Iterator[Leak]:
    """Leaks in the code that makes own columns."""
    plain = {b.name: b for b in make(bars)}
    for kind, future in FUTURES.items():
        others = [b for b in (future(b, cut, rng) for b in bars) if len(b)]
        for b in make(others):
            yield from _moved_columns("bars", plain[b.name], b, list(b.columns), kind, cut)


def replay(episode: Episode) -> Iterator[Leak]:
    """Leaks in indicators, features, normalisation and splits."""
    plain, cut, names = episode.dataset(), episode.cuts.validation, episode.config.dataset_config.indicators or ()
    yield from shared_bars(plain)
    for kind in FUTURES:
        for b, other in zip(episode.bars, episode.bars_of(kind, cut), strict=True):
            yield from _moved_columns(
                "indicators", add_indicators(b, names), add_indicators(other, names), names, kind, cut
            )
        dataset = episode.dataset(kind, cut)
        yield from _moved_features(plain, dataset, kind, cut)
        first, second = plain.preparation.to_dict(), dataset.preparation.to_dict()
        for path, value, other_value in differences(first, second):
            what = f"{path} is {value!r} and becomes {other_value!r}"
            yield moved("normalisation", what, kind, cut, column=path, time=cut)
            break
        yield from _moved_windows(plain, dataset, "training", kind, cut)


def shared_bars(dataset: Dataset) -> Iterator[Leak]:
    """Spans that share labels, or that are not one after the other."""
    panel, cuts = dataset.panel, dataset.cuts
    limits: dict[str, tuple[int | None, int | None]] = {
        "training": (None, cuts.training_end),
        "validation": (cuts.validation, cuts.validation_end),
        "test": (cuts.test, None),
    }
    for span in SPANS:
        begin, end = limits[span]
        origin_N = dataset.origins[span]
        label_NH = panel.close_time_R[origin_N[:, None] + np.arange(1, panel.horizon + 1)]
        bad_N = np.zeros(len(origin_N), bool)
        if begin is not None:
            bad_N |= (label_NH < begin).any(axis=1)
        if end is not None:
            bad_N |= (label_NH >= end).any(axis=1)
        if bad_N.any():
            row = origin_N[np.argmax(bad_N)]
            yield Leak(
                "splits",
                "moved",
                f"{int(bad_N.sum()):,} of {len(origin_N):,} {span} windows have labels outside their span (first: "
                f"origin {iso(panel.close_time_R[row])}): spans that overlap, or were shuffled; cut by time, and drop "
                "windows whose labels straddle a cut",
                series=panel.names[panel.series_R[row]],
                time=int(panel.close_time_R[row]),
                amount=float(bad_N.mean()),
            )


def differences(first: Any, second: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, value, other value) of each leaf of two plain trees that differs."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in dict.fromkeys((*first, *second)):
            yield from differences(first.get(key), second.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        for i, (value, other) in enumerate(zip(first, second, strict=True)):
            yield from differences(value, other, f"{path}[{i}]")
    elif first != second and not (first is not None and first != first and second != second):
        yield path, first, second


def _moved_columns(stage: Stage, bars: Bars, other: Bars, names: Sequence[str], kind: str, cut: int) -> Iterator[Leak]:
    """Columns of one series whose values before the cut differ."""
    n_before = int(np.searchsorted(bars.close_time_N, cut))
    if not np.array_equal(bars.time_N[:n_before], other.time_N[:n_before]):
        yield moved(stage, f"the dates of {bars.name} are others", kind, cut, series=bars.name)
        return
    for name in names:
        value_N = bars.columns[name][:n_before]
        other_N = other.columns.get(name, np.full(n_before, np.nan))[:n_before]
        changed_N = ~np.isclose(value_N, other_N, rtol=1e-9, atol=1e-12, equal_nan=True)
        if changed_N.any():
            first, time = int(np.argmax(changed_N)), bars.close_time_N
            amount = relative(value_N[first], other_N[first])
            what = (
                f"{name} of {bars.name} is another in {int(changed_N.sum()):,} bars, first in the one that closes at "
                f"{iso(time[first])} ({value_N[first]:.6g} becomes {other_N[first]:.6g}, "
                f"{n_before - first} bars before),"
            )
            yield moved(stage, what, kind, cut, series=bars.name, column=name, time=int(time[first]), amount=amount)


def _moved_features(plain: Dataset, other: Dataset, kind: str, cut: int) -> Iterator[Leak]:
    """Series whose rows on the tape differ before the cut; the labels of a window are no features."""
    arrays, other_arrays = (_by_row(dataset.tape()) for dataset in (plain, other))
    for name, array_R, other_R in ((name, arrays[name], other_arrays[name]) for name in arrays):
        for s, b in enumerate(plain.bars):
            n_before = int(np.searchsorted(b.close_time_N, cut))
            starts = [d.panel.starts[s] for d in (plain, other)]
            value_N, other_N = (
                np.reshape(a[start : start + n_before], (n_before, -1))
                for a, start in zip((array_R, other_R), starts, strict=True)
            )
            if value_N.shape != other_N.shape:
                yield moved("features", f"{b.name} has other columns", kind, cut, series=b.name)
                return
            changed_N = (value_N != other_N).any(axis=1)
            if changed_N.any():
                first = int(np.argmax(changed_N))
                what = f"{name} of {b.name} differs in {int(changed_N.sum()):,} bars, first in that of "
                what += f"{iso(b.close_time_N[first])},"
                yield moved("features", what, kind, cut, series=b.name, time=int(b.close_time_N[first]))


def _by_row(tape: Tape) -> dict[str, np.ndarray]:
    """The arrays of a tape that windows read row by row, by name."""
    names = ("rows_RX", "rank_R", "start_RHX", "regressors_RK", "ahead_RHA")
    contexts = {f"context {i + 1}": context.beside_R() for i, context in enumerate(tape.contexts)}
    return {name: getattr(tape, name) for name in names} | contexts


def _moved_windows(plain: Dataset, other: Dataset, span: str, kind: str, cut: int) -> Iterator[Leak]:
    """A span before the cut that has other windows."""
    windows, other_windows = (_windows(d.panel, d.origins[span]) for d in (plain, other))
    if changed := windows ^ other_windows:
        s, time = min(changed, key=lambda window: window[1])
        what = f"{len(changed):,} {span} windows come or go, first the one whose origin closes at {iso(time)},"
        yield moved(
            "splits", what, kind, cut, series=plain.names[s], time=time, amount=len(changed) / max(len(windows), 1)
        )


def _windows(panel: Panel, origin_N: np.ndarray) -> set[tuple[int, int]]:
    """Series and closing time of origins, whatever their rows are."""
    return set(zip(panel.series_R[origin_N].tolist(), panel.close_time_R[origin_N].tolist(), strict=True))


def relative(value: float, other: float) -> float:
    """Difference of two values in units of the larger."""
    size = max(abs(value), abs(other))
    return float(abs(value - other) / size) if size > 0 and np.isfinite(size) else float("inf")
