"""Reference of each series: the baseline that stands beside every metric, and the unit of scaled errors.

- ``mean``: persistence, the next close equals the last
- ``distribution``: persistence with the constant standard deviation of the training span; normal, also
  beside a Student-t model
- ``discrete_grid``: add-one frequencies of the bins in the training span, per horizon step

A series that was not trained, or on a handful of bars, has its own spread, frequencies and scale, from its bars up to
its first origin in the span that is scored; with too few of them it has none, and then there is no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nextbar.errors import DataError
from nextbar.metrics.task import Task
from nextbar.move_bins import bin_index
from nextbar.types import Forecast, Outcomes, Reference

BASELINE_NAMES = {
    "mean": "persistence",
    "distribution": "persistence with a constant spread",
    "discrete_grid": "the training frequencies",
}

LEAST_MOVES = 100
"""moves that a baseline is fitted on, at least. A spread from n moves of kurtosis k costs a baseline about
(k - 1) / (4 n) nats, frequencies of K bins (K - 1) / (2 n): 0.01 and 0.02 for k = 5, K = 5 and n = 100, less than the
skills that are claimed"""
LEAST_APART = 20
"""of them that share no bar: those over H bars overlap"""

FLAGS = ("positive_S", "trained_S")
"""fields of a reference that hold truth values"""


def least_moves(horizon: int) -> int:
    """The fewest moves over H bars that a series gets a baseline from."""
    return max(LEAST_MOVES, LEAST_APART * horizon)


def least_bars(task: Task) -> int:
    """The fewest bars of a series by itself that all baselines of a question can be fitted on.

    Of laws, range HARs among them, which look back on up to half of the bars before their first row.
    """
    return (1 if task.output_mode == "mean" else 2) * (least_moves(task.horizon) + task.horizon) + 1


def enough_moves(moves_S: Sequence[int] | np.ndarray, horizon: int) -> np.ndarray:
    """bool (S,): the series whose moves over H bars, so many each, baselines learn from.

    Those with :func:`least_moves`. Where none has as many all of them: a model knows no more of the one than of the
    others, so that nobody's handful of moves stands beside what was learnt from many.
    """
    enough_S = np.asarray(moves_S) >= least_moves(horizon)
    return enough_S | ~enough_S.any()


def fit_reference(
    training: Outcomes, closes: Sequence[np.ndarray], task: Task, trained_S: np.ndarray | None = None
) -> Reference:
    """Fit the reference on the training span; of series that were not trained, on their own earlier bars.

    Args:
        training: all moves over H bars of the training span, whatever context a model needs, so that models with
            another context have the same baseline; of a series that was not trained those up to its first origin in
            the span that is scored.
        closes: the closes behind them, of each series in the order of ``training.names``.
        task: the question.
        trained_S: (S,) bool, trained on moves enough (:func:`enough_moves`); None: all were. Their bin frequencies are
            pooled. Another series takes nothing from them, and nothing at all with fewer than :func:`least_moves`.

    Raises:
        DataError: log returns or percentage moves are asked of a price that is not above zero.
    """
    n_series = len(training.names)
    trained_S = np.ones(n_series, bool) if trained_S is None else np.asarray(trained_S, bool)
    positive_S = np.array([bool(np.all(np.asarray(c) > 0)) for c in closes], bool)
    if task.needs_positive_prices and not positive_S.all():
        raise DataError(not_positive(training.names[int(np.argmin(positive_S))], task))
    rows = training.rows_of_series
    moves_S = np.array([len(row) for row in rows], float)
    enough_S = moves_S >= np.where(trained_S, 2, least_moves(task.horizon))
    known_S = trained_S | enough_S
    known_closes = [c if len(c) and known else [np.nan] for c, known in zip(closes, known_S, strict=True)]
    pooled_HK = frequencies_SHK = None
    if task.output_mode == "discrete_grid":
        pooled_HK = _frequencies(training, task, trained_S[training.series_N])
        if not trained_S.all():
            frequencies_SHK = np.where(trained_S[:, None, None], pooled_HK, np.nan)
            for s in np.flatnonzero(~trained_S & enough_S):
                frequencies_SHK[s] = _frequencies(training, task, rows[s])
    return Reference(
        center_S=np.array([np.mean(c) for c in known_closes], np.float64),
        spread_S=np.array([np.std(c) for c in known_closes], np.float64),
        move_std_SH=_move_deviations(training, task.horizon, positive_S, enough_S),
        positive_S=positive_S,
        frequencies_HK=pooled_HK,
        frequencies_SHK=frequencies_SHK,
        moves_S=moves_S,
        trained_S=trained_S,
    )


def _move_deviations(training: Outcomes, horizon: int, positive_S: np.ndarray, enough_S: np.ndarray) -> np.ndarray:
    """Standard deviation of the moves over 1 ... H bars, (S, H); NaN where there are too few or none that vary."""
    rows = training.rows_of_series
    move_std_SH = np.full((len(rows), horizon), np.nan)
    for s in np.flatnonzero(enough_S):
        last_N1, close_NH = training.last_close_N[rows[s], None], training.close_NH[rows[s]]
        move_std_SH[s] = (np.log(close_NH / last_N1) if positive_S[s] else close_NH - last_N1).std(axis=0)
    move_std_SH[~(move_std_SH > 0)] = np.nan
    return move_std_SH


def _frequencies(training: Outcomes, task: Task, row: np.ndarray) -> np.ndarray:
    """(count + 1) / (N + K) of each bin over some moves, (H, K)."""
    n_bins = len(task.edges) - 1
    bin_NH = bin_index(training.last_close_N[row, None], training.close_NH[row], task.edges)
    count_HK = np.stack([np.bincount(bin_N, minlength=n_bins) for bin_N in bin_NH.T])
    return (count_HK + 1) / (len(bin_NH) + n_bins)


def join_references(run: Reference, own: Reference, row_S: Sequence[int]) -> Reference:
    """Some rows of two references, those of ``own`` counted after those of ``run``, whose pooled frequencies stay."""

    def frequencies(reference: Reference) -> np.ndarray | None:
        if reference.frequencies_SHK is not None or run.frequencies_HK is None:
            return reference.frequencies_SHK
        return np.broadcast_to(run.frequencies_HK, (len(reference.positive_S), *run.frequencies_HK.shape))

    def moves(reference: Reference) -> np.ndarray:
        return np.full(len(reference.positive_S), np.nan) if reference.moves_S is None else reference.moves_S

    def trained(reference: Reference) -> np.ndarray:
        return np.ones(len(reference.positive_S), bool) if reference.trained_S is None else reference.trained_S

    def rows(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.concatenate([first, second])[list(row_S)]

    tables = frequencies(run), frequencies(own)
    return Reference(
        center_S=rows(run.center_S, own.center_S),
        spread_S=rows(run.spread_S, own.spread_S),
        move_std_SH=rows(run.move_std_SH, own.move_std_SH),
        positive_S=rows(run.positive_S, own.positive_S),
        frequencies_HK=run.frequencies_HK,
        frequencies_SHK=None if tables[0] is None or tables[1] is None else rows(tables[0], tables[1]),
        moves_S=rows(moves(run), moves(own)),
        trained_S=rows(trained(run), trained(own)),
    )


def baseline_forecast(reference: Reference, outcomes: Outcomes, task: Task) -> Forecast:
    """The baseline's forecasts for the N windows of a span, as read-only views where nothing varies.

    The constant spread belongs to the log return: for target ``close`` the standard deviation is spread x
    last close (training mean, where the last close has since fallen to zero or below), for ``log_return`` the
    spread itself. For a series whose training prices are not all above zero it is the spread of the changes. NaN for a
    series without a baseline, see :func:`missing_baseline`.
    """
    shape = (len(outcomes.series_N), task.horizon)
    if task.output_mode == "discrete_grid":
        assert reference.frequencies_HK is not None  # fit_reference() counted them for this very task
        if reference.frequencies_SHK is not None:
            return Forecast(log_probs_NHK=np.log(reference.frequencies_SHK)[outcomes.series_N])
        log_probs_HK = np.log(reference.frequencies_HK)
        return Forecast(log_probs_NHK=np.broadcast_to(log_probs_HK, (shape[0], *log_probs_HK.shape)))
    location_NH = np.broadcast_to(0.0, shape)
    if task.output_mode == "mean":
        return Forecast(location_NH=location_NH)
    unit_N = target_unit(reference, outcomes.series_N, outcomes.last_close_N, task)
    return Forecast(location_NH=location_NH, scale_NH=reference.move_std_SH[outcomes.series_N] * unit_N[:, None])


def missing_baseline(reference: Reference, s: int, name: str, task: Task) -> str | None:
    """Why a series has no baseline, in words; None where it has one."""
    of_mode = {"distribution": reference.move_std_SH, "discrete_grid": reference.frequencies_SHK}
    parameters = of_mode.get(task.output_mode)
    if parameters is None or np.isfinite(parameters[s]).all():
        return None
    moves = np.nan if reference.moves_S is None else reference.moves_S[s]
    count = "" if np.isnan(moves) else f"{moves:.0f} moves before its first forecast, "
    return f"{name} has no baseline of its own: {count}and it takes {least_moves(task.horizon)} that are not all zero"


def target_unit(reference: Reference, series_N: np.ndarray, last_close_N: np.ndarray, task: Task) -> np.ndarray:
    """What a small move of 1 is in the unit of the target, (N,): a log return for target ``close`` is worth the price.

    Moves are log returns of a series whose training prices are all above zero, else changes.
    """
    if task.target == "log_return":
        return np.ones(len(last_close_N))
    price_N = np.where(last_close_N > 0, last_close_N, reference.center_S[series_N])
    return np.where(reference.positive_S[series_N], price_N, 1.0)


def not_positive(name: str, task: Task) -> str:
    """The message about a series that has no returns."""
    what = "output_mode 'discrete_grid'" if task.output_mode == "discrete_grid" else "target 'log_return'"
    return (
        f"{name}: {what} needs every price above zero, but some are not. "
        "Use target 'close' with output_mode 'mean' or 'distribution', or another series."
    )


def reference_from(plain: Mapping[str, Any]) -> Reference:
    """The reference whose ``plain_record`` it is."""
    arrays: dict[str, Any] = {
        name: None if value is None else np.array(value, bool if name in FLAGS else float)
        for name, value in plain.items()
    }
    return Reference(**arrays)


def plain_record(record: tuple[Any, ...]) -> dict[str, Any]:
    """A NamedTuple of floats and arrays in values that JSON knows: None for NaN."""

    def plain(value: Any) -> Any:
        if value is None:
            return None
        array = np.asarray(value, object)
        return np.where(np.asarray(value, float) == value, array, np.array(None)).tolist()  # NaN equals nothing

    return {name: plain(value) for name, value in record._asdict().items()}  # type: ignore[attr-defined]
