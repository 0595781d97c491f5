"""Bars for a trained model: from a frame, a file, a folder, or the run's own files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from nextbar.bars.bars import Bars, is_bars, list_series, load_bars, table_bars
from nextbar.bars.columns import FrameNames, TableNeeds, plain, refuse_names
from nextbar.bars.folder import existing_folder, named_series
from nextbar.bars.frames import Readable, frame_tables, has_column, readable
from nextbar.bars.reading import read_table
from nextbar.bars.recognition import single
from nextbar.bars.series import series_tickers
from nextbar.bars.table import Table
from nextbar.config import DatasetConfig, ExperimentConfig
from nextbar.errors import ConfigError, DataError, listed


def own_bars(
    config: ExperimentConfig,
    tickers: Sequence[str] | None = None,
    recorded: str | None = None,
    *,
    later: bool = False,
) -> list[Bars]:
    """The bars that a run was scored on, from its first to its last date, as its files hold them now.

    Args:
        config: the run's.
        tickers: those to read instead of those that it was scored on.
        recorded: ``datapath`` in the run's summary, the absolute path of the files.
        later: also read the bars after its ``final_date``.

    Raises:
        ConfigError: no ticker is asked for.
        DataError: they are not there any more, or cannot be used.
    """
    dataset = config.dataset_config
    try:
        folder = existing_folder(dataset.datapath, recorded)
        series = _load(folder, _asked(tickers) or config.scored_tickers, dataset.resolutions, config)
    except DataError as error:
        raise DataError(f"the run's own bars: {error}\n  give the bars themselves, or name their folder") from None
    kept = [b.between(dataset.initial_date, None if later else dataset.final_date) for b in series]
    empty = [b.name for b in kept if not len(b)]
    if empty:
        raise DataError(f"the run's own bars: {', '.join(empty)} in {folder!r} has none of its dates any more")
    return kept


def read_new_bars(
    config: ExperimentConfig,
    bars: Any = None,
    data: str | Path | None = None,
    *,
    tickers: Sequence[str] | None = None,
    scored_only: bool = False,
    **names: Unpack[FrameNames],
) -> list[Bars]:
    """Bars for a run, held to the same checks as its own, by resolution and then by ticker.

    Args:
        config: the run's.
        bars: pandas or polars frame, long or of one series, or a list of ``Bars``.
        data: a file of bars (called ``<ticker>_<resolution>``, or with a column ``ticker``) or a folder as
            ``datapath``, instead.
        tickers: those to read; None: all of a frame or a file, of a folder those of the run.
        scored_only: of a folder only those that the run was scored on.
        names: what a frame calls its columns.

    Raises:
        ConfigError: bars and data are given, or neither; names of columns, but no frame; no ticker is asked for.
        DataError: bars that are not there or cannot be used.
    """
    if (bars is None) == (data is None):
        raise ConfigError("give bars or data: one of the two")
    if data is not None or is_bars(bars):
        refuse_names(names)
    dataset, tickers = config.dataset_config, _asked(tickers)
    if data is not None and Path(data).is_dir():
        usual = config.scored_tickers if scored_only else series_tickers(config)
        return _folder(Path(data), config, tickers, usual)
    if is_bars(bars):
        series = list(bars)
    else:
        tables = tables_of(bars, dataset, **names) if data is None else _file(Path(data), dataset)
        needs = TableNeeds.of(dataset, **names)
        with trained_on(dataset):
            series = [table_bars(table, ticker, resolution, needs) for resolution, ticker, table in tables]
    absent = [ticker for ticker in tickers or () if ticker not in {b.ticker for b in series}]
    if absent:
        raise DataError(f"no ticker {', '.join(absent)}; there are {listed(b.ticker for b in series)}")
    return [b for b in series if tickers is None or b.ticker in tickers]


def _asked(tickers: Sequence[str] | None) -> Sequence[str] | None:
    """The tickers that are asked for; a single one may be given as it is."""
    if tickers is not None and not len(tickers):
        raise ConfigError("tickers is empty; name at least one, or leave it out for all")
    return [tickers] if isinstance(tickers, str) else tickers


def tables_of(frame: Any, config: DatasetConfig, **names: Unpack[FrameNames]) -> list[tuple[str, str, Table]]:
    """(resolution, ticker, table) of a frame; one that names no ticker is the only one of the run, if it has one.

    Raises:
        DataError: no frame, or none of its resolutions is the run's.
    """
    id_col, time_col = names.get("id_col", "ticker"), names.get("time_col", "date")
    with trained_on(config):
        frame = readable(frame, id_col, time_col)
        only = config.tickers if len(config.tickers) == 1 and not has_column(frame, id_col) else None
        return frame_tables(frame, _resolutions(frame, config), only, id_col, time_col)


@contextmanager
def trained_on(config: DatasetConfig) -> Iterator[None]:
    """Add to errors about bars what the model was trained on."""
    try:
        yield
    except DataError as error:
        training = f"bars at {' and '.join(config.resolutions)}, features {config.features}"
        raise DataError(f"{error}\n  the model was trained on {training}") from None


def _folder(folder: Path, config: ExperimentConfig, tickers: Sequence[str] | None, usual: Sequence[str]) -> list[Bars]:
    resolutions = config.dataset_config.resolutions
    if tickers is not None:
        return _load(folder, tickers, resolutions, config)
    existing = {(resolution, ticker) for resolution, ticker, _ in list_series(folder)}
    series: list[Bars] = []
    for resolution in resolutions:
        present = [ticker for ticker in usual if (resolution, ticker) in existing]
        series += _load(folder, present, (resolution,), config) if present else []
    if not series:
        names = listed(sorted(f"{ticker}_{resolution}" for resolution, ticker in existing)) or "no bars at all"
        raise DataError(
            f"{folder}: no bars of {listed(usual)} at {' or '.join(resolutions)}, which the run knows; "
            f"there are {names}. Name the tickers (tickers=, --tickers), if it is others you mean"
        )
    return series


def _load(
    folder: str | Path, tickers: Sequence[str], resolutions: Sequence[str], config: ExperimentConfig
) -> list[Bars]:
    """The series in a folder, as its training kept them if the files are still the same; nothing is written."""
    return load_bars(folder, tickers, resolutions, TableNeeds.of(config.dataset_config), config.log_dir, keeps=False)


def _file(path: Path, config: DatasetConfig) -> list[tuple[str, str, Table]]:
    if not path.exists():
        raise DataError(f"no file or folder {str(path)!r}")
    whole = single(read_table(path))
    if not any(plain(name) in ("ticker", "resolution") for name in whole.frame.columns):
        return [(*_called(path, config), whole)]
    series = []
    for resolution, ticker, part in tables_of(whole.frame, config):
        rows_N = whole.rows_N[part.rows_N - 1]  # as the file counts them
        source = f"{path}, {ticker} at {resolution}"
        as_file = replace(part, source=source, rows_N=rows_N, row_word=whole.row_word, notices=whole.reading)
        series.append((resolution, ticker, as_file))
    return series


def _called(path: Path, config: DatasetConfig) -> tuple[str, str]:
    """Resolution and ticker of a file without a column that says so."""
    called = named_series(path)
    if called is not None:
        if called[0] not in config.resolutions:
            trained = " and ".join(config.resolutions)
            raise DataError(f"{path}: bars at {called[0]}, by its name; the model was trained on bars at {trained}")
        return called
    if len(config.tickers) == len(config.resolutions) == 1:
        return config.resolutions[0], config.tickers[0]
    trained_series = f"{listed(config.tickers)} at {' and '.join(config.resolutions)}"
    raise DataError(
        f"{path}: which series is it? The model knows {trained_series}; call the file <ticker>_<resolution>, such as "
        f"{config.tickers[0]}_{config.resolutions[0]}.csv, or add a column 'ticker'"
    )


def _resolutions(frame: Readable, config: DatasetConfig) -> tuple[str, ...]:
    """The run's resolutions that a frame has; all of the run's where it does not say."""
    if len(config.resolutions) == 1:
        return config.resolutions
    if not has_column(frame, "resolution"):
        return config.resolutions
    column = next((name for name in frame.data.columns if plain(name) == "resolution"), None)
    existing = set(map(str, frame.data[column].unique())) if column is not None else set()
    return tuple(resolution for resolution in config.resolutions if resolution in existing) or config.resolutions
