"""Folds: the history and the forecast period of each, and the windows that all participants are scored on.

The out-of-sample period is the experiment's test span. The bars of the scored series in it, pooled by their closes, are
cut into parts of equal count (to one bar, and to bars that close together) at instants common to all series. A window
belongs to the fold that holds all its labels; one whose labels straddle two folds belongs to none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nextbar.backtesting.options import BacktestOptions
from nextbar.backtesting.panel import BacktestPanel
from nextbar.bars.dates import iso
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.splits import Cuts, find_cuts, start_of_last
from nextbar.errors import DataError


@dataclass(frozen=True)
class Fold:
    """One part of the out-of-sample period; instants are closing times in seconds since the epoch."""

    number: int
    """from 1"""
    begin: int
    """its history begins here"""
    start: int
    """its labels close from here on ..."""
    end: int
    """... and before this; later bars do not exist for it"""
    fitted_in: int
    """the fold in which the model that forecasts it was fitted"""
    cuts: Cuts
    """of that fit"""

    @property
    def fits(self) -> bool:
        """True where the model is fitted anew."""
        return self.fitted_in == self.number

    @property
    def cutoff(self) -> int:
        """All that was fitted, chosen or adjusted for its forecasts comes from bars that close before this.

        It is the start of the fold in which the model was fitted, less the embargo.
        """
        return self.cuts.validation_end

    def describe(self) -> dict[str, Any]:
        """Plain values for the summary."""
        return {
            "fold": self.number,
            "fitted_in": self.fitted_in,
            "history_from": iso(self.begin),
            "training_until": iso(self.cuts.training_end),
            "validation_from": iso(self.cuts.validation),
            "cutoff": iso(self.cutoff),
            "test_from": iso(self.start),
            "test_until": iso(self.end),
        }

    def __str__(self) -> str:
        return f"fold {self.number} ({iso(self.start)} to {iso(self.end)})"


def find_folds(panel: BacktestPanel, config: ExperimentConfig, options: BacktestOptions) -> list[Fold]:
    """The folds, in order.

    Within the history of a fit, the last share ``validation_split`` of the scored bars is validation, cut as in
    :func:`nextbar.data.splits.find_cuts`. The embargo leaves out so many bars of every scored series that goes on,
    where it has as many, before the fold and before validation, whatever nights and holidays lie between these bars.

    Raises:
        DataError: fewer bars than folds, or an embargo that leaves nothing to learn from.
    """
    scored = [b.close_time_N for b in panel.bars if b.ticker in config.scored_tickers]
    pooled = np.sort(np.concatenate(scored))
    first = min(int(b.close_time_N[0]) for b in panel.bars)
    starts = _starts(pooled, config, options)
    ends = [*starts[1:], int(pooled[-1]) + min(b.step for b in panel.bars)]
    folds: list[Fold] = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1):
        if (number - 1) % options.refit_every:
            folds.append(replace(folds[-1], number=number, start=start, end=end))
            continue
        begin = first + (start - starts[0] if options.window == "sliding" else 0)
        known_until = _embargoed(start, scored, options.embargo)
        history = pooled[(pooled >= begin) & (pooled < known_until)]
        if not len(history):
            raise DataError(
                f"embargo: {options.embargo} bars before {iso(start)}, where fold {number} starts, leave none of the "
                f"{np.count_nonzero((pooled >= begin) & (pooled < start))} scored bars before it; use a smaller one"
            )
        validation = start_of_last(history, config.validation_split)
        left_out_from = (_embargoed(validation, scored, options.embargo), known_until) if options.embargo else None
        folds.append(Fold(number, begin, start, end, number, Cuts(validation, start, left_out_from)))
    return folds


def _starts(pooled: np.ndarray, config: ExperimentConfig, options: BacktestOptions) -> list[int]:
    """Where the folds start, by the closes of all scored bars.

    Raises:
        DataError: two would start together.
    """
    inside = pooled[pooled >= find_cuts([pooled], config.test_split, config.validation_split).test]
    starts = [int(inside[k * len(inside) // options.folds]) for k in range(options.folds)]
    if len(set(starts)) < options.folds:
        raise DataError(
            f"folds: {options.folds} are asked for, but the out-of-sample period, the last "
            f"{config.test_split:g} of the scored bars, holds bars of {len(np.unique(inside))} instants: use fewer "
            "folds, more bars or a larger test_split"
        )
    return starts


def _embargoed(time: int, scored: Sequence[np.ndarray], embargo: int) -> int:
    """The close of the first bar that the embargo before an instant leaves out; the instant without one."""
    trading = [(time_N, int(np.searchsorted(time_N, time))) for time_N in scored if time_N[-1] >= time]
    return min([time, *(int(time_N[max(row - embargo, 0)]) for time_N, row in trading)])


def fold_dataset(panel: BacktestPanel, config: ExperimentConfig, fold: Fold, options: BacktestOptions) -> Dataset:
    """The dataset of a fold: fitted on bars before the cutoff, with bars up to the fold's end.

    Raises:
        DataError: too few bars to train, validate or score on; names the fold and their number.
    """
    hint = f" or a smaller embargo than {options.embargo} bars" if options.embargo else ""
    try:
        _require_history(panel, config, fold)
        dataset = build_dataset(config, panel.between(fold.begin, fold.end), fold.cuts)
        _require_labels(panel, config, fold, fold_rows(panel, dataset, fold))
    except DataError as error:
        raise DataError(f"{fold}: {error}\nfewer folds{hint} may help too") from None
    return dataset


def fold_rows(panel: BacktestPanel, dataset: Dataset, fold: Fold) -> np.ndarray:
    """Origins of the windows that are scored in the fold, as rows of the panel; by series, ascending."""
    row_N = panel.rows(dataset.bars, dataset.origins["test"])
    return row_N[panel.close_time_R[row_N + 1] >= fold.start]


def _require_history(panel: BacktestPanel, config: ExperimentConfig, fold: Fold) -> None:
    for series in panel.bars:
        if (
            series.ticker in config.scored_tickers
            and not ((series.close_time_N >= fold.begin) & (series.close_time_N < fold.cutoff)).any()
        ):
            raise DataError(
                f"{series.name} has no bars from {iso(fold.begin)} to {iso(fold.cutoff)}, before what is forecast; "
                "leave it out"
            )


def _require_labels(panel: BacktestPanel, config: ExperimentConfig, fold: Fold, row_N: np.ndarray) -> None:
    tickers = {panel.bars[s].ticker for s in np.unique(panel.series_R[row_N])}
    for series in panel.bars:
        if series.ticker in config.scored_tickers and series.ticker not in tickers:
            inside = np.count_nonzero((series.close_time_N >= fold.start) & (series.close_time_N < fold.end))
            raise DataError(
                f"no windows of {series.name}, which has {inside} bars in the fold; a window takes "
                f"{panel.horizon} of them and {config.dataset_config.seq_len} before, without a hole"
            )
