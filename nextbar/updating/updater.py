"""``update``: the daily job. Checks new bars, forecasts, scores what has come due, refits when told; all in a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from nextbar.arguments import strict_arguments
from nextbar.bars.bars import Bars
from nextbar.bars.columns import FrameNames, refuse_names
from nextbar.bars.dates import iso
from nextbar.bars.frames import frame_like
from nextbar.bars.new_bars import own_bars, read_new_bars
from nextbar.bars.present import Present
from nextbar.bars.series import series_tickers
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError
from nextbar.forecasts import levels_of
from nextbar.logger import get_logger
from nextbar.machine.hosts import require_alone
from nextbar.metrics.betting import ALPHA
from nextbar.metrics.task import Task
from nextbar.resolution import seconds
from nextbar.runs.choice import chosen_run
from nextbar.runs.forecast_log import NEEDS_A_DISK
from nextbar.runs.records import read_config, read_preparation
from nextbar.runs.summary import read_summary
from nextbar.storage.address import require_local
from nextbar.updating.continuation import take_up
from nextbar.updating.job import UpdateJob
from nextbar.updating.kept_log import KeptLog, kept_log
from nextbar.updating.table import forecast_columns


@dataclass(frozen=True)
class Updated:
    """Result of an update."""

    run: Path
    """the run that the log is of"""
    log: Path
    model: Path
    """the run that forecasts: that one, or its last refit"""
    forecasts: Any
    """the newest forecast of each series, a pandas frame as ``Forecaster.predict`` gives it"""
    made: int
    """forecasts that were added to the log"""
    scored: int
    """forecasts whose outcomes were added"""
    revised: tuple[str, ...]
    """how bars that the log knew were revised, in words"""
    refitted: bool
    evidence: float
    """that the forecasts are worse than the rival's; see :mod:`nextbar.metrics.betting`"""
    alarm: str | None
    """when the evidence first reached 1 / alpha = 20, ISO 8601; None: it never has"""


@strict_arguments
def update(
    path: str | Path,
    bars: Any = None,
    *,
    data: str | Path | None = None,
    run: str | None = None,
    tickers: Sequence[str] | None = None,
    refit_every: str | None = None,
    revised: bool = False,
    fit_scaler: bool = False,
    now: object = None,
    levels: Sequence[float] | None = None,
    show: bool | None = None,
    **names: Unpack[FrameNames],
) -> Updated:
    """Bring a run up to date: check that new bars continue the old ones, forecast, and score what has come due.

    All is kept in a log beside the run, ``forecasts-<run>.jsonl``, which is only ever appended to. From each bar
    since the run's last one there is one forecast; those that are made after the first of their bars has closed are
    marked as late, and know nothing that came after their origin either. A forecast is scored once all its bars
    have closed, by the closes as they are then, beside the run's strongest simple rival. An update that is killed at
    any moment and started again ends with the same bytes, and one that finds nothing new adds nothing.

    After each outcome a sequential test says how strong the evidence is that the forecasts are worse than the rival's;
    while they are not, the chance that it ever gives the alarm is at most 5 %. See :mod:`nextbar.metrics.betting`.

    Args:
        path: run folder, or an experiment folder: the run that its scores speak of (see ``chosen_run``).
        bars: a frame of bars, or a list of ``Bars``: the history that a context needs, a refit all of it.
        data: a file of bars, or a folder as ``datapath``, instead. Neither: where the run's own lay.
        run: name of another run of the experiment.
        tickers: those to forecast; None: all of a frame or a file, of a folder the run's.
        refit_every: refit on all bars once so much time has passed since the last bar that the model knows, such as
            ``30d``, from its weights on; the refit forecasts from then on. None: only a refit that had begun is ended.
        revised: go on with bars that were revised since the log took them up, instead of refusing them.
        fit_scaler: let tickers that the run did not know have statistics of their own where the normalisation is
            global, fitted on their bars up to the end of the run's.
        now: as for ``Forecaster.predict``: bars that close later are left out.
        levels: central intervals of the forecasts that are handed back, shares in (0, 1), where they are laws; None:
            0.5, 0.8 and 0.95.
        show: progress bar of a refit; None: on a terminal.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.

    Raises:
        ConfigError: ``refit_every`` is no length of time; a level that is no share.
        DataError: bars that cannot be used, were revised, or do not continue those that are known; ``levels`` of
            forecasts that are no laws; or no series can be forecast from its last bar, after what could be scored was.
        RunError: no run that can be loaded, a log that is damaged or being written, or bars without a record.
    """
    require_alone("an update")
    every = None if refit_every is None else _length(refit_every)
    require_local(path, NEEDS_A_DISK, "copy the run there")
    run_dir = chosen_run(path, run, "scores").resolve()  # refits lie beside the run, whatever link leads there
    config = read_config(run_dir)
    shares = levels_of(Task.of(config), levels)
    present, preparation = Present(now), read_preparation(run_dir)
    read = _series(config, run_dir, bars, data, tickers, **names)
    series = [present.closed_bars(b, preparation.calendar(b.ticker, b.resolution)) for b in read]
    with kept_log(run_dir, config) as log:
        before = len(log.state.forecasts), len(log.state.refits)
        # before a line is written: what cannot be forecast is refused here
        job = UpdateJob(log, run_dir, series, fit_scaler, show)
        revisions = take_up(log, run_dir, series, revised)
        scored = job.catch_up(every)
        model, state = job.model, log.state
        for b, fit in zip(model.panel.bars, model.fits, strict=True):
            present.note_end(b.name, int(b.time_N[-1]), fit.calendar)
        present.tell()
        _tell(log, len(state.forecasts) - before[0], scored)
        reasons = model.not_forecast()
        for reason in reasons:
            get_logger().warning("no forecast from the last bar: %s", reason)
        if len(reasons) == len(series):
            raise DataError("no series can be forecast from its last bar:\n  " + "\n  ".join(reasons))
        latest = [key for b in series if (key := state.latest(b.name))]
        table = forecast_columns([state.forecasts[key] for key in latest], state, config, shares)
        return Updated(
            run=run_dir,
            log=log.path,
            model=model.run_dir,
            forecasts=frame_like(table, dates=("origin", "date")),
            made=len(state.forecasts) - before[0],
            scored=scored,
            revised=tuple(revisions),
            refitted=len(state.refits) > before[1],
            evidence=state.test.evidence,
            alarm=None if state.alarm is None else iso(state.alarm),
        )


def _series(
    config: ExperimentConfig,
    run_dir: Path,
    bars: Any,
    data: str | Path | None,
    tickers: Sequence[str] | None,
    **names: Unpack[FrameNames],
) -> list[Bars]:
    """The bars that were given, or the run's own with those that came since."""
    if bars is not None or data is not None:
        return read_new_bars(config, bars, data, tickers=tickers, **names)
    refuse_names(names)
    all_ = series_tickers(config) if tickers is None else tickers
    return own_bars(config, all_, read_summary(run_dir).get("datapath"), later=True)


def _length(text: str) -> int:
    """Seconds of a length of time such as ``30d``."""
    try:
        return seconds(text)
    except ConfigError as error:
        raise ConfigError(f"refit_every{str(error).removeprefix('resolution')}") from None


def _tell(log: KeptLog, made: int, scored: int) -> None:
    """Log what was added, and the alarm."""
    evidence, alarm = log.state.test.evidence, log.state.alarm
    get_logger().info("%s: forecasts added: %d, scored: %d; evidence %.3g", log.path, made, scored, evidence)
    if alarm is not None:
        get_logger().warning(
            "worse than the rival: evidence %.3g, alarm since %s; while the forecasts are no worse, the chance of an "
            "alarm ever is at most %g %%",
            evidence,
            iso(alarm),
            100 * ALPHA,
        )
