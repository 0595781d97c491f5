"""A model's metrics beside its baseline's: skill, the verdict in words, the number trials are ranked by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from nextbar.baselines import NAMES
from nextbar.metrics.significance import DieboldMariano
from nextbar.metrics.task import Task

ERRORS = ("mae", "mse", "rmse", "mape", "crps", "log_loss", "brier")
"""never negative, lower is better: skill is a share of the baseline's"""
DIFFERENCES = {"nll": -1, "acc": 1, "acc_dir": 1}
"""skill is a difference, signed so that positive is better"""
SIGNIFICANT = 0.05

Values = dict[str, float | None]


class Score(NamedTuple):
    """Metrics of one ticker, or their mean. None: undefined; not finite: the forecast is broken."""

    pooled: Values
    """over all windows and steps"""
    by_step: dict[str, list[float | None]]
    """the same for each of the H steps"""


def finite(value: float | None) -> float | None:
    """JSON knows neither NaN nor infinity: both become None."""
    return value if value is not None and math.isfinite(value) else None


def skill(name: str, model: float | None, baseline: float | None) -> float | None:
    """1 - model / baseline for errors, the difference for nll and accuracies; positive is better."""
    model, baseline = finite(model), finite(baseline)
    if model is None or baseline is None:
        return None
    if name in ERRORS:
        return finite(1 - model / baseline) if baseline else None
    return DIFFERENCES[name] * (model - baseline)


def skills(model: Mapping[str, float | None], baseline: Mapping[str, float | None]) -> Values:
    """Skill of every metric that has one; r2, the scaled errors and coverage have none."""
    return {name: skill(name, model[name], baseline[name]) for name in model if name in (*ERRORS, *DIFFERENCES)}


def beside(model: Score, baseline: Score) -> dict[str, Any]:
    """{"model", "baseline", "skill"}: {metric: value}; when H > 1 the same with H values as "by_step"."""
    pairs = {"model": model, "baseline": baseline}
    node: dict[str, Any] = {key: {name: finite(v) for name, v in s.pooled.items()} for key, s in pairs.items()}
    node["skill"] = skills(model.pooled, baseline.pooled)
    if len(next(iter(model.by_step.values()))) > 1:
        steps = {key: {name: [finite(v) for v in row] for name, row in s.by_step.items()} for key, s in pairs.items()}
        steps["skill"] = {
            name: [skill(name, m, b) for m, b in zip(model.by_step[name], baseline.by_step[name], strict=True)]
            for name in node["skill"]
        }
        node["by_step"] = steps
    return node


def beats(report: Mapping[str, Any], task: Task) -> bool:
    """Lower leading error than the baseline, and a loss that is lower by more than luck."""
    gain, test = report["skill"][task.leading], report["diebold_mariano"]
    return bool(test and gain and gain > 0 and test["statistic"] > 0 and test["p_value"] < SIGNIFICANT)


def verdict(report: Mapping[str, Any], task: Task, name: str = "") -> str:
    """One or two plain sentences: is the baseline, or who else is called ``name``, beaten on the leading error, and was
    it more than luck?"""
    error, name = task.leading, name or NAMES[task.output_mode]
    model, baseline, gain = (report[key][error] for key in ("model", "baseline", "skill"))
    if gain is None:
        return f"No verdict: {error} of the model or of {name} is not a finite number."
    numbers = f"{error} {model:.5g} against {baseline:.5g}"
    test: DieboldMariano | None = report["diebold_mariano"]
    if test is None and abs(gain) <= 1e-6:
        return f"Does not beat {name}: it forecasts the same ({numbers})."
    tickers = report["by_ticker"]
    if len(tickers) > 1:
        better = sum((node["skill"][error] or 0.0) > 0 for node in tickers.values())
        numbers += f", better on {better} of {len(tickers)} tickers"
    if test is None:
        opening = "Lower error than" if gain > 0 else "Does not beat"
        return f"{opening} {name}: {numbers}. Too few origins to rule out luck."
    judged = f"Diebold-Mariano {test['statistic']:+.2f}, p = {test['p_value']:.2g}, {test['n']} origins"
    if test["p_value"] >= SIGNIFICANT:
        opening = "Lower error than" if gain > 0 else "Does not beat"
        return f"{opening} {name}: {numbers}. The difference cannot be told from luck ({judged})."
    if (gain > 0) == (test["statistic"] > 0):
        opening, how = ("Beats", "better") if gain > 0 else ("Does not beat", "worse")
        return f"{opening} {name}: {numbers}. It is {how} by more than luck ({judged})."
    against = "worse" if gain > 0 else "better"
    opening = "Does not clearly beat" if gain > 0 else "Does not beat"
    return f"{opening} {name}: {numbers}, but the loss that is tested is significantly {against} ({judged})."


def ranking_score(report: Mapping[str, Any], output_mode: str) -> float:
    """A validation report as one number to rank runs by; lower is better.

    It compares across normalisations, horizons and targets.

    ``mean``: mae / baseline's; ``discrete_grid``: log_loss / baseline's; ``distribution``: nll - baseline's.
    Taken per ticker and then averaged, so that the dearest ticker does not decide. Infinity where it cannot
    be computed, which ranks last. 1 (0 for ``distribution``) is the baseline itself.
    """
    error = Task(output_mode=output_mode).leading
    gains = [node["skill"][error] for node in report["by_ticker"].values()]
    if not gains or any(gain is None for gain in gains):
        return math.inf
    mean = math.fsum(gains) / len(gains)
    return -mean if output_mode == "distribution" else 1 - mean
