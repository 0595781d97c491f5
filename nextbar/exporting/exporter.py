"""Writes a folder that forecasts without nextbar."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from nextbar.arguments import strict_arguments
from nextbar.errors import ConfigError
from nextbar.exporting import forecast
from nextbar.exporting.content import export_files
from nextbar.exporting.exportable import require_exportable
from nextbar.exporting.folder import refuse_other_folder, write_export
from nextbar.exporting.networks import WRITERS, network_files
from nextbar.inference.loading import load_run, load_runs
from nextbar.logger import get_logger
from nextbar.storage.address import require_local

FORMATS = ("numpy", *WRITERS)
TOLERANCE = 1e-5
"""of what the script forecasts, see ``forecast.Export.check``; rounding of float32 is a tenth of it"""


@strict_arguments
def export_run(
    path: str | Path | Sequence[str | Path],
    to: str | Path,
    *,
    run: str | None = None,
    epoch: int | None = None,
    format: str = "numpy",
) -> Path:
    """Write a folder that forecasts as a run does, by a script that needs NumPy alone.

    ``forecast.py`` reads ``manifest.json`` and ``weights.npz``; ``golden.npz`` holds what nextbar forecasts from
    made-up bars, and ``python forecast.py --check`` compares. The same run gives the same bytes.

    Args:
        path: the folder of a run, or of an experiment: then its run; or of several runs, whose forecasts are mixed.
        to: the folder to write; an earlier export there is replaced.
        run: name of another run of the experiment.
        epoch: one of the epochs kept; None: the best.
        format: ``numpy``; or that and the networks for other programs: ``jaxexport`` (StableHLO) or ``onnx``.

    Returns:
        The folder.

    Raises:
        ConfigError: another format; an address in object storage for ``to``; ``run`` beside several folders.
        RunError: a run that cannot be loaded or exported, a package that the format needs and that is not there, or a
            folder that holds something else or cannot be written.
    """
    if format not in FORMATS:
        raise ConfigError(f"format: found {format!r}, should be one of {', '.join(FORMATS)}")
    require_local(to, "an export is written to a disk", "copy it from there")
    refuse_other_folder(Path(to))
    runs = [load_run(path, epoch, run)] if isinstance(path, str | Path) else load_runs(path, epoch, run)
    for loaded in runs:
        require_exportable(loaded.config, loaded.preparation)
    networks = {} if format == "numpy" else network_files(runs, format)
    write_export(Path(to), export_files(runs) | networks)
    difference = forecast.Export(to).check()
    level = logging.INFO if difference <= TOLERANCE else logging.WARNING
    get_logger().log(level, "%s differs from nextbar by %.1e at most, see forecast.py --check", to, difference)
    return Path(to)
