"""``audit``: goes through an experiment, from its bars to its forecasts, and looks for later bars in each stage."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Unpack

import numpy as np

from nextbar.arguments import strict_arguments
from nextbar.auditing.episodes import draw_episodes
from nextbar.auditing.filling import back_filled
from nextbar.auditing.foresight import foresight
from nextbar.auditing.kinship import repeated, shifted, shuffled
from nextbar.auditing.labels import closing_times
from nextbar.auditing.past_choices import chosen_on_test
from nextbar.auditing.replay import replay, replay_own_columns
from nextbar.auditing.result import Audit, Leak, first_of_each
from nextbar.auditing.retraining import retrain
from nextbar.auditing.scalers import scaled_on_all_rows
from nextbar.auditing.smoothing import next_move_known
from nextbar.backtesting.panel import BacktestPanel
from nextbar.bars.bars import Bars
from nextbar.bars.columns import AMOUNTS, FrameNames, price_columns
from nextbar.bars.naming import Naming
from nextbar.bars.series import series_of
from nextbar.baselines import for_task, name_of
from nextbar.config import ExperimentConfig
from nextbar.config.experiment import Experiment
from nextbar.data.roles import Roles, within_dates
from nextbar.errors import ConfigError, short
from nextbar.machine.compilation import enable_cache
from nextbar.machine.hosts import require_alone
from nextbar.metrics.task import Task

CUTS = 3
MOST_CUTS = 20
MOST_COLUMNS, MOST_PAIRS = 100, 20
"""columns of series whose values are searched, and those that are held against another series"""
CREDIBLE = 0.2
"""share of the next move of a market that may follow from the last ones"""


@strict_arguments
def audit(
    config: Experiment,
    bars: Any = None,
    *,
    cuts: int = CUTS,
    seed: int = 0,
    columns: Callable[[Any], Any] | None = None,
    **names: Unpack[FrameNames],
) -> Audit:
    """Look for anything in an experiment that knows bars which had not closed yet.

    At some dates (where validation and test begin, and random ones) all later bars are replaced by noise, scaled, or
    removed, and every stage is run again, with a short training of a tiny model: what is known before the date must
    not move. Own columns do not move with the bars, since they were made before; so their values are searched for
    later bars, within the error rates of ``docs/how-to/audit.md``, unless ``columns`` makes them anew.

    Args:
        config: the experiment: a configuration, a mapping of its fields, or a YAML file.
        bars: a pandas or polars frame, or ``Bars``, instead of the files under ``datapath``.
        cuts: dates.
        seed: of the dates and of what comes after them.
        columns: the code that makes own columns: from a long pandas frame of bars (``ticker``, ``date``, prices, ...)
            to the frame that is trained on. It is run again with other later bars, which leaves nothing to chance.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.

    Raises:
        ConfigError: an impossible argument or configuration.
        DataError: bars that cannot be used, or too few.
    """
    require_alone("an audit")
    _require_whole("cuts", cuts, 1, MOST_CUTS)
    _require_whole("seed", seed, 0, 2**32 - 1)
    config, rng = ExperimentConfig.of(config), np.random.default_rng(seed)
    with _quiet():
        raw = series_of(config, bars, keeps=False, **names)
        make = _maker(config, columns)
        series = list(make(raw)) if make else raw
        kept = [within_dates(b, config.dataset_config) for b in series]
        own_cuts = Roles.of(config, kept).cuts
        leaks = [*_in_bars(config, series, kept, own_cuts.validation, rng)]
        enable_cache()
        dates: list[int] = []
        replaced: dict[str, None] = {}
        for episode in draw_episodes(config, series, cuts, rng):
            dates.append(episode.cuts.validation)
            replaced |= dict.fromkeys(b.name for b in episode.bars)
            if make:
                leaks += replay_own_columns(_of_episode(raw, episode.bars), make, episode.cuts.validation, rng)
            leaks += replay(episode)
            leaks += retrain(episode, own_baselines=_own_baselines(config) if len(dates) == 1 else ())
        leaks += chosen_on_test(config, own_cuts, max(int(b.close_time_N[-1]) for b in kept))
    left_out = [f"{b.name}: its bars were not replaced" for b in series if b.name not in replaced]
    searched = [f"{name} of {b.name}" for b in kept for name in _own_columns(config, b)]
    left_out += [f"{name}: its values were not searched" for name in searched[MOST_COLUMNS:]]
    if (pairs := len(_foreign_pairs(config, kept))) > MOST_PAIRS:
        left_out.append(f"{pairs - MOST_PAIRS:,} of {pairs:,} pairs of an own column and another ticker's bars")
    return Audit(
        tuple(first_of_each(leaks)), tuple(dates), tuple(replaced), tuple(searched[:MOST_COLUMNS]), tuple(left_out)
    )


def _in_bars(
    config: ExperimentConfig, series: Sequence[Bars], kept: Sequence[Bars], validation: int, rng: np.random.Generator
) -> Iterator[Leak]:
    """Leaks that the bars themselves show."""
    market = config.dataset_config.features != "close"
    yield from closing_times(kept)
    yield from shifted(kept)
    yield from repeated(kept, validation)
    own = _searched(config, kept)
    for b in kept if market else []:
        if leak := shuffled(b):
            yield leak
        elif (share := next_move_known(b)) > CREDIBLE:
            yield Leak(
                "bars",
                "suspicious",
                f"{100 * share:.0f} % of the next move of {b.name} follows from its last ones, which no market allows: "
                "its prices are smoothed, perhaps in both directions; use prices that were traded",
                series=b.name,
                column="close",
                amount=share,
            )
    for name in dict.fromkeys(name for _, name in own):
        yield from scaled_on_all_rows(name, series, validation)
    for b, name in own:
        if name in _named_columns(config) and (leak := back_filled(name, b)):
            yield leak
        if foreseen := foresight(b.columns[name], b, skipped=name, market=market):
            yield _knows(b, name, foreseen.words, foreseen.share)
    pairs = _foreign_pairs(config, kept)
    for at in rng.permutation(len(pairs))[:MOST_PAIRS]:
        b, name, other = pairs[at]
        if (aligned := _aligned(b, name, other)) and (foreseen := foresight(*aligned, market=market)):
            yield _knows(b, name, f"of {other.name}, {foreseen.words}", foreseen.share)


def _knows(bars: Bars, name: str, words: str, share: float) -> Leak:
    text = (
        f"{name} of {bars.name} knows later bars: {words}; a smoothing, filter or window that looks both ways, a "
        "fill from later rows, or a label. Make the value of a bar from rows up to it"
    )
    return Leak("bars", "suspicious", text, series=bars.name, column=name, amount=share)


def _named_columns(config: ExperimentConfig) -> tuple[str, ...]:
    """Names of own columns as the source has them."""
    return tuple(name.lower() for name in config.dataset_config.indicators or ())


def _own_columns(config: ExperimentConfig, bars: Bars) -> list[str]:
    """Columns of the source, beside the close, that the model sees."""
    used = (
        [*price_columns(config.dataset_config.features), *AMOUNTS] if config.dataset_config.features != "close" else []
    )
    names = dict.fromkeys((*used, *_named_columns(config)))
    return [name for name in names if name in bars.columns and name != "close"]


def _searched(config: ExperimentConfig, kept: Sequence[Bars]) -> list[tuple[Bars, str]]:
    """Columns whose values are searched for later bars."""
    return [(b, name) for b in kept for name in _own_columns(config, b)][:MOST_COLUMNS]


def _foreign_pairs(config: ExperimentConfig, kept: Sequence[Bars]) -> list[tuple[Bars, str, Bars]]:
    """Own columns beside other series whose bars they may know; ``MOST_PAIRS`` of them are searched."""
    named = [(b, name) for b, name in _searched(config, kept) if name in _named_columns(config)]
    return [(b, name, other) for b, name in named for other in kept if b is not other and b.step == other.step]


def _aligned(bars: Bars, name: str, other: Bars) -> tuple[np.ndarray, Bars, Bars] | None:
    """A column and its bars, and the bars of another series, at the times that both have."""
    _, own, its = np.intersect1d(bars.time_N, other.time_N, return_indices=True)
    if len(own) < 2:
        return None
    aligned = bars.rows(own)
    return aligned.columns[name], aligned, other.rows(its)


def _own_baselines(config: ExperimentConfig) -> list[str]:
    """Names of registered baselines that are not nextbar's; whether those look ahead is a law of its tests."""
    members = for_task(Task.of(config))
    return [name_of(member) for member in members if not type(member).__module__.startswith("nextbar.")]


def _maker(config: ExperimentConfig, columns: Callable[[Any], Any] | None) -> Callable[..., list[Bars]] | None:
    """From bars to those with own columns, by a user's code."""
    if columns is None:
        return None
    if not callable(columns):
        raise ConfigError(f"columns: found {short(columns)}, should be a function from a frame of bars to a frame")

    def make(series: Sequence[Bars]) -> list[Bars]:
        panel = BacktestPanel(tuple(series), config.dataset_config.horizon, Naming.of(config.dataset_config))
        times = panel.close_time_R
        return series_of(config, columns(panel.frame(int(times.min()), int(times.max()) + 1)))

    return make


def _of_episode(raw: Sequence[Bars], parts: Sequence[Bars]) -> list[Bars]:
    """The bars as they were read, as far as an episode goes."""
    ends = {b.name: (int(b.close_time_N[0]), int(b.close_time_N[-1])) for b in parts}
    return [b.between(ends[b.name][0] - 1, ends[b.name][1]) for b in raw if b.name in ends]


def _require_whole(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"{name}: found {short(value)}, should be a whole number from {least} to {most:,}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing but warnings within the block, in which the audit trains."""
    logger = logging.getLogger("nextbar")
    before = logger.level
    logger.setLevel(max(before, logging.WARNING))
    try:
        yield
    finally:
        logger.setLevel(before)
