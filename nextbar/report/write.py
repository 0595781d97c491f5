"""From a folder to its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nextbar.arguments import strict_arguments
from nextbar.errors import RunError
from nextbar.files import write_whole
from nextbar.runs import best_run, is_backtest, is_study

NAME = "report.html"


@strict_arguments
def write_report(
    source: str | Path, out: str | Path | None = None, *, bars: Any = None, data: str | Path | None = None
) -> Path:
    """Write the report of a run, a backtest or a study: one HTML page that needs no network and no other file.

    The same folder and bars give the same bytes.

    Args:
        source: the folder of a run, of a backtest or of a study (the page of its best run is written too, and linked);
            of another experiment: its best run.
        out: the file, or a folder for it; None: ``report.html`` in the folder that is reported.
        bars: a frame of bars instead of the files the configuration names.
        data: a file of bars, or a folder as ``datapath``, instead of the configuration's.

    Returns:
        The path of the page.

    Raises:
        RunError: no such folder, one of which there is nothing to report, or a page that cannot be written.
        DataError: the bars cannot be read.
    """
    path = Path(source) if is_backtest(source) or is_study(source) else best_run(source)
    target = path / NAME if out is None else Path(out)
    if target.is_dir():
        target /= NAME
    if is_backtest(path):
        from nextbar.report.backtest_page import backtest_page

        page = backtest_page(path, bars, data)
    elif is_study(path):
        from nextbar.report.study_page import study_page

        page = study_page(path, target, bars, data)
    else:
        from nextbar.report.run_page import run_page

        page = run_page(path, bars, data)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, page)
    except OSError as error:
        raise RunError(
            f"{target}: the report cannot be written: {error.strerror or error}; choose another file"
        ) from None
    return target
