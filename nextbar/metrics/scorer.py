"""Scores of forecasts for one span, and reports of them beside its rivals."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nextbar.errors import DataError
from nextbar.metrics.censored import Region, tail_of
from nextbar.metrics.comparison import Score, beside, ranking_score, verdict
from nextbar.metrics.elements import compared_loss, elements, read_out, require_arrays
from nextbar.metrics.reference import BASELINE_NAMES, baseline_forecast, missing_baseline, not_positive
from nextbar.metrics.scores import Contenders, Scores
from nextbar.metrics.superiority import FreeLosses, Superiority, superiority
from nextbar.metrics.task import Task
from nextbar.metrics.truth import Truth, hit, ratio, target_change
from nextbar.types import Forecast, Outcomes, Reference

CHUNK = 1 << 16
"""elements worked on at once: bounds memory, and stays in the cache"""
START = "start", "the network's own start"
"""Name and words of the untrained network's forecast."""


class FreeForecast(NamedTuple):
    """A forecast of a span that costs nothing: of a simple rival, or of the network before it is trained."""

    name: str
    words: str
    """its name in a sentence"""
    forecast: Forecast


class _Series(NamedTuple):
    """A series of the span."""

    number: int
    name: str
    row_M: np.ndarray
    """its windows"""
    positive: bool
    mean_close: float
    spread: float


class Scorer:
    """Scores any number of forecasts of the same span; quantities that depend on the truth alone are computed once.

    ``outcomes`` N windows of any mix of series, ``reference`` from
    :func:`nextbar.metrics.reference.fit_reference`. Raises DataError when there
    is no window, or when returns are asked of a price that is not above zero.
    """

    def __init__(self, outcomes: Outcomes, reference: Reference, task: Task) -> None:
        if len(outcomes.series_N) == 0:
            raise DataError("there is no window to score: the span is empty. Use more bars or a larger split.")
        self.outcomes, self.reference, self.task = outcomes, reference, task
        self.strongest: FreeForecast | None = None
        """what models are held against beside the baseline; see ``beside``"""
        self.others: tuple[FreeLosses, ...] = ()
        """further forecasts that cost nothing; a model is better by more than luck where it beats them as well"""
        self.without_rival: dict[str, str] = {}
        """by name of series, why no rival could be fitted on it; then there is no verdict"""
        self._strongest_scores: Scores | None = None  # once they are asked for
        rows = outcomes.rows_of_series
        self._series = [self._describe(s, row_M) for s, row_M in enumerate(rows) if len(row_M)]

    def _describe(self, s: int, row_M: np.ndarray) -> _Series:
        name, close = self.outcomes.names[s], self.outcomes.close_NH[row_M]
        positive = bool(self.reference.positive_S[s] and (self.outcomes.last_close_N[row_M] > 0).all())
        positive = positive and bool((close > 0).all())
        if self.task.needs_positive_prices and not positive:
            raise DataError(not_positive(name, self.task))
        return _Series(s, name, row_M, positive, float(close.mean()), float(self.reference.spread_S[s]))

    def beside(
        self,
        strongest: FreeForecast | None,
        others: Iterable[FreeForecast] = (),
        without_rival: Mapping[str, str] | None = None,
    ) -> Scorer:
        """A scorer of the same span whose reports hold models against that rival too.

        Args:
            strongest: the strongest simple rival, where there is one.
            others: further forecasts that cost nothing; of each its losses are kept, and not its arrays.
            without_rival: by name of series, why no rival could be fitted on it.
        """
        other = copy.copy(self)
        for name in ("baseline", "region"):  # of another rival
            other.__dict__.pop(name, None)
        other.strongest, other._strongest_scores, other.without_rival = strongest, None, dict(without_rival or {})
        other.others = tuple(map(other.participant, others))
        return other

    def participant(self, free: FreeForecast) -> FreeLosses:
        """A forecast that costs nothing by its losses, which are all that a test needs."""
        return FreeLosses(free.name, free.words, self.loss_T(self.losses(free.forecast)))

    def held_against(self, *others: FreeLosses) -> Scorer:
        """A scorer of the same span whose verdicts are over further forecasts that cost nothing."""
        other = copy.copy(self)
        other.others = (*self.others, *others)
        return other

    @property
    def rival(self) -> Scores:
        """The scores that models are held against, computed once: the strongest rival's, or else the baseline's."""
        if self.strongest is None:
            return self.baseline
        if self._strongest_scores is None:
            self._strongest_scores = self.score(self.strongest.forecast)
        return self._strongest_scores

    @property
    def rival_forecast(self) -> Forecast:
        """The forecasts that models are held against."""
        return self.strongest.forecast if self.strongest else self.baseline_forecast

    @property
    def rival_name(self) -> str:
        """What models are held against, in words."""
        return self.strongest.words if self.strongest else BASELINE_NAMES[self.task.output_mode]

    @cached_property
    def always_up(self) -> Scores:
        """``acc_dir`` of a forecast that each move is up, which directions are held against in every mode."""
        by_ticker = {}
        for series in self._series:
            change_NH = self.outcomes.close_NH[series.row_M] - self.outcomes.last_close_N[series.row_M, None]
            total = {name: value_NH.sum(axis=0) for name, value_NH in hit(np.ones_like(change_NH), change_NH).items()}
            by_step_H = 100 * ratio(total["hit"], total["move"])
            pooled = 100 * ratio(np.sum(total["hit"], keepdims=True), np.sum(total["move"], keepdims=True))
            first, *steps = (None if v != v else float(v) for v in np.concatenate([pooled, by_step_H]))
            by_ticker[series.name] = Score({"acc_dir": first}, {"acc_dir": steps})
        return Scores.of(by_ticker, np.empty(0))

    @cached_property
    def baseline_forecast(self) -> Forecast:
        """The baseline's forecasts of the span."""
        return baseline_forecast(self.reference, self.outcomes, self.task)

    @cached_property
    def baseline(self) -> Scores:
        """The baseline's scores, computed once."""
        return self.score(self.baseline_forecast)

    def score(self, forecast: Forecast) -> Scores:
        """Every metric of the mode: per ticker, per step, and the mean over tickers.

        A forecast that is not finite makes all metrics of its ticker, and so the means, NaN. Raises
        ValueError when the forecast lacks an array of the mode or has another shape than (N, H) or (N, H, K).
        """
        require_arrays(forecast, self.outcomes.close_NH.shape, self.task)
        loss_N = np.empty(len(self.outcomes.series_N))
        by_ticker = {}
        for series in self._series:
            total, loss_N[series.row_M] = self._summed(forecast, series)
            pooled = {name: np.sum(value_H, keepdims=True) for name, value_H in total.items()}
            first = {name: values[0] for name, values in read_out(pooled, self.task, series.spread).items()}
            by_ticker[series.name] = Score(first, read_out(total, self.task, series.spread))
        return Scores.of(by_ticker, loss_N)

    def _summed(self, forecast: Forecast, series: _Series) -> tuple[dict[str, Any], np.ndarray]:
        """Sums of the elements over a series' windows, (H,) each, and the loss of each window that is compared."""
        total: dict[str, Any] = {"count": np.full(self.task.horizon, float(len(series.row_M)))}
        losses = []
        for row, by_window in self._chunks(forecast, series):
            losses.append(self._compared(forecast, row, by_window, series))
            for name, value_NH in by_window.items():
                total[name] = total.get(name, 0.0) + value_NH.sum(axis=0)
        return total, np.concatenate(losses)

    def _chunks(self, forecast: Forecast, series: _Series) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Rows of some windows of a series at a time, and the elements of their metrics."""
        rows = max(1, CHUNK // (self.task.horizon * max(1, len(self.task.edges) - 1)))
        for start in range(0, len(series.row_M), rows):
            row = series.row_M[start : start + rows]
            yield row, self._elements(forecast, row, series)

    def _compared(
        self, forecast: Forecast, row: np.ndarray, by_window: Mapping[str, np.ndarray], series: _Series
    ) -> np.ndarray:
        """The loss of each of some windows that is compared, averaged over the horizon."""
        if self.region is not None:
            nll_NH = self.region.rows(row).nll(forecast.rows(row), self._change_NH[row], by_window["nll"])
            by_window = {**by_window, "censored_nll": nll_NH}
        return compared_loss(by_window, self.task, series.positive, series.spread).mean(axis=1)

    @cached_property
    def region(self) -> Region | None:
        """Outcomes that the loss of a law tells apart, by the forecast that models are held against."""
        if self.task.output_mode != "distribution":
            return None
        return Region.of(self.rival_forecast, tail_of(int(self._moment_N.max()) + 1, self.task.horizon))

    @cached_property
    def _change_NH(self) -> np.ndarray:
        """Outcomes in the unit of the target."""
        return target_change(self.outcomes, self.task)

    def losses(self, forecast: Forecast) -> np.ndarray:
        """The loss of each window that is compared, averaged over the horizon, float64 (N,); see ``score``."""
        require_arrays(forecast, self.outcomes.close_NH.shape, self.task)
        loss_N = np.empty(len(self.outcomes.series_N))
        for series in self._series:
            for row, by_window in self._chunks(forecast, series):
                loss_N[row] = self._compared(forecast, row, by_window, series)
        return loss_N

    def loss_T(self, loss_N: np.ndarray) -> np.ndarray:
        """Mean loss at each timestamp over its windows, (T,)."""
        return np.bincount(self._moment_N, loss_N) / np.bincount(self._moment_N)

    @cached_property
    def _moment_N(self) -> np.ndarray:
        """Number of each window's timestamp."""
        return np.unique(self.outcomes.origin_time_N, return_inverse=True)[1]

    def leading_errors(self, forecast: Forecast) -> np.ndarray:
        """The leading error (mae, nll, log_loss) of each window, averaged over the horizon, float64 (N,)."""
        require_arrays(forecast, self.outcomes.close_NH.shape, self.task)
        name = "absolute_error" if self.task.output_mode == "mean" else self.task.leading
        error_N = np.empty(len(self.outcomes.series_N))
        for series in self._series:
            error_N[series.row_M] = self._elements(forecast, series.row_M, series)[name].mean(axis=1)
        return error_N

    @property
    def participants(self) -> list[FreeLosses]:
        """Everything that costs nothing and that models are held against, the strongest first.

        A further one is a line here, or one of ``others``.
        """
        plain, strongest, held = BASELINE_NAMES[self.task.output_mode], self.strongest, list(self.others)
        if strongest:
            held.insert(0, FreeLosses(strongest.name, strongest.words, self.loss_T(self.rival.loss_N)))
        if all(participant.words != plain for participant in held):
            held.append(FreeLosses("baseline", plain, self.loss_T(self.baseline.loss_N)))
        return held

    def tested(self, scores: Scores, against: Scores | None = None, name: str = "") -> Superiority | None:
        """The loss that is tested: of a model, and of everything that costs nothing, or of another forecast alone.

        Squared log-return errors (``mean``), censored nll (``distribution``) or log loss (``discrete_grid``), averaged
        per timestamp over tickers and steps. For a series whose prices are not all positive, ``mean`` compares squared
        errors in units of the training variance.

        Args:
            scores: of the model.
            against: of the other forecast; None: everything that costs nothing.
            name: of the other forecast, in words.
        """
        held = self.participants if against is None else [FreeLosses(name, name, self.loss_T(against.loss_N))]
        first = against or self.rival
        better = [s.name for s in self._series if scores.loss_N[s.row_M].mean() < first.loss_N[s.row_M].mean()]
        return superiority(self._loss_name, self.loss_T(scores.loss_N), held, self.task.horizon, better)

    @property
    def _loss_name(self) -> str:
        """Name of the loss that is tested; without log returns a squared error is one of scaled prices."""
        if self.task.output_mode != "mean" or all(series.positive for series in self._series):
            return self.task.tested
        return "squared log or scaled error" if any(s.positive for s in self._series) else "squared scaled error"

    def ranking(self, scores: Scores) -> float:
        """The number runs are ranked by, lower is better; see :func:`~nextbar.metrics.comparison.ranking_score`."""
        by_ticker = self._by_ticker(Contenders(scores, self.baseline), self._no_baseline)
        return ranking_score({"by_ticker": by_ticker}, self.task.output_mode)

    def report(self, forecast: Forecast | Scores) -> dict[str, Any]:
        """Model and rivals side by side, JSON-able: None for what is undefined or not finite.

        - ``model``, ``baseline``: {metric: mean over tickers}
        - ``strongest``: the same of the strongest rival, which ``strongest_name`` names; its ``acc_dir`` is that of a
          forecast that each move is up. Without a rival that alone is in it.
        - ``skill``: {metric: over the strongest rival, where it has the metric, else over the baseline};
          ``skill_baseline``: over the baseline. A skill is the mean of the tickers' skills
        - ``by_step``, when H > 1: the same, with a list of H values for each metric
        - ``by_ticker``: {name: the same again, ``windows``, and where it has no baseline ``no_baseline``, why}
        - ``windows``: N; ``origins``: distinct times of their last known bars
        - ``tested``: name of the loss that is tested, its means, and the test against each forecast that costs nothing
          (``nextbar.metrics.superiority.Superiority``); None where a loss is not finite
        - ``diebold_mariano``: of these tests that against the strongest rival, or else the baseline, or None;
          ``verdict``: it all in words
        """
        scores = forecast if isinstance(forecast, Scores) else self.score(forecast)
        contenders = Contenders(scores, self.baseline, self._strongest_by_metric)
        means = self._means(contenders)
        if self.strongest:
            means["strongest_name"] = self.strongest.name
        by_ticker = self._by_ticker(contenders, self._no_baseline)
        return self._whole(means, by_ticker, self.tested(scores), self.rival_name)

    def report_against(self, scores: Scores, other: Scores, name: str) -> dict[str, Any]:
        """A report in which another forecast, called ``name``, has the place of baseline and strongest rival."""
        contenders = Contenders(scores, other)
        by_ticker = self._by_ticker(contenders, {})
        return self._whole(self._means(contenders), by_ticker, self.tested(scores, other, name), name)

    def _means(self, contenders: Contenders) -> dict[str, Any]:
        """Means over tickers, side by side, and the means of the tickers' skills."""
        return beside(contenders.mean, list(contenders.by_ticker.values()))

    def _by_ticker(self, contenders: Contenders, no_baseline: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """The tickers' parts of a report; ``no_baseline``: by ticker, why it has none."""
        nodes, compared_by_ticker = {}, contenders.by_ticker
        for series in self._series:
            node = beside(compared_by_ticker[series.name])
            if series.name in no_baseline:
                node["no_baseline"] = no_baseline[series.name]
            elif series.name in self.without_rival:
                node["no_rival"] = self.without_rival[series.name]
            nodes[series.name] = node | {"windows": len(series.row_M)}
        return nodes

    def _whole(
        self, means: dict[str, Any], by_ticker: dict[str, Any], record: Superiority | None, rival_name: str
    ) -> dict[str, Any]:
        """A report with its counts, and the verdict on all of it."""
        report = means | {
            "windows": len(self.outcomes.series_N),
            "origins": len(np.unique(self.outcomes.origin_time_N)),
            "by_ticker": by_ticker,
            "tested": record,
            "diebold_mariano": next(iter(record["against"].values()))["test"] if record else None,
        }
        return report | {"verdict": verdict(report, rival_name, self.task.horizon)}

    @property
    def _strongest_by_metric(self) -> Scores:
        """Of the strongest rival as far as there is one, but for the direction, which is that of always up."""
        return self.rival.replaced(self.always_up) if self.strongest else self.always_up

    @property
    def _no_baseline(self) -> dict[str, str]:
        """By ticker, why it has no baseline; nothing where all have one."""
        reasons = {
            series.name: missing_baseline(self.reference, series.number, series.name, self.task)
            for series in self._series
        }
        return {name: reason for name, reason in reasons.items() if reason}

    def _elements(self, forecast: Forecast, row: np.ndarray, series: _Series) -> dict[str, np.ndarray]:
        last_close_N, close_NH = self.outcomes.last_close_N[row], self.outcomes.close_NH[row]
        truth = Truth.of(last_close_N, close_NH, series.positive, series.mean_close)
        return elements(forecast.rows(row), truth, self.task)
