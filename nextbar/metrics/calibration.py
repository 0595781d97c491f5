"""Calibration: coverage of a law's intervals, its PIT, the reliability of bin probabilities and of directions.

Every figure comes with a half-width of 1.96 standard deviations of the binomial law it would follow if the forecasts
were right, so that a difference can be told from luck. The binomial counts windows that share nothing: those whose
labels overlap count as one as far as they do, in one series or in several (see :func:`effective_windows`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nextbar.metrics.conformal import Conformal, covered, require_distribution, windows_needed
from nextbar.metrics.density import LEVELS, mass_below, quantile
from nextbar.metrics.rises import rise_probability
from nextbar.metrics.task import Task
from nextbar.metrics.truth import target_change
from nextbar.move_bins import bin_index
from nextbar.types import Forecast, Outcomes

PIT_BINS = 20
GROUPS = 10
"""of probabilities, as many in each"""
Z_95 = 1.959963984540054
"""97.5 % quantile of the normal law"""


def effective_windows(outcomes: Outcomes, horizon: int, weight_N: np.ndarray | None = None) -> float:
    """How many windows that share nothing would make a mean as sure as the N windows do; 1 to N.

    Two windows are taken to agree as far as their labels share time: the correlation is the time that they share over
    the root of the product of their spans. So windows of several series from one origin count as one, and those of a
    horizon H from successive origins as one in H. With w the weights, which add up to 1, that is one over the integral
    over time of (sum over the labels there of w / root of the span) squared.

    Args:
        outcomes: the windows. A label is taken to end at the H-th origin after its own, past the last one as many of
            the smallest steps between two.
        horizon: H.
        weight_N: of each window in the mean; None: all the same.
    """
    weight_N = np.ones(len(outcomes.series_N)) if weight_N is None else weight_N
    time_N = outcomes.origin_time_N.astype(np.float64)
    end_N = _label_ends(outcomes, horizon)
    span_N = end_N - time_N
    longest = span_N.max()
    height_N = weight_N / np.sqrt(span_N / longest)
    time_E = np.concatenate([time_N, end_N])  # labels begin, and end
    order_E = np.argsort(time_E, kind="stable")
    height_E = np.cumsum(np.concatenate([height_N, -height_N])[order_E])
    shared = np.sum(height_E[:-1] ** 2 * np.diff(time_E[order_E])) / longest
    return float(weight_N.sum() ** 2 / shared)


def _label_ends(outcomes: Outcomes, horizon: int) -> np.ndarray:
    """When the label of each window ends, (N,) float64."""
    rows_S = list(outcomes.rows_by_name.values())
    time_S = [np.unique(outcomes.origin_time_N[row_M]).astype(np.float64) for row_M in rows_S]
    step_S = np.array([np.diff(time_M).min(initial=np.inf) for time_M in time_S])
    least = step_S.min() if np.isfinite(step_S.min()) else 1.0
    end_N = np.empty(len(outcomes.series_N))
    for row_M, time_M, step in zip(rows_S, time_S, np.where(np.isinf(step_S), least, step_S), strict=True):
        later = np.concatenate([time_M, time_M[-1] + step * np.arange(1, horizon + 1)])
        end_N[row_M] = later[np.searchsorted(time_M, outcomes.origin_time_N[row_M]) + horizon]
    return end_N


def independent(outcomes: Outcomes, horizon: int) -> int:
    """Windows that share no label: :func:`effective_windows` of equal weights, in whole ones."""
    return int(effective_windows(outcomes, horizon) + 1e-6)  # what rounding took away


def pit(outcomes: Outcomes, forecast: Forecast, task: Task) -> np.ndarray:
    """Probability integral transform F(outcome), (N, H) in 0 ... 1; uniform for a law that is right (Dawid 1984).

    Raises:
        DataError: another mode than ``distribution``.
    """
    require_distribution(task)
    return mass_below(forecast, target_change(outcomes, task))


def pit_histogram(pit_NH: np.ndarray, n_independent: int, bins: int = PIT_BINS) -> dict[str, Any]:
    """Counts of the PIT in equal bins, and where 95 of 100 of them would lie for a uniform law.

    Args:
        pit_NH: of N windows and H steps, in 0 ... 1.
        n_independent: how many of the values count as independent, for the band.
        bins: how many; 1.0 belongs to the last.

    Returns:
        ``edges`` (bins + 1), ``count`` (bins), ``expected``, and ``lo`` and ``hi`` of the band, all in counts.
    """
    from scipy.stats import binom

    count, edges = np.histogram(pit_NH, bins=bins, range=(0.0, 1.0))
    lo, hi = binom.ppf([0.025, 0.975], n_independent, 1 / bins) * (pit_NH.size / n_independent)
    return {
        "edges": edges.tolist(),
        "count": count.tolist(),
        "expected": pit_NH.size / bins,
        "lo": float(lo),
        "hi": float(hi),
    }


def coverage(covered_NH: np.ndarray, outcomes: Outcomes, level: float) -> dict[str, Any]:
    """How often an interval held the outcome, in percent.

    Args:
        covered_NH: bool, see :func:`nextbar.metrics.conformal.covered`.
        outcomes: the N windows.
        level: percent that it is to hold.

    Returns:
        ``coverage``, the unweighted mean over series; ``half_width`` around ``level`` that luck explains; the coverage
        ``by_ticker`` {name: percent}; and with H > 1 ``by_step``, H values.
    """
    rows = outcomes.rows_by_name
    count_S = np.bincount(outcomes.series_N)
    weight_N = len(outcomes.series_N) / (len(rows) * count_S[outcomes.series_N])
    by_step_SH = 100 * np.stack([covered_NH[row].mean(axis=0) for row in rows.values()])
    result: dict[str, Any] = {
        "coverage": float(by_step_SH.mean()),
        "half_width": half_width(level, effective_windows(outcomes, covered_NH.shape[1], weight_N)),
        "by_ticker": dict(zip(rows, by_step_SH.mean(axis=1).tolist(), strict=True)),
    }
    if covered_NH.shape[1] > 1:
        result["by_step"] = by_step_SH.mean(axis=0).tolist()
    return result


def half_width(percent: float, n: float) -> float:
    """1.96 standard deviations of a frequency of n draws whose probability is ``percent``; percent."""
    return float(Z_95 * np.sqrt(percent * (100 - percent) / n))


def reliability(outcomes: Outcomes, forecast: Forecast, task: Task) -> list[dict[str, float]]:
    """Bin probabilities beside how often the bins came, in percent, by deciles of the probability (Murphy 1977).

    Each of the N x H x K probabilities is one statement: "this bin will come". They are put in order and cut into
    ``GROUPS`` of about equal size; equal probabilities stay together, so there may be fewer.

    Returns:
        For each group ``forecast`` (mean probability), ``frequency`` (of the bins that came), ``half_width`` around
        ``forecast`` that luck explains, and ``count``; ascending.
    """
    assert forecast.log_probs_NHK is not None
    prob_NHK = np.exp(np.asarray(forecast.log_probs_NHK, np.float64))
    came_NHK = _bins_that_came(outcomes, task)[..., None] == np.arange(prob_NHK.shape[-1])
    share = independent(outcomes, task.horizon) / prob_NHK[..., 0].size
    return _by_probability(prob_NHK.reshape(-1), came_NHK.reshape(-1), share)


def direction(outcomes: Outcomes, forecast: Forecast, task: Task) -> list[dict[str, float]]:
    """Probabilities of a rise beside how often closes rose, in percent, by tenths of the probability.

    All N x H moves but those of zero, which are neither a rise nor a fall. See :func:`reliability` for what is
    returned, and :func:`nextbar.metrics.rises.rise_probability`.
    """
    change_NH = np.asarray(outcomes.close_NH, np.float64) - np.asarray(outcomes.last_close_N, np.float64)[:, None]
    probability_NH = rise_probability(forecast, task)
    moved_NH = (change_NH != 0) & np.isfinite(probability_NH)
    if not moved_NH.any():
        return []
    probability_E = probability_NH[moved_NH]
    share = independent(outcomes, task.horizon) / change_NH.size
    return _by_probability(probability_E, change_NH[moved_NH] > 0, share)


def _by_probability(prob_E: np.ndarray, came_E: np.ndarray, share: float) -> list[dict[str, float]]:
    """E statements in groups of about equal size by their probability; of them ``share`` count as independent."""
    edges = np.quantile(prob_E, np.linspace(0, 1, GROUPS + 1)[1:-1])
    group_E = np.searchsorted(edges, prob_E)
    count = np.bincount(group_E, minlength=GROUPS)
    forecast_sum, came_sum = (np.bincount(group_E, values, GROUPS) for values in (prob_E, came_E))
    return [
        {
            "forecast": (percent := min(100 * forecast_sum[g] / count[g], 100.0)),
            "frequency": 100 * came_sum[g] / count[g],
            "half_width": half_width(percent, count[g] * share),
            "count": int(count[g]),
        }
        for g in np.flatnonzero(count)
    ]


def by_bin(outcomes: Outcomes, forecast: Forecast, task: Task) -> list[dict[str, float]]:
    """Mean probability of each of the K bins (``forecast``) beside how often it came (``frequency``); percent."""
    assert forecast.log_probs_NHK is not None
    forecast_K = 100 * np.exp(np.asarray(forecast.log_probs_NHK, np.float64)).mean(axis=(0, 1))
    came_NH = _bins_that_came(outcomes, task)
    frequency_K = 100 * np.bincount(came_NH.reshape(-1), minlength=len(forecast_K)) / came_NH.size
    return [
        {"forecast": float(percent), "frequency": float(frequency)}
        for percent, frequency in zip(forecast_K, frequency_K, strict=True)
    ]


def calibration_report(
    outcomes: Outcomes, forecast: Forecast, task: Task, conformal: Conformal | None = None
) -> dict[str, Any]:
    """Everything here for one span, JSON-able; percentages in percent.

    - ``windows``: N; ``independent``: how many of them share no label
    - ``distribution``: ``coverage`` {"50": see :func:`coverage`, ...} and ``pit`` (see :func:`pit_histogram`)
    - with ``conformal`` also ``conformal`` {"50": {``before``, ``after``, ``half_width``: coverage of the law's and of
      the corrected interval; ``width``: mean corrected width / the law's} or None where validation has too few windows}
    - ``discrete_grid``: ``reliability`` and ``by_bin``
    - both: ``direction``, see :func:`direction`
    - ``mean``: nothing else, a point has no probability

    Raises:
        DataError: ``conformal`` in another mode than ``distribution``.
    """
    n_independent = independent(outcomes, task.horizon)
    report: dict[str, Any] = {"windows": len(outcomes.series_N), "independent": n_independent}
    if conformal is not None:
        require_distribution(task)
    if task.output_mode != "mean":
        report["direction"] = direction(outcomes, forecast, task)
    if task.output_mode == "discrete_grid":
        report["reliability"] = reliability(outcomes, forecast, task)
        report["by_bin"] = by_bin(outcomes, forecast, task)
    if task.output_mode == "distribution":
        pit_NH = pit(outcomes, forecast, task)
        report["coverage"] = {
            str(level): coverage(np.abs(pit_NH - 0.5) <= level / 200, outcomes, level) for level in LEVELS
        }
        report["pit"] = pit_histogram(pit_NH, n_independent)
        if conformal is not None:
            report["conformal"] = {
                level: _effect(int(level), law, outcomes, forecast, task, conformal)
                for level, law in report["coverage"].items()
            }
    return report


def conformal_in_words(report: dict[str, Any]) -> list[str]:
    """What conformal intervals changed, a sentence for each level of a :func:`calibration_report` that has them."""
    lines = []
    for level, effect in report.get("conformal", {}).items():
        if effect is None:
            needed = windows_needed(int(level) / 100)
            lines.append(f"{level} %: not adjusted, it takes {needed} validation windows.")
            continue
        change = 100 * (effect["width"] - 1)
        size = f"{abs(change):.1f} % {'wider' if change > 0 else 'narrower'}" if abs(change) >= 0.05 else "as wide"
        before, after = (abs(effect[name] - int(level)) for name in ("before", "after"))
        luck = f"luck explains ± {effect['half_width']:.1f}"
        gain = "closer to what it says" if after < before else "no closer to what it says"
        if max(before, after) <= effect["half_width"]:
            gain = "both as good as what it says"
        lines.append(
            f"{level} %: covers {effect['after']:.1f} % instead of {effect['before']:.1f} %, {gain} ({luck}); "
            f"the interval is {size}."
        )
    return lines


def _effect(
    level: int, law: dict[str, Any], outcomes: Outcomes, forecast: Forecast, task: Task, conformal: Conformal
) -> dict[str, float] | None:
    if conformal.pooled.count < windows_needed(level / 100):
        return None
    lo_NH, hi_NH = conformal.interval(level / 100, outcomes.series_N, outcomes.names, forecast)
    after = coverage(covered(outcomes, lo_NH, hi_NH, task), outcomes, level)
    law_NH = quantile(forecast, 0.5 + level / 200) - quantile(forecast, 0.5 - level / 200)
    rows = outcomes.rows_by_name.values()  # widths of two series have no common unit
    return {
        "before": law["coverage"],
        "after": after["coverage"],
        "half_width": after["half_width"],
        "width": float(np.mean([(hi_NH - lo_NH)[row].sum() / law_NH[row].sum() for row in rows])),
    }


def _bins_that_came(outcomes: Outcomes, task: Task) -> np.ndarray:
    last_N1 = np.asarray(outcomes.last_close_N, np.float64)[:, None]
    return bin_index(last_N1, outcomes.close_NH, task.edges)
