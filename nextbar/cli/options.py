"""Arguments and options that several commands share."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nextbar.errors import ConfigError
from nextbar.storage.address import address_of

Config = Annotated[Path, typer.Argument(help="Experiment, a YAML file.", metavar="CONFIG.yaml", show_default=False)]
Run = Annotated[
    Path,
    typer.Argument(
        help="Folder or address of a run, or of an experiment: then its run.", metavar="RUN", show_default=False
    ),
]
LocalRun = Annotated[
    Path,
    typer.Argument(help="Folder of a run, or of an experiment: then its run.", metavar="RUN", show_default=False),
]
Runs = Annotated[
    list[Path],
    typer.Argument(
        help="Folder or address of a run, or of an experiment: then its run. Several: their forecasts are averaged.",
        metavar="RUN...",
        show_default=False,
    ),
]
Named = Annotated[
    str | None,
    typer.Option("--run", metavar="NAME", help="Another run of the experiment.", show_default="see nextbar runs"),
]
Revised = Annotated[
    bool, typer.Option("--revised", help="Take the run's own bars as they are now, although they were revised.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE|DIR",
        help="Bars: a file, or a folder that holds <resolution>/<ticker>_<resolution>.*; else those of the training.",
    ),
]
Tickers = Annotated[
    str | None,
    typer.Option("--tickers", metavar="NAME,…", help="These only.", show_default="those of a file; of the run"),
]
FitScaler = Annotated[
    bool, typer.Option("--fit-scaler", help="Fit the normalisation of tickers that training did not know.")
]
Epoch = Annotated[int | None, typer.Option("--epoch", help="A kept epoch, by its number.", show_default="the best")]
Conformal = Annotated[
    bool, typer.Option("--conformal", help="Adjust the intervals by what happened in the validation span.")
]
As = Annotated[
    str,
    typer.Option(
        "--as", metavar="FORMAT", help="What the forecasts are for: table, nixtla, vectorbt, freqtrade, jsonl, parquet."
    ),
]
Now = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="DATE|now",
        help="Leave out bars that close later.",
        show_default="now, for bars that reach up to it",
    ),
]
Levels = Annotated[
    str | None,
    typer.Option("--levels", help="Intervals of a distribution, e.g. 0.9,0.99.", show_default="0.5,0.8,0.95"),
]
On = Annotated[
    str,
    typer.Option(
        "--on",
        metavar="local|dask://HOST:PORT|ray://HOST:PORT",
        help="Where the work is done: here, or by the workers of a cluster that is there.",
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="Stop at the first NaN; show tracebacks. Slower.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show warnings and errors only.")]


def set_level(quiet: bool) -> None:
    """Log warnings only, with ``--quiet``."""
    if quiet:
        logging.getLogger("nextbar").setLevel(logging.WARNING)


def watch_nans(debug: bool) -> None:
    """Have JAX stop at the first NaN, with ``--debug``."""
    if debug:
        import jax

        jax.config.update("jax_debug_nans", True)


def called(paths: Sequence[Path]) -> str:
    """What messages call some folders: an address has lost a slash as a path."""
    return ", ".join(address_of(path) or str(path) for path in paths)


def listed(names: str | None) -> list[str] | None:
    """The names in an option that takes several."""
    return None if names is None else [name.strip() for name in names.split(",")]


def split_settings(settings: Sequence[str], options: Any, what: str) -> tuple[dict[str, Any], list[str]]:
    """Split settings into a command's own options, their values read as in YAML, and overrides of the experiment.

    Args:
        settings: ``name=value``, as they were typed.
        options: the configuration whose fields are the command's own.
        what: what messages call the command's work.

    Raises:
        ConfigError: no ``=``, a value that is not YAML, or a name that neither of the two has; names the nearest.
    """
    from nextbar.config import ExperimentConfig
    from nextbar.config.base import field_names
    from nextbar.config.yaml_file import override
    from nextbar.errors import nearest

    names = {text: text.partition("=")[0].strip() for text in settings}
    own = field_names(options)
    fields = (*own, *field_names(ExperimentConfig))
    for text, name in names.items():
        if "=" in text and name not in fields:
            raise ConfigError(f"{text!r}: neither a {what} nor an experiment has {name!r}{nearest(name, fields)}")
    own_settings = [text for text, name in names.items() if name in own]
    return override({}, own_settings, own), [text for text in settings if text not in own_settings]
