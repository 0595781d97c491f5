"""A run judged once more, or judged on new bars: nothing is fitted, chosen or learnt from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from nextbar.arguments import strict_arguments
from nextbar.config import ExperimentConfig
from nextbar.data.bars import Bars
from nextbar.data.columns import FrameNames, refuse_names
from nextbar.data.dataset import usable_origins
from nextbar.data.preparation import SeriesFit
from nextbar.data.present import Present
from nextbar.data.splits import Cuts, spans
from nextbar.data.targets import outcomes
from nextbar.errors import DataError, NextbarError, RunError
from nextbar.forecaster import Forecaster
from nextbar.history import fit_of, with_features
from nextbar.metrics.calibration import calibration_report
from nextbar.metrics.conformal import Conformal
from nextbar.metrics.scorer import Scorer
from nextbar.new_bars import own_bars, read_new_bars
from nextbar.train.records import read_cuts, read_reference, read_summary
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

    @property
    def metrics(self) -> dict[str, Any]:
        """The reports by span, as ``metrics`` of ``summary.json``."""
        return {name: span.report for name, span in self.spans.items()}


@strict_arguments
def evaluate(
    run: str | Path | Sequence[str | Path],
    bars: Any = None,
    *,
    data: str | Path | None = None,
    tickers: Sequence[str] | None = None,
    epoch: int | None = None,
    conformal: bool = False,
    fit_scaler: bool = False,
    **names: Unpack[FrameNames],
) -> Evaluation:
    """Score a run on its own bars, or on new ones.

    A window is scored in the span that the run's own cuts put it in, so bars after those of the training are test.
    Statistics, calendars and baselines are those of the run. For a series it did not know, the baseline's spread is the
    mean of those it knew, and scaled errors are left out.

    Args:
        run: run folder, or an experiment folder: its best run. Or several, whose forecasts are averaged (a deep
            ensemble); spans, statistics and baselines are then those of the first.
        bars: a frame of bars, or a list of ``Bars``; all dates and tickers in it count, but for a last bar that has
            not closed by the clock, which is no outcome yet.
        data: a file of bars, or a folder as ``datapath``, instead. Neither: what the run was trained and scored on.
        tickers: those to score; None: all of a frame or a file, the run's scored ones of a folder.
        epoch: one of the epochs kept; None: the best.
        conformal: adjust the intervals by the residuals of the run's validation span (``calibration`` says how that
            changed their coverage; the metrics are of the law and stay).
        fit_scaler: let tickers the run did not know have statistics of their own where the normalisation is global,
            fitted on their bars before the run's validation span.
        names: ``id_col``, ``time_col`` and ``target_col``, what the frame calls ``ticker``, ``date`` and ``close``.

    Raises:
        RunError: no run that can be loaded (see ``Forecaster.load``), or one refitted on all of these bars.
        DataError: bars that cannot be used, or none of them is in the test span.
    """
    forecaster = Forecaster.load(run, epoch)
    path = forecaster.run_dir
    assert path is not None
    config, preparation, spec = forecaster.config, forecaster.preparation, forecaster.preparation.spec
    dataset, cuts, summary = config.dataset_config, read_cuts(path), read_summary(path)
    adjusted = forecaster.conformal() if conformal else None
    if bars is None and data is None:
        refuse_names(names)
        given = own_bars(config, tickers)
    else:
        present = Present()
        new = read_new_bars(config, bars, data, tickers=tickers, scored_only=True, **names)
        given = [present.closed_bars(b) for b in new]
        present.tell()
    series = tuple(with_features(b, dataset, spec) for b in given)
    n_fit = [int(np.searchsorted(b.close_time_N, cuts.training_end)) if fit_scaler else 0 for b in series]
    fits = [fit_of(b, dataset, preparation, n, FIT_SCALER) for b, n in zip(series, n_fit, strict=True)]
    called = forecaster.names(series)
    reference = _reference_of(series, called, *read_reference(path))
    origins = _origins(series, fits, forecaster, cuts)
    if not len(origins["test"]):
        raise _no_test(series, forecaster, cuts, summary)
    close_R, time_R = (
        np.concatenate(parts) for parts in zip(*((b.columns["close"], b.close_time_N) for b in series), strict=True)
    )
    series_R = np.repeat(np.arange(len(series)), [len(b) for b in series])
    judged = {}
    for span, origin_N in origins.items():
        if len(origin_N):
            came = outcomes(close_R, time_R, series_R, called, origin_N, spec.horizon)
            said = forecaster.forecast(series, fits, origin_N)
            scorer = Scorer(came, reference, forecaster.task)
            judged[span] = SpanEvaluation(origin_N, came, said, scorer, adjusted if span == "test" else None)
    return Evaluation(path, forecaster.epoch, config, summary, series, called, cuts, judged)


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


def _reference_of(
    series: Sequence[Bars], names: Sequence[str], known: Sequence[str], reference: Reference
) -> Reference:
    """The run's reference for these series; one it did not know has the mean spread of moves, and no scale."""
    log_returns_SH = reference.move_std_SH[reference.positive_S]
    log_returns_SH = log_returns_SH[np.isfinite(log_returns_SH).all(axis=1)]
    unknown_H = np.full(reference.move_std_SH.shape[1], np.nan)
    typical_H = log_returns_SH.mean(axis=0) if len(log_returns_SH) else unknown_H
    place = [known.index(name) if name in known else None for name in names]
    positive_S = np.array(
        [
            bool((b.columns["close"] > 0).all()) if at is None else reference.positive_S[at]
            for b, at in zip(series, place, strict=True)
        ]
    )
    return reference._replace(
        center_S=np.array([np.nan if at is None else reference.center_S[at] for at in place]),
        spread_S=np.array([np.nan if at is None else reference.spread_S[at] for at in place]),
        move_std_SH=np.array(
            [
                (typical_H if positive else unknown_H) if at is None else reference.move_std_SH[at]
                for at, positive in zip(place, positive_S, strict=True)
            ]
        ),
        positive_S=positive_S,
    )


def _no_test(series: Sequence[Bars], forecaster: Forecaster, cuts: Cuts, summary: dict[str, Any]) -> NextbarError:
    spec = forecaster.preparation.spec
    last = ", ".join(f"{b.name} until {_iso(int(b.close_time_N[-1]))}" for b in series)
    if summary.get("refit_of") and all(b.close_time_N[-1] < cuts.test for b in series):
        return RunError(
            f"{forecaster.run_dir} was refitted on all bars until {_iso(cuts.test)}, so none of these are left to "
            f"score it with ({last}); give later ones, or evaluate {summary['refit_of']}"
        )
    return DataError(
        f"no test window: the test span of the run begins at {_iso(cuts.test)}, and a window there is "
        f"{spec.seq_len + spec.horizon} bars without a hole or an empty value, of which the last {spec.horizon} close "
        f"in it; the bars: {last}. Give later bars, with the {spec.seq_len} before them"
    )


def _iso(time: int) -> str:
    return f"{np.datetime64(time, 's')}Z"
