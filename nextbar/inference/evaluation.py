"""A run judged once more, or judged on new bars: nothing is fitted, chosen or learnt from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from nextbar.arguments import strict_arguments
from nextbar.bars.bars import Bars
from nextbar.bars.columns import FrameNames, refuse_names
from nextbar.bars.dates import iso
from nextbar.bars.new_bars import own_bars, read_new_bars
from nextbar.bars.present import Present
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import moves_until, usable_origins
from nextbar.data.preparation import SeriesFit
from nextbar.data.splits import Cuts, spans
from nextbar.data.targets import outcomes
from nextbar.errors import ConfigError, DataError, NextbarError, RunError
from nextbar.inference.forecaster import Forecaster
from nextbar.inference.model_input import fit_of, with_features
from nextbar.logger import get_logger
from nextbar.machine.hosts import require_alone
from nextbar.metrics.calibration import calibration_report
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.reference import fit_reference, join_references
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.runs.bars import ends, hold
from nextbar.runs.choice import Purpose, chosen_run
from nextbar.runs.records import read_cuts, read_reference, read_summary
from nextbar.types import Forecast, Outcomes, Reference

SPANS = ("validation", "test")
FIT_SCALER = "to fit them on its bars before the run's validation span, ask for it with fit_scaler=True (--fit-scaler)"


@dataclass(frozen=True)
class SpanEvaluation:
    """What was forecast in a span, what came, and how good that was."""

    origin_N: np.ndarray
    """rows of the last known bars, over the evaluation's series end to end"""
    outcomes: Outcomes
    forecast: Forecast
    scorer: Scorer
    conformal: Conformal | None = None
    """by which intervals are adjusted; None: they are not, as in the validation span that the residuals come from"""

    @cached_property
    def report(self) -> dict[str, Any]:
        """Model beside baseline, as ``metrics`` of a run's ``summary.json`` has them; see ``Scorer.report``."""
        return self.scorer.report(self.forecast)

    @cached_property
    def calibration(self) -> dict[str, Any]:
        """Whether the law says what it means, and what adjusting its intervals changed; see ``calibration_report``."""
        return calibration_report(self.outcomes, self.forecast, self.scorer.task, self.conformal)


@dataclass(frozen=True)
class Evaluation:
    """A run's forecasts for some bars, span by span."""

    run: Path
    epoch: int | None
    """whose parameters were used"""
    config: ExperimentConfig
    summary: dict[str, Any]
    """the run's own"""
    bars: tuple[Bars, ...]
    """the series, with their indicators"""
    names: tuple[str, ...]
    """what the reports call them"""
    cuts: Cuts
    """where the run's validation and test began"""
    spans: dict[str, SpanEvaluation]
    """``validation`` and ``test``, those with windows"""
    timezones: tuple[str, ...]
    """whose hours and weekdays each series' bars have"""
    notices: tuple[str, ...] = ()
    """what to know of the bars: what came after the run and was left out, what was revised since"""

    @property
    def metrics(self) -> dict[str, Any]:
        """The reports by span, as ``metrics`` of ``summary.json``."""
        return {name: span.report for name, span in self.spans.items()}


@strict_arguments
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

    Its own bars are those it was trained and scored on: of a file that has grown since, what came later is left out
    (and said), and one whose bars were revised is refused. A window is scored in the span that the run's own cuts put
    it in, so bars after those of the training are test. Statistics, calendars and baselines are those of the run. A
    series it did not train has a baseline, and the unit of scaled errors, from its own bars up to its first origin in a
    span; where these are too few it has none, and there is no verdict.

    Args:
        path: run folder, or an experiment folder: the run it stands for, see
            :func:`nextbar.runs.choice.chosen_run` (where that is a refit, the run that it repeats; with
            ``new`` the refit itself). Or several, whose forecasts are averaged (a deep ensemble); spans, statistics
            and baselines are then those of the first.
        bars: a frame of bars, or a list of ``Bars``; all dates and tickers in it count, but for a last bar that has
            not closed by the clock, which is no outcome yet.
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
    purpose: Purpose = "use" if new else "scores"
    paths = [path] if isinstance(path, str | Path) else list(path)
    if run is not None and len(paths) > 1:
        raise ConfigError(f"run names one run of one experiment, but {len(paths)} folders are given")
    chosen = [chosen_run(one, run, purpose) for one in paths]
    forecaster = Forecaster.load(chosen[0] if isinstance(path, str | Path) else chosen, epoch)
    run_dir = forecaster.run_dir
    assert run_dir is not None
    config, preparation, spec = forecaster.config, forecaster.preparation, forecaster.preparation.spec
    dataset, cuts, summary = config.dataset_config, read_cuts(run_dir), read_summary(run_dir)
    adjusted = forecaster.conformal() if conformal else None
    notices: list[str] = []
    if bars is None and data is None:
        refuse_names(names)
        found = own_bars(config, tickers, summary.get("datapath"), later=new)
        given, notices = hold(run_dir, found, later=new, revised=revised)
        for notice in notices:
            get_logger().warning("%s: %s", run_dir, notice)
    elif revised:
        raise ConfigError("revised is about the run's own bars; leave it out, or the other bars")
    else:
        present = Present()
        others = read_new_bars(config, bars, data, tickers=tickers, scored_only=True, **names)
        given = [present.closed_bars(b) for b in others]
        present.tell()
    series = tuple(with_features(b, dataset, spec) for b in given)
    n_fit = [int(np.searchsorted(b.close_time_N, cuts.training_end)) if fit_scaler else 0 for b in series]
    fits = [fit_of(b, dataset, preparation, n, FIT_SCALER) for b, n in zip(series, n_fit, strict=True)]
    called = forecaster.names(series)
    origins = _origins(series, fits, forecaster, cuts)
    if new:
        origins = {"test": _later(origins["test"], series, ends(chosen, series))}
    if not len(origins["test"]):
        raise _nothing_new(series, run_dir) if new else _no_test(series, forecaster, cuts, summary)
    close_R, time_R = (
        np.concatenate(parts) for parts in zip(*((b.columns["close"], b.close_time_N) for b in series), strict=True)
    )
    series_R = np.repeat(np.arange(len(series)), [len(b) for b in series])
    recorded = read_reference(run_dir)
    judged = {}
    for span, origin_N in origins.items():
        if len(origin_N):
            came = outcomes(close_R, time_R, series_R, called, origin_N, spec.horizon)
            said = forecaster.forecast(series, fits, origin_N)
            reference = _reference_of(series, called, fits, origin_N, span, forecaster.task, *recorded)
            scorer = Scorer(came, reference, forecaster.task)
            judged[span] = SpanEvaluation(origin_N, came, said, scorer, adjusted if span == "test" else None)
    timezones = tuple(fit.calendar.timezone for fit in fits)
    return Evaluation(
        run_dir, forecaster.epoch, config, summary, series, called, cuts, judged, timezones, tuple(notices)
    )


def _origins(
    series: Sequence[Bars], fits: Sequence[SeriesFit], forecaster: Forecaster, cuts: Cuts
) -> dict[str, np.ndarray]:
    """Rows over all series end to end, by span."""
    spec = forecaster.preparation.spec
    found: dict[str, list[np.ndarray]] = {span: [] for span in SPANS}
    start = 0
    for bars, fit in zip(series, fits, strict=True):
        usable_N = usable_origins(bars, fit.calendar, spec, spec.horizon)
        by_span = spans(bars.close_time_N, usable_N, spec.horizon, cuts)
        for span in SPANS:
            found[span].append(by_span[span] + start)
        start += len(bars)
    return {span: np.concatenate(rows) for span, rows in found.items()}


def _later(origin_N: np.ndarray, series: Sequence[Bars], ends_S: Sequence[int]) -> np.ndarray:
    """The origins that are not before the last bar of a run, whose labels it has not seen."""
    time_R = np.concatenate([b.time_N for b in series])
    end_R = np.repeat(ends_S, [len(b) for b in series])
    return origin_N[time_R[origin_N] >= end_R[origin_N]]


def _nothing_new(series: Sequence[Bars], run_dir: Path) -> DataError:
    last = ", ".join(f"{b.name} until {iso(int(b.close_time_N[-1]))}" for b in series)
    return DataError(
        f"nothing new: no window of these bars ({last}) lies after those that {run_dir} was trained and scored on. "
        "Give later bars, with those before them that a context needs"
    )


def _reference_of(
    series: Sequence[Bars],
    names: Sequence[str],
    fits: Sequence[SeriesFit],
    origin_N: np.ndarray,
    span: str,
    task: Task,
    run_names: Sequence[str],
    run: Reference,
) -> Reference:
    """The run's reference for these series; of one it did not train, what its bars up to its first origin say.

    The run recorded that of its own test span: it stands in where fewer bars are given than the run had.
    """
    trained_S = np.ones(len(run_names), bool) if run.trained_S is None else run.trained_S
    moves_S = np.zeros(len(run_names)) if run.moves_S is None else run.moves_S
    starts = np.cumsum([0, *(len(b) for b in series)])
    row_S: list[int] = []
    own_names: list[str] = []
    closes, parts = [], []
    for s, (bars, fit, name) in enumerate(zip(series, fits, names, strict=True)):
        recorded = run_names.index(name) if name in run_names else None
        own_N = origin_N[(origin_N >= starts[s]) & (origin_N < starts[s + 1])] - starts[s]
        origin = int(own_N.min()) if len(own_N) else -1
        rows, close_N = moves_until(bars, fit.calendar, task.horizon, origin), bars.columns["close"]
        if recorded is not None and (trained_S[recorded] or (span == "test" and len(rows) < moves_S[recorded])):
            row_S.append(recorded)
            continue
        row_S.append(len(run_names) + len(own_names))
        parts.append(outcomes(close_N, bars.close_time_N, np.full(len(bars), len(own_names)), (), rows, task.horizon))
        closes.append(close_N[: origin + 1])
        own_names.append(name)
    if not own_names:
        return join_references(run, run, row_S)
    fields = zip(*((p.series_N, p.origin_time_N, p.last_close_N, p.close_NH) for p in parts), strict=True)
    series_N, time_N, last_N, close_NH = map(np.concatenate, fields)
    history = Outcomes(series_N, tuple(own_names), time_N, last_N, close_NH)
    return join_references(run, fit_reference(history, closes, task, np.zeros(len(own_names), bool)), row_S)


def _no_test(series: Sequence[Bars], forecaster: Forecaster, cuts: Cuts, summary: dict[str, Any]) -> NextbarError:
    spec = forecaster.preparation.spec
    last = ", ".join(f"{b.name} until {iso(int(b.close_time_N[-1]))}" for b in series)
    if summary.get("refit_of") and all(b.close_time_N[-1] < cuts.test for b in series):
        return RunError(
            f"{forecaster.run_dir} was refitted on all bars until {iso(cuts.test)}, so none of these are left to "
            f"score it with ({last}); give later ones, score what came after it (new=True, --new), or evaluate "
            f"{summary['refit_of']}"
        )
    return DataError(
        f"no test window: the test span of the run begins at {iso(cuts.test)}, and a window there is "
        f"{spec.seq_len + spec.horizon} bars without a hole or an empty value, of which the last {spec.horizon} close "
        f"in it; the bars: {last}. Give later bars, with the {spec.seq_len} before them"
    )
