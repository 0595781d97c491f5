"""The series that an experiment is trained and scored on, wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nextbar.bars.bars import Bars, frame_bars, is_bars, load_bars
from nextbar.bars.columns import FrameNames, refuse_names
from nextbar.bars.present import unfinished
from nextbar.config import ExperimentConfig
from nextbar.errors import DataError
from nextbar.logger import get_logger


def series_of(config: ExperimentConfig, bars: Any = None, **names: Unpack[FrameNames]) -> list[Bars]:
    """The checked series of an experiment.

    Args:
        config: the experiment.
        bars: a frame, or ``Bars``; None: files under its ``datapath``.
        names: what the frame calls its columns.

    Raises:
        DataError: bars that cannot be used.
        ConfigError: names of columns, but no frame.
    """
    if bars is None or is_bars(bars):
        refuse_names(names)
    if is_bars(bars):
        return _wanted_of(bars, config)
    series = read_series(config) if bars is None else _in_frame(bars, config, **names)
    if unclosed := unfinished(series):
        get_logger().warning(
            "the last bar of %s has not closed yet: it is trained and scored on as it stands now; wait for it, or end "
            "before it with final_date",
            ", ".join(unclosed),
        )
    return series


def series_tickers(config: ExperimentConfig) -> tuple[str, ...]:
    """Tickers that are trained or scored."""
    return tuple(dict.fromkeys((*config.dataset_config.tickers, *config.scored_tickers)))


def read_series(config: ExperimentConfig) -> list[Bars]:
    """Read every series the experiment trains or scores from its ``datapath``."""
    dataset = config.dataset_config
    return load_bars(
        dataset.datapath,
        series_tickers(config),
        dataset.resolutions,
        dataset.features,
        target=dataset.target,
        output_mode=dataset.output_mode,
        indicators=dataset.indicators or (),
    )


def _in_frame(frame: Any, config: ExperimentConfig, **names: Unpack[FrameNames]) -> list[Bars]:
    dataset = config.dataset_config
    return frame_bars(
        frame,
        dataset.resolution,
        dataset.features,
        tickers=series_tickers(config),
        target=dataset.target,
        output_mode=dataset.output_mode,
        indicators=dataset.indicators or (),
        **names,
    )


def _wanted_of(given: Sequence[Bars], config: ExperimentConfig) -> list[Bars]:
    """The series that the experiment trains or scores, as far as they are there."""
    dataset = config.dataset_config
    there = {(b.resolution, b.ticker): b for b in given}
    wanted = [(resolution, ticker) for resolution in dataset.resolutions for ticker in series_tickers(config)]
    found = [there[key] for key in wanted if key in there]
    absent = ", ".join(f"{ticker}_{resolution}" for resolution, ticker in wanted if (resolution, ticker) not in there)
    if not any(b.ticker in dataset.tickers for b in found):
        raise DataError(f"no bars of {absent}; there are {', '.join(b.name for b in given)}")
    if absent:
        get_logger().warning("no bars of %s: left out", absent)
    return found
