"""From a folder to its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nextbar.errors import RunError
from nextbar.files import write_whole
from nextbar.runs import best_run, is_backtest

NAME = "report.html"


def write_report(
    source: str | Path, out: str | Path | None = None, *, bars: Any = None, data: str | Path | None = None
) -> Path:
    """Write the report of a run or a backtest: one HTML page that needs no network and no other file.

    The same folder and bars give the same bytes.

    Args:
        source: a run folder, an experiment folder (its best run), or the folder of a backtest.
        out: the file, or a folder for it; None: ``report.html`` in the folder of the run or backtest.
        bars: a frame of bars instead of the files the configuration names.
        data: a file of bars, or a folder as ``datapath``, instead of the configuration's.

    Returns:
        The path of the page.

    Raises:
        RunError: no such folder, one of which there is nothing to report, or a page that cannot be written.
        DataError: the bars cannot be read.
    """
    if is_backtest(source):
        from nextbar.report.backtest_page import backtest_page as make

        path = Path(source)
    else:
        from nextbar.report.run_page import run_page as make

        path = best_run(source)
    page = make(path, bars, data)
    target = path / NAME if out is None else Path(out)
    if target.is_dir():
        target /= NAME
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, page)
    except OSError as error:
        raise RunError(
            f"{target}: the report cannot be written: {error.strerror or error}; choose another file"
        ) from None
    return target
