"""A first experiment for files of bars in any layout: the bars as files here, and a configuration to begin with."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.columns import PRICES
from nextbar.bars.dates import iso
from nextbar.bars.folder import list_series
from nextbar.bars.importing import ImportOptions, import_bars, read_files
from nextbar.bars.recipes import recipe_figures, recipe_like, recipe_path
from nextbar.bars.suggestion import exchange_of_training
from nextbar.config import ExperimentConfig
from nextbar.config.commented import WIDTH, commented_yaml
from nextbar.config.yaml_file import read_yaml
from nextbar.errors import ConfigError, DataError, listed
from nextbar.files import write_whole

FILE = "experiment.yaml"
MOST_BARS = 100_000
"""that a first training reads, of all series together: some minutes on two cores"""
PATIENCE = 3


@dataclass(frozen=True)
class Draft:
    """A first experiment: where it is written, its configuration, and lines about how the bars were read."""

    path: Path
    config: ExperimentConfig
    notices: tuple[str, ...]


def draft_experiment(
    sources: Sequence[str | Path], to: str | Path | None, options: ImportOptions, *, overwrite: bool = False
) -> Draft:
    """Write ``<to>/bars`` and ``<to>/experiment.yaml`` for files of bars.

    A configuration that is there already is read, not written: it may have been changed.

    Args:
        sources: files in any layout, or folders of them.
        to: the folder; None: named by ticker and resolution, in the working directory.
        options: how the files are read; of folders with several resolutions ``resolution`` is the one to take.
        overwrite: replace bars that are there; an experiment is kept all the same.

    Raises:
        DataError: bars that cannot be read, of several resolutions, or other ones than those already there.
        ConfigError: the configuration that is there is about other series, or is none.
    """
    files = [path for source in sources for path in _files(Path(source), options.resolution)]
    read = read_files(files, options)
    series = [bars for bars, _ in read]
    resolutions = list(dict.fromkeys(bars.resolution for bars in series))
    if len(resolutions) > 1:
        raise DataError(f"bars of {listed(resolutions)}: one at a time; name it with --resolution, or its files alone")
    folder = Path(f"try-{_names(series)}-{resolutions[0]}") if to is None else Path(to)
    path = folder / FILE
    kept = _kept(path, series) if path.exists() else None
    import_bars(files, folder / "bars", options, overwrite=overwrite)
    notices = [f"{bars.name}: {line}" for bars, lines in read for line in (*lines, f"{len(bars):,} bars")]
    if kept is not None:
        idle = [bars.name for bars in series if bars.ticker not in kept.dataset_config.tickers]
        notices += [f"{path}: kept as it is" + (f"; it does not train {listed(idle)}" if idle else "")]
        return Draft(path, kept, tuple(notices))
    first = _first_time(series)
    late = [bars for bars in series if bars.time_N[-1] >= first]
    early = [bars.name for bars in series if bars.time_N[-1] < first]
    notices += [f"{name}: left out, it ends before the others begin to count" for name in early]
    write_whole(path, draft(late, folder))
    return Draft(path, ExperimentConfig.load(path), tuple(notices))


def draft(series: Sequence[Bars], folder: Path) -> str:
    """The configuration for series of one resolution in ``<folder>/bars``, as YAML with comments: the recipe for the
    market most like theirs, with early stopping, on as many of the last bars as train in minutes."""
    largest = max(series, key=len)
    recipe = recipe_like(largest)
    fields = read_yaml(recipe_path(recipe))
    data, model = fields["dataset_config"], fields["model_config"]
    data |= {"datapath": str(folder / "bars"), "tickers": [bars.ticker for bars in series]}
    data["resolution"] = largest.resolution
    cut = _first_date(series)
    if cut is not None:
        data["initial_date"] = cut
    if not all(name in bars.columns for bars in series for name in PRICES):
        data["features"], model["start"] = "close", "constant"
        fields.pop("range_loss", None)
    if any((bars.columns["close"] <= 0).any() for bars in series):
        data["target"] = "close"
    fields |= {"log_dir": str(folder / "runs"), "experiment_name": "first", "early_stopper": PATIENCE}
    exchange = exchange_of_training([bars.between(cut) for bars in series], ExperimentConfig.of(fields))
    data["calendar"] = exchange or "auto"
    return _about(series, recipe, cut, exchange, folder / FILE) + commented_yaml(fields)


def _about(series: Sequence[Bars], recipe: str, cut: str | None, exchange: str | None, path: Path) -> str:
    """The comment on top: what the bars are, where the settings come from, what to do next."""
    largest = max(series, key=len)
    first, last = (iso(int(time))[:10] for time in largest.time_N[[0, -1]])
    lines = [
        f"{len(largest):,} bars of {largest.ticker}, {first} to {last}"
        + (f", and {len(series) - 1} more series" if len(series) > 1 else "")
        + f". The settings are those of the recipe {recipe}, for the kind of market nearest to it:",
        *recipe_figures(recipe),
        *([f"For a quick start without bars before {cut}: remove initial_date for all of them."] if cut else []),
        *([_about_exchange(exchange)] if exchange else []),
        f"It stops after {PATIENCE} epochs without improvement.",
        f"Change what you like, then: nextbar train {path}",
    ]
    wrapped = [part for line in lines for part in textwrap.wrap(line, WIDTH)]
    return "".join(f"# {line}\n" for line in wrapped)


def _about_exchange(exchange: str) -> str:
    return (
        f"The days and hours of the bars are those of {exchange}, so its calendar tells when the next bar is, also "
        "around holidays and half days; calendar: auto learns the hours of a week instead."
    )


def _first_time(series: Sequence[Bars]) -> int:
    """Opening time of the first bar of the last ``MOST_BARS``."""
    time = np.sort(np.concatenate([bars.time_N for bars in series]))
    return int(time[-min(len(time), MOST_BARS)])


def _first_date(series: Sequence[Bars]) -> str | None:
    """The day from which on there are at most ``MOST_BARS``; None where there are no more anyway."""
    return None if sum(map(len, series)) <= MOST_BARS else iso(_first_time(series))[:10]


def _files(source: Path, resolution: str | None) -> list[Path]:
    """The file itself, or those of a folder."""
    if not source.is_dir():
        return [source]
    paths = [path for interval, _, path in list_series(source) if resolution in (None, interval)]
    if not paths:
        raise DataError(f"{str(source)!r} has no bars" + (f" of {resolution}" if resolution else ""))
    return paths


def _names(series: Sequence[Bars]) -> str:
    return series[0].ticker if len(series) == 1 else f"{len(series)}-series"


def _kept(path: Path, series: Sequence[Bars]) -> ExperimentConfig:
    """The experiment that was drafted before, if it is about these series."""
    config = ExperimentConfig.load(path)
    names = {bars.name for bars in series}
    trained = {f"{t}_{r}" for r in config.dataset_config.resolutions for t in config.dataset_config.tickers}
    if not trained <= names:
        raise ConfigError(
            f"{path} is there already and trains {listed(sorted(trained))}, not {listed(sorted(names))}: name another "
            "folder with --to"
        )
    return config
