"""The series that an experiment is trained and scored on: from files, a frame, or ``Bars``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from nextbar.bars.bars import Bars, frame_bars, is_bars, load_bars
from nextbar.bars.columns import FrameNames, TableNeeds, refuse_names
from nextbar.bars.present import unfinished
from nextbar.config import ExperimentConfig
from nextbar.errors import DataError
from nextbar.logger import get_logger


def series_of(
    config: ExperimentConfig, bars: Any = None, *, keeps: bool = True, **names: Unpack[FrameNames]
) -> list[Bars]:
    """The checked series of an experiment.

    Args:
        config: the experiment.
        bars: a frame, or ``Bars``; None: files under its ``datapath``.
        keeps: those of large files may be kept beside the runs; False: nothing is written.
        names: what the frame calls its columns.

    Raises:
        DataError: bars that cannot be used.
        ConfigError: names of columns, but no frame.
    """
    if bars is None or is_bars(bars):
        refuse_names(names)
    if is_bars(bars):
        return _chosen(bars, config)
    series = read_series(config, keeps) if bars is None else _in_frame(bars, config, **names)
    if unclosed := unfinished(series, config.dataset_config.calendar):
        get_logger().warning(
            "the last bar of %s has not closed yet: it is trained and scored on as it stands now; wait for it, or end "
            "before it with final_date",
            ", ".join(unclosed),
        )
    return series


def series_tickers(config: ExperimentConfig) -> tuple[str, ...]:
    """Tickers that are trained or scored."""
    return tuple(dict.fromkeys((*config.dataset_config.tickers, *config.scored_tickers)))


def read_series(config: ExperimentConfig, keeps: bool = True) -> list[Bars]:
    """Read every series the experiment trains or scores from its ``datapath``; of several processes that train
    together the first alone writes what it keeps."""
    from nextbar.machine.hosts import leads

    dataset = config.dataset_config
    needs = TableNeeds.of(dataset)
    return load_bars(
        dataset.datapath, series_tickers(config), dataset.resolutions, needs, config.log_dir, keeps and leads()
    )


def _in_frame(frame: Any, config: ExperimentConfig, **names: Unpack[FrameNames]) -> list[Bars]:
    dataset = config.dataset_config
    return frame_bars(
        frame,
        dataset.resolution,
        TableNeeds.of(dataset, **names),
        tickers=series_tickers(config),
        id_col=names.get("id_col", "ticker"),
    )


def _chosen(bars: Sequence[Bars], config: ExperimentConfig) -> list[Bars]:
    """The series that the experiment trains or scores, as far as they are there."""
    dataset = config.dataset_config
    existing = {(b.resolution, b.ticker): b for b in bars}
    keys = [(resolution, ticker) for resolution in dataset.resolutions for ticker in series_tickers(config)]
    chosen = [existing[key] for key in keys if key in existing]
    absent = ", ".join(f"{ticker}_{resolution}" for resolution, ticker in keys if (resolution, ticker) not in existing)
    if not any(b.ticker in dataset.tickers for b in chosen):
        raise DataError(f"no bars of {absent}; there are {', '.join(b.name for b in bars)}")
    if absent:
        get_logger().warning("no bars of %s: left out", absent)
    return chosen
