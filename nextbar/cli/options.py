"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Argument(help="Experiment, a YAML file.", metavar="CONFIG.yaml", show_default=False)]
Run = Annotated[
    Path,
    typer.Argument(help="A run's folder, or an experiment's: then its best run.", metavar="RUN", show_default=False),
]
Runs = Annotated[
    list[Path],
    typer.Argument(
        help="A run's folder, or an experiment's: then its best run. Several: their forecasts are averaged.",
        metavar="RUN...",
        show_default=False,
    ),
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
Debug = Annotated[bool, typer.Option("--debug", help="Stop at the first NaN; show tracebacks. Slower.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show warnings and errors only.")]


def listed(names: str | None) -> list[str] | None:
    """The names in an option that takes several."""
    return None if names is None else [name.strip() for name in names.split(",")]
