"""``evaluate``: scores a run on its own bars or on new ones, and fits, chooses and learns nothing from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from nextbar.arguments import strict_arguments
from nextbar.bars.bars import Bars
from nextbar.bars.columns import FrameNames, refuse_names
from nextbar.bars.new_bars import own_bars, read_new_bars
from nextbar.bars.present import Present
from nextbar.baselines.rivals import Rival
from nextbar.data.panel import Panel
from nextbar.data.preparation import Preparation
from nextbar.data.series_fit import SeriesFit
from nextbar.errors import ConfigError
from nextbar.inference.evaluation import Evaluation, SpanEvaluation
from nextbar.inference.fits import fit_of, with_features
from nextbar.inference.forecaster import Forecaster
from nextbar.inference.loading import refuse_one_name_for_several
from nextbar.inference.rival import beside_rival, beside_start, rival_of, scored_origins, without_others
from nextbar.inference.series_reference import series_reference
from nextbar.inference.span_origins import no_test_window, no_unseen_window, span_origins, unseen_origins
from nextbar.logger import get_logger
from nextbar.machine.hosts import require_alone
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.scorer import Scorer
from nextbar.runs.bars import HeldBars, ends, hold
from nextbar.runs.choice import Purpose, chosen_run
from nextbar.runs.records import read_cuts, read_reference
from nextbar.runs.summary import fit_folder, read_summary
from nextbar.storage.address import named, told_by_address

FIT_SCALER = "to fit them on its bars before the run's validation span, ask for it with fit_scaler=True (--fit-scaler)"


@strict_arguments
@told_by_address()
def evaluate(
    path: str | Path | Sequence[str | Path],
    bars: Any = None,
    *,
    run: str | None = None,
    data: str | Path | None = None,
    tickers: Sequence[str] | None = None,
    epoch: int | None = None,
    conformal: bool = False,
    fit_scaler: bool = False,
    new: bool = False,
    revised: bool = False,
    **names: Unpack[FrameNames],
) -> Evaluation:
    """Score a run on its own bars, or on new ones.

    Its own bars are those it was trained and scored on: of a file that has grown since, later bars are left out, which
    is logged, and a file whose bars were revised is refused. A last bar that has not closed by the clock is no outcome
    yet and is left out, whosever bars they are. A window is scored in the span that the run's own cuts put
    it in, so bars after those of the training are test. Statistics, calendars and baselines are those of the run. A
    series it did not train has its baseline, the unit of scaled errors and all simple rivals from its own bars up to
    its first origin in a span. Where these are too few, the span begins later for it; where they never suffice, there
    is no verdict. The rivals of other series are those that the run has written down, and so is the network's own
    start; a run of a version without rivals has them fitted anew where its own bars are at hand.


    Args:
        path: run folder, or an experiment folder: the run it stands for, see
            :func:`nextbar.runs.choice.chosen_run` (where that is a refit, the run that it repeats; with
            ``new`` the refit itself). Or several, whose forecasts are averaged (a deep ensemble); spans, statistics
            and baselines are then those of the first.
        bars: a frame of bars, or a list of ``Bars``; all dates and tickers in it count.
        run: name of another run of the experiment.
        data: a file of bars, or a folder as ``datapath``, instead. Neither: what the run was trained and scored on.
        tickers: those to score; None: all of a frame or a file, the run's scored ones of a folder.
        epoch: one of the epochs kept; None: the best.
        conformal: adjust the intervals by the residuals of the run's validation span (``calibration`` says how that
            changed their coverage; the metrics are of the law and stay).
        fit_scaler: let tickers the run did not know have statistics of their own where the normalisation is global,
            fitted on their bars before the run's validation span.
        new: score only what came after the run's last bar: windows none of whose labels it was trained or scored on.
        revised: take the run's own bars as the files hold them now, although they were revised.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.

    Raises:
        ConfigError: ``revised`` beside bars that are not the run's own; ``run`` beside several folders.
        RunError: no run that can be loaded (see ``Forecaster.load``), one refitted on all of these bars, or ``new`` for
            a run of an earlier version, which does not say where its bars end.
        DataError: bars that cannot be used or were revised, or none of them is in the test span.
    """
    require_alone("evaluating")
    run_dirs, forecaster = _open(path, run, epoch, "use" if new else "scores")
    run_dir = run_dirs[0]
    config, preparation, spec = forecaster.config, forecaster.preparation, forecaster.preparation.spec
    dataset, cuts, summary = config.dataset_config, read_cuts(run_dir), read_summary(run_dir)
    residuals = forecaster.conformal() if conformal else None
    if bars is None and data is None:
        refuse_names(names)
        own = own_bars(config, tickers, summary.get("datapath"), later=new)
        held = hold(run_dir, own, later=new, revised=revised)
    elif revised:
        raise ConfigError("revised is about the run's own bars; leave it out, or the other bars")
    else:
        read = read_new_bars(config, bars, data, tickers=tickers, scored_only=True, **names)
        held = HeldBars(read, [])
    series = tuple(with_features(b, dataset, spec) for b in _closed(held.bars, preparation))
    n_fit = [int(np.searchsorted(b.close_time_N, cuts.training_end)) if fit_scaler else 0 for b in series]
    fits = [fit_of(b, dataset, preparation, n, FIT_SCALER) for b, n in zip(series, n_fit, strict=True)]
    panel = preparation.panel(series)
    origins = span_origins(panel, fits, spec, cuts)
    if fit_folder(run_dir, summary) != run_dir:
        del origins["validation"]  # the model has learnt from it
    if new:
        origins = {"test": unseen_origins(origins["test"], panel, ends(run_dirs, series))}
    if not len(origins["test"]):
        raise no_unseen_window(series, run_dir) if new else no_test_window(series, run_dir, spec, cuts, summary)
    fit = fit_folder(run_dir, summary)
    rival, notice = rival_of(run_dir, fit, config, own=bars is None and data is None)
    trimmed = {span: scored_origins(rival, panel, origin_N, span) for span, origin_N in origins.items()}
    origins = {span: origin_N for span, (origin_N, _) in trimmed.items()}
    late = [notice for _, notices in trimmed.values() for notice in notices]
    spans, lacking = _evaluate_spans(forecaster, fit, panel, fits, origins, residuals, rival)
    texts = (*held.notices, notice, without_others(rival), *late, *lacking)
    notices = tuple(dict.fromkeys(text for text in texts if text))
    for text in notices:
        get_logger().warning("%s: %s", named(run_dir), text)
    return Evaluation(
        run=run_dir,
        epoch=forecaster.epoch,
        config=config,
        summary=summary,
        bars=series,
        names=panel.names,
        cuts=cuts,
        spans=spans,
        timezones=tuple(fit.calendar.timezone for fit in fits),
        notices=notices,
    )


def _open(
    path: str | Path | Sequence[str | Path], run: str | None, epoch: int | None, purpose: Purpose
) -> tuple[list[Path], Forecaster]:
    """The run folders that the paths stand for, and their forecaster."""
    single = isinstance(path, str | Path)
    paths = [path] if isinstance(path, str | Path) else list(path)
    refuse_one_name_for_several(run, paths)
    run_dirs = [chosen_run(folder, run, purpose, epoch) for folder in paths]
    return run_dirs, Forecaster.load(run_dirs[0] if single else run_dirs, epoch)


def _closed(series: Sequence[Bars], preparation: Preparation) -> list[Bars]:
    """The series without a last bar that has not closed by the clock; logs those left out."""
    present = Present()
    closed = [present.closed_bars(bars, preparation.calendar(bars.ticker, bars.resolution)) for bars in series]
    present.tell()
    return closed


def _evaluate_spans(
    forecaster: Forecaster,
    fit: Path,
    panel: Panel,
    fits: Sequence[SeriesFit],
    origins: Mapping[str, np.ndarray],
    residuals: Conformal | None,
    rival: Rival | None,
) -> tuple[dict[str, SpanEvaluation], list[str]]:
    """Forecasts and outcomes of the spans that have windows, and notices on their rival.

    Args:
        forecaster: of the run.
        fit: folder of the fit that it forecasts with.
        panel: bars with their indicators.
        fits: calendar and statistics of each of them.
        origins: rows of the last known bars, by span.
        residuals: adjust the intervals of the test span.
        rival: what the forecasts are held against beside the plain baseline.
    """
    task, recorded = forecaster.task, read_reference(fit)
    evaluations, notices = {}, []
    for span, origin_N in origins.items():
        if len(origin_N):
            realised = panel.outcomes(origin_N)
            forecast = forecaster.forecast(panel.bars, fits, origin_N)
            reference = series_reference(panel, fits, origin_N, span, task, *recorded)
            scorer, notice = beside_rival(Scorer(realised, reference, task), rival, panel, fits, origin_N)
            scorer = beside_start(scorer, rival, forecaster, panel, fits, origin_N)
            notices.append(notice)
            conformal = residuals if span == "test" else None
            evaluations[span] = SpanEvaluation(
                origin_N, realised, forecast, scorer, conformal, panel.realised_variance(origin_N)
            )
    return evaluations, notices
