"""A model's metrics beside those of its rivals: skill, the verdict in words, the number trials are ranked by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nextbar.metrics.significance import least_origins
from nextbar.metrics.superiority import Superiority, is_better, is_worse
from nextbar.metrics.task import Task
from nextbar.tables import leading_of, rounded, signed

ERRORS = ("mae", "mse", "rmse", "mape", "crps", "log_loss", "brier")
"""never negative, lower is better: skill is a share of the baseline's"""
DIFFERENCES = {"nll": -1, "acc": 1, "acc_dir": 1}
"""skill is a difference, signed so that positive is better"""
SAME = 1e-6
"""Relative difference below which two mean losses are those of the same forecast, to float32 rounding."""
LUCK = "cannot be told from luck"
UNCERTAIN = f"The difference {LUCK}"

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
    """1 - model / baseline for errors, the difference for nll and accuracies; positive is better.

    0 where neither errs; None where the baseline alone does not, since then there is no share of its error.
    """
    model, baseline = finite(model), finite(baseline)
    if model is None or baseline is None:
        return None
    if name in ERRORS:
        if not baseline:
            return None if model else 0.0
        return finite(1 - model / baseline)
    return DIFFERENCES[name] * (model - baseline)


def mean_skill(name: str, pairs: Sequence[tuple[float | None, float | None]]) -> float | None:
    """Skill of (model, baseline) pairs, one for each ticker, taken one by one and then averaged.

    A ticker for which the metric is undefined (percentages of prices that are not above zero, directions where nothing
    moved) is left out, as in the mean of the metric. None where any other has no skill: its model or baseline is not
    finite, or its baseline alone does not err.
    """
    gains = [skill(name, *pair) for pair in pairs if None not in pair]
    if not gains or None in gains:
        return None
    return math.fsum(gain for gain in gains if gain is not None) / len(gains)


class Compared(NamedTuple):
    """Scores of a model, of the plain baseline, and of the strongest simple rival as far as there is one."""

    model: Score
    baseline: Score
    strongest: Score | None = None
    """of the metrics in it the skill is against this, of others against the baseline"""

    def rival(self, name: str) -> Score:
        """What the skill of a metric is against."""
        return self.strongest if self.strongest is not None and name in self.strongest.pooled else self.baseline


def beside(rows: Compared, tickers: Sequence[Compared] = ()) -> dict[str, Any]:
    """{"model", "baseline", "strongest", "skill", "skill_baseline"}: {metric: value}; when H > 1 the same with H values
    as "by_step". Without a strongest rival there is no "strongest" and no "skill_baseline".

    Skills are those of each of ``tickers``, averaged; without them, of the rows themselves. r2, the scaled errors and
    coverage have none.
    """
    tickers = tickers or [rows]
    scores = {name: score for name, score in rows._asdict().items() if score is not None}
    node: dict[str, Any] = {key: {name: finite(v) for name, v in s.pooled.items()} for key, s in scores.items()}
    node |= _skills(rows, tickers)
    horizon = len(next(iter(rows.model.by_step.values())))
    if horizon > 1:
        steps = {key: {name: [finite(v) for v in row] for name, row in s.by_step.items()} for key, s in scores.items()}
        by_step = [_skills(rows, tickers, h) for h in range(horizon)]
        for kind, by_name in by_step[0].items():
            steps[kind] = {name: [step[kind][name] for step in by_step] for name in by_name}
        node["by_step"] = steps
    return node


def _skills(rows: Compared, tickers: Sequence[Compared], step: int | None = None) -> dict[str, dict[str, float | None]]:
    """ "skill" and, where there is a strongest rival, "skill_baseline" of each metric that has one."""

    def pair(model: Score, rival: Score, name: str) -> tuple[float | None, float | None]:
        if step is None:
            return model.pooled[name], rival.pooled[name]
        return model.by_step[name][step], rival.by_step[name][step]

    names = [name for name in rows.model.pooled if name in (*ERRORS, *DIFFERENCES)]
    plain = {name: mean_skill(name, [pair(row.model, row.baseline, name) for row in tickers]) for name in names}
    if rows.strongest is None:
        return {"skill": plain}
    held = {name: mean_skill(name, [pair(row.model, row.rival(name), name) for row in tickers]) for name in names}
    return {"skill": held, "skill_baseline": plain}


def held_against(node: Mapping[str, Any], name: str) -> Any:
    """What the skill of a metric is against, in a report or a part of it: the strongest rival, or else the baseline."""
    return node.get("strongest", {}).get(name, node["baseline"].get(name))


def headline(report: Mapping[str, Any]) -> str:
    """The leading metric of a report, what it is held against, and the skill."""
    name = leading_of(report["model"])
    model, rival = (rounded(value) or "undefined" for value in (report["model"][name], held_against(report, name)))
    words = f"{name} {model} beside {rival} of {report.get('strongest_name', 'the baseline')}"
    gain = report["skill"].get(name)
    return words if gain is None else f"{words}, skill {signed(gain)}"


def too_few(origins: int, horizon: int) -> str | None:
    """Why no verdict can be given of so few origins, in words; None where there are enough."""
    least = least_origins(horizon)
    if origins >= least:
        return None
    ahead = "" if horizon == 1 else f" for forecasts over {horizon} bars"
    return f"too few origins to say: {origins}, and the test takes {least}{ahead}"


def verdict(report: Mapping[str, Any], name: str, horizon: int) -> str:
    """One to three plain sentences: does the model beat everything that costs nothing, and is it more than luck?

    Every number is a mean of the loss that is tested, so a number never says otherwise than the test beside it.

    Args:
        report: with its ``tested``, ``origins`` and ``by_ticker``; see ``Scorer.report``.
        name: words of the strongest simple rival, or of the plain baseline where there is none.
        horizon: H, bars predicted.
    """
    tickers = report["by_ticker"]
    without = [node[lack] for node in tickers.values() for lack in ("no_baseline", "no_rival") if lack in node]
    if without:
        return f"No verdict: {'; '.join(without)}."
    record: Superiority | None = report["tested"]
    if record is None:
        return f"No verdict: the loss of the model or of {name} is not a finite number."
    strongest, *others = record["against"].values()
    model, loss = record["model"], record["loss"]
    numbers = f"{loss} {model:.5g} against {strongest['loss']:.5g}"
    if strongest["test"] is None and math.isclose(model, strongest["loss"], rel_tol=SAME):
        return f"Does not beat {name}: it forecasts the same ({numbers})."
    if len(tickers) > 1:
        numbers += f", lower on {len(record['better_on'])} of {len(tickers)} tickers"
    few = too_few(report["origins"], horizon)
    if few:
        return f"No verdict, {few}. {name[0].upper()}{name[1:]} is what it is held against: {numbers}."
    contrary = _contrary(report, strongest["loss"] - model)
    if model >= strongest["loss"]:
        how = "It is worse by more than luck" if is_worse(strongest["test"]) else UNCERTAIN
        return f"Does not beat {name}: {numbers}. {how} ({_in_figures(strongest['test'])}).{contrary}"
    return _on_lower_loss(record, name, numbers, len(others)) + contrary


def _contrary(report: Mapping[str, Any], gain: float) -> str:
    """A sentence where the leading error of the table is the other way round than the loss that is tested."""
    error = leading_of(report["model"])
    model, rival = report["model"][error], held_against(report, error)
    if error == report["tested"]["loss"] or model is None or rival is None or (rival - model) * gain >= 0:
        return ""
    return f" Its {error} is {'higher' if gain > 0 else 'lower'}: {model:.5g} against {rival:.5g}."


def _on_lower_loss(record: Superiority, name: str, numbers: str, others: int) -> str:
    """The verdict where the model has a lower loss than the strongest: it is up to the hardest to beat."""
    rival = record["against"][record["hardest"]]
    is_strongest, test = not others or record["hardest"] == next(iter(record["against"])), rival["test"]
    figures = _in_figures(test) if is_strongest else f"{record['loss']} {rival['loss']:.5g}, {_in_figures(test)}"
    if is_better(test):
        hardest = f"of which {rival['words']} is the hardest to beat"
        than = f" than each of {others + 1} forecasts that cost nothing, {hardest}" if others else ""
        return f"Beats {name}: {numbers}. It is better by more than luck{than} ({figures})."
    opening = f"Lower loss than {name}: {numbers}."
    if is_strongest:
        return f"{opening} {UNCERTAIN} ({figures})."
    if rival["loss"] <= record["model"]:
        return f"{opening} It does not beat {rival['words']}, which costs nothing either ({figures})."
    return f"{opening} The difference from {rival['words']}, which costs nothing either, {LUCK} ({figures})."


def _in_figures(test: Mapping[str, Any] | None) -> str:
    if test is None:
        return "the difference does not vary, so there is no test"
    return f"Diebold-Mariano {test['statistic']:+.2f}, p = {test['p_value']:.2g}, {test['n']} origins"


def neutral_score(output_mode: str) -> float:
    """The ranking score of the plain baseline itself."""
    return 0.0 if output_mode == "distribution" else 1.0


def ranking_score(report: Mapping[str, Any], output_mode: str) -> float:
    """A validation report as one number to rank runs by; lower is better.

    It compares across normalisations, horizons and targets.

    ``mean``: mae / baseline's; ``discrete_grid``: log_loss / baseline's; ``distribution``: nll - baseline's. The plain
    baseline's, so that runs of all versions compare.
    Taken per ticker and then averaged, so that the dearest ticker does not decide; a ticker without a baseline, which
    no run on these bars has, is left out. Infinity where it cannot be computed, which ranks last. ``neutral_score`` is
    the baseline itself.
    """
    error = Task(output_mode=output_mode).leading
    nodes = [node for node in report["by_ticker"].values() if "no_baseline" not in node]
    gains = [node.get("skill_baseline", node["skill"])[error] for node in nodes]
    if not gains or any(gain is None for gain in gains):
        return math.inf
    mean = math.fsum(gains) / len(gains)
    return -mean if output_mode == "distribution" else 1 - mean
