"""Writes the report page of a run, a backtest or a study."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nextbar.arguments import strict_arguments
from nextbar.errors import ConfigError, NextbarError, RunError
from nextbar.files import write_whole
from nextbar.folders import told_as_damage
from nextbar.logger import get_logger
from nextbar.runs.choice import chosen_run
from nextbar.runs.kinds import is_backtest, is_study
from nextbar.storage.address import require_local, told_by_address

NAME = "report.html"


@strict_arguments
@told_by_address()
def write_report(
    source: str | Path,
    out: str | Path | None = None,
    *,
    run: str | None = None,
    bars: Any = None,
    data: str | Path | None = None,
    revised: bool = False,
) -> Path:
    """Write the report of a run, a backtest or a study: one HTML page that needs no network and no other file.

    The same folder and bars give the same bytes.

    Args:
        source: the folder of a run, of a backtest or of a study (the page of its best run is written too, and linked);
            of another experiment: its run, see :func:`nextbar.runs.choice.chosen_run`.
        out: the file, or a folder for it; None: ``report.html`` in the folder that is reported, which then lies on a
            disk.
        run: name of another run of the experiment.
        bars: a frame of bars instead of the files the configuration names.
        data: a file of bars, or a folder as ``datapath``, instead of the configuration's.
        revised: report a run on its own bars as the files hold them now, although they were revised.

    Returns:
        The path of the page.

    Raises:
        RunError: no such folder, one of which there is nothing to report, or a page that cannot be written.
        ConfigError: ``run`` beside a backtest or a study, ``revised`` beside other bars than a run's own; no ``out``
            for a run in object storage.
        DataError: the bars cannot be read, or were revised.
    """
    if out is None:
        require_local(source, "a report is written beside what it is of", "name a file with out=, --out")
    else:
        require_local(out, "a report is written to a disk", "copy it from there")
    whole = is_backtest(source) or is_study(source)
    if whole and (run is not None or revised):
        raise ConfigError(f"run and revised are about the report of a run; {source} is a backtest or a study")
    path = Path(source) if whole else chosen_run(source, run, "scores")
    target = path / NAME if out is None else Path(out)
    if target.is_dir():
        target /= NAME
    with told_as_damage(path):
        if is_backtest(path):
            from nextbar.report.backtest_page import backtest_page

            page = backtest_page(path, bars, data)
        elif is_study(path):
            from nextbar.report.study_page import study_page

            page = study_page(path, partial(_best_page, target=target, bars=bars, data=data), bars, data)
        else:
            from nextbar.report.run_page import run_page

            page = run_page(path, bars, data, revised)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, page)
    except OSError as error:
        raise RunError(
            f"{target}: the report cannot be written: {error.strerror or error}; choose another file"
        ) from None
    return target


def _best_page(best: Path, *, target: Path, bars: Any, data: str | Path | None) -> tuple[str, str]:
    """Write the page of a study's best run: its address from the study's page ``target``, or why there is none."""
    try:
        page = write_report(best, bars=bars, data=data)
    except NextbarError as error:
        get_logger().warning("the best run has no page of its own: %s", error)
        return "", f"The winner is {best.name}; its own page could not be written: {error}"
    address = Path(os.path.relpath(page, target.absolute().parent)).as_posix()
    return quote(address), ""  # a folder may be called javascript:...
