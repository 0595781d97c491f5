"""Roles of series: the bars within an experiment's dates, which series it learns from, and which it is scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.config import DatasetConfig, ExperimentConfig
from nextbar.data.splits import Cuts, find_cuts
from nextbar.errors import DataError


@dataclass(frozen=True)
class Roles:
    """Which series of an experiment are trained and scored, and where the spans of all begin."""

    trained: tuple[bool, ...]
    scored: tuple[bool, ...]
    cuts: Cuts
    n_train: tuple[int, ...]
    """bars of each series that close before the training span ends"""
    first_time: int
    """closing time of the first training bar of the trained series, seconds since the epoch"""
    last_time: int

    @classmethod
    def of(cls, config: ExperimentConfig, bars: Sequence[Bars], cuts: Cuts | None = None) -> Roles:
        """The roles of an experiment's series.

        Args:
            config: the experiment.
            bars: its series.
            cuts: where validation and test begin; None: where the configuration's shares put them.

        Raises:
            DataError: nothing is left to validate or to train on.
        """
        dataset = config.dataset_config
        all_training = cuts is not None and all(b.close_time_N[-1] < cuts.validation for b in bars)
        scored = tuple(b.ticker in config.scored_tickers and not all_training for b in bars)
        trained = tuple(b.ticker in dataset.tickers for b in bars)
        if cuts is None:
            scored_times = [b.close_time_N for b, is_scored in zip(bars, scored, strict=True) if is_scored]
            cuts = find_cuts(scored_times, config.test_split, config.validation_split)
        n_train = tuple(int(np.searchsorted(b.close_time_N, cuts.training_end)) for b in bars)
        times = [
            b.close_time_N[:n] for b, n, is_trained in zip(bars, n_train, trained, strict=True) if is_trained and n
        ]
        if not times:
            raise DataError(
                f"no bars of {', '.join(dataset.tickers)} close before the validation span ({iso(cuts.validation)}); "
                "nothing is left to train on: use earlier bars, other splits, or other tickers"
            )
        return cls(trained, scored, cuts, n_train, int(min(t[0] for t in times)), int(max(t[-1] for t in times)))


def within_dates(bars: Bars, config: DatasetConfig) -> Bars:
    """The bars between the configuration's ``initial_date`` and ``final_date``.

    Raises:
        DataError: there are none.
    """
    kept = bars.between(config.initial_date, config.final_date)
    if len(kept) == 0:
        dates = {"initial_date": config.initial_date, "final_date": config.final_date}
        limits = " and ".join(f"{name} {date}" for name, date in dates.items() if date)
        raise DataError(
            f"{bars.name}: no bars within {limits}; the series runs from {iso(bars.time_N[0])} to "
            f"{iso(bars.time_N[-1])}"
        )
    return kept
