"""``watch``: shows the log of a run: forecasts beside their outcomes, running scores, coverage, evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nextbar import forecasts
from nextbar.arguments import strict_arguments
from nextbar.bars.dates import iso
from nextbar.bars.frames import frame_like
from nextbar.config import ExperimentConfig
from nextbar.errors import RunError
from nextbar.metrics.comparison import finite, mean_skill
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.runs.choice import chosen_run
from nextbar.runs.forecast_log import NEEDS_A_DISK, log_of
from nextbar.runs.records import read_config
from nextbar.storage.address import require_local
from nextbar.types import Outcomes, Reference
from nextbar.updating.contents import LogContents, ScoredForecast
from nextbar.updating.kept_log import read_contents
from nextbar.updating.law_values import forecast_of
from nextbar.updating.table import forecast_columns

LEVEL = 0.8
"""interval that forecasts are shown with"""
RECENT = 50
"""newest scores that are shown apart"""


@dataclass(frozen=True)
class RunningScore:
    """The forecasts that have been scored, beside the rival's."""

    name: str
    """which: ``all``, ``last 50``, or a series"""
    forecasts: int
    model: float | None
    """leading error: mean over series of the mean over their forecasts"""
    rival: float | None
    skill: float | None
    """mean over series; above 0: better than the rival"""
    coverage: Mapping[str, float]
    """percent of outcomes inside the central interval of each level, of a ``distribution``"""


@dataclass(frozen=True)
class Watched:
    """Forecasts and scores in the log of a run."""

    run: Path
    log: Path
    model: str
    """name of the run that forecasts"""
    refits: tuple[str, ...]
    rival: str
    """name of what the forecasts are held against"""
    error: str
    """the leading error: ``mae``, ``nll`` or ``log_loss``"""
    made: int
    late: int
    """of them made after the first of their bars had closed"""
    waiting: int
    """without an outcome yet"""
    missed: int
    """without an outcome for ever, since a bar was missing"""
    scores: tuple[RunningScore, ...]
    revisions: tuple[str, ...]
    evidence: float
    """that the forecasts are worse than the rival's; see :mod:`nextbar.metrics.betting`"""
    alarm: str | None
    forecasts: Any
    """a pandas frame as ``Forecaster.predict`` gives it, of all forecasts, with ``came``, the close that came (NaN: not
    yet), ``rival``, the rival's forecast of it, and ``late``"""


@strict_arguments
def watch(path: str | Path, *, run: str | None = None, levels: Sequence[float] | None = None) -> Watched:
    """Read the log of a run; a log that is being written may be read.

    Args:
        path: run folder, or an experiment folder, as for ``update``.
        run: name of another run of the experiment.
        levels: central intervals of the forecasts, where they are laws; None: 0.8.

    Raises:
        DataError: ``levels`` of forecasts that are no laws.
        RunError: no run, no log, or one that is damaged.
    """
    require_local(path, NEEDS_A_DISK, "copy the run there, and its log if it has one")
    run_dir = chosen_run(path, run, "scores").resolve()
    log = log_of(run_dir)
    state = read_contents(run_dir)
    if not state.run:
        raise RunError(f"{run_dir} has no log yet, {log}; nextbar update begins it")
    config = read_config(run_dir)
    task = Task.of(config)
    outcomes = [score for score in state.scores if score.closes is not None]
    rivals = Counter(f.line["rival"]["name"] for f in state.forecasts.values() if f.line["rival"])
    return Watched(
        run=run_dir,
        log=log,
        model=state.model(run_dir).name,
        refits=tuple(state.refits),
        rival=rivals.most_common(1)[0][0] if rivals else "",
        error=task.leading,
        made=len(state.forecasts),
        late=sum(f.line["late"] for f in state.forecasts.values()),
        waiting=len(state.waiting),
        missed=len(state.scores) - len(outcomes),
        scores=tuple(_running(outcomes, task)),
        revisions=tuple(state.revisions),
        evidence=state.test.evidence,
        alarm=None if state.alarm is None else iso(state.alarm),
        forecasts=_table(state, config, forecasts.levels_of(task, levels) if levels is not None else (LEVEL,)),
    )


def _running(scores: Sequence[ScoredForecast], task: Task) -> list[RunningScore]:
    """Scores of all, of the newest, and where there are several series of each."""
    if not scores:
        return []
    parts = [("all", scores)]
    if len(scores) > RECENT:
        parts.append((f"last {RECENT}", scores[-RECENT:]))
    names = sorted({score.forecast.key.series for score in scores})
    if len(names) > 1:
        parts += [(name, [s for s in scores if s.forecast.key.series == name]) for name in names]
    return [_score(name, part, task) for name, part in parts]


def _score(name: str, scores: Sequence[ScoredForecast], task: Task) -> RunningScore:
    model_N, coverage = _errors(scores, [s.forecast.line["law"] for s in scores], task)
    beside = [s for s in scores if s.forecast.line["rival"]]
    rival_N = np.full(len(scores), np.nan)
    if beside:
        at = [s.forecast.line["rival"] is not None for s in scores]
        rival_N[at], _ = _errors(beside, [s.forecast.line["rival"]["law"] for s in beside], task)
    series = np.array([s.forecast.key.series for s in scores])
    pairs = []
    for series_name in np.unique(series):
        mine = series == series_name
        pairs.append((float(model_N[mine].mean()), float(rival_N[mine].mean())))
    model, rival = (finite(float(np.mean(values))) for values in zip(*pairs, strict=True))
    metric = task.leading
    return RunningScore(name, len(scores), model, rival, mean_skill(metric, pairs), coverage)


def _errors(
    scores: Sequence[ScoredForecast], laws: Sequence[Mapping[str, Any]], task: Task
) -> tuple[np.ndarray, dict[str, float]]:
    """Leading error of each forecast, mean over its steps, and coverage in percent; laws of one kind go together."""
    error_N = np.empty(len(scores))
    kinds: dict[tuple[str, ...], list[int]] = {}
    for n, law in enumerate(laws):
        kinds.setdefault(tuple(law), []).append(n)
    coverage: dict[str, float] = {}
    for rows in kinds.values():
        scorer = Scorer(*_outcomes([scores[n] for n in rows], task), task)
        forecast = forecast_of([laws[n] for n in rows])
        error_N[rows] = scorer.leading_errors(forecast)
        if task.output_mode == "distribution":
            pooled = scorer.score(forecast).mean.pooled
            for metric, value in pooled.items():
                if metric.startswith("coverage_") and value is not None:
                    level = metric.removeprefix("coverage_")
                    coverage[level] = coverage.get(level, 0.0) + value * len(rows) / len(scores)
    return error_N, coverage


def _outcomes(scores: Sequence[ScoredForecast], task: Task) -> tuple[Outcomes, Reference]:
    """Outcomes of some forecasts, and a reference without baselines."""
    names = tuple(sorted({s.forecast.key.series for s in scores}))
    close_NH = np.array([s.closes for s in scores], np.float64)
    outcomes = Outcomes(
        np.array([names.index(s.forecast.key.series) for s in scores]),
        names,
        np.array([s.forecast.known for s in scores], np.int64),
        np.array([s.forecast.line["close"] for s in scores], np.float64),
        close_NH,
    )
    nothing_S = np.full(len(names), np.nan)
    positive_S = np.array([bool((close_NH[outcomes.series_N == s] > 0).all()) for s in range(len(names))])
    return outcomes, Reference(nothing_S, nothing_S, np.full((len(names), task.horizon), np.nan), positive_S)


def _table(state: LogContents, config: ExperimentConfig, levels: Sequence[float]) -> Any:
    """All forecasts by origin and series, with what came and what the rival said."""
    made = sorted(state.forecasts.values(), key=lambda f: (f.known, f.key.series))
    if not made:
        return frame_like({})
    task = Task.of(config)
    table = forecast_columns(made, state, config, levels)
    waiting = (None,) * task.horizon
    came = {s.forecast.key: s.closes or waiting for s in state.scores}
    table["came"] = np.array([came.get(f.key, waiting) for f in made], np.float64).reshape(-1)
    if task.output_mode != "discrete_grid":
        table["rival"] = _rival_closes(made, state, config)
    table["late"] = np.repeat([f.line["late"] for f in made], task.horizon)
    return frame_like(table, dates=("origin", "date"))


def _rival_closes(made: Sequence[Any], state: LogContents, config: ExperimentConfig) -> np.ndarray:
    """Closes that the rival forecast, (N x H,); NaN where there was none."""
    horizon = config.dataset_config.horizon
    close_NH = np.full((len(made), horizon), np.nan)
    rows = [n for n, f in enumerate(made) if f.line["rival"]]
    if rows:
        beside = [made[n]._replace(line={**made[n].line, "law": {"location": made[n].line["rival"]["law"]["location"]}})
                  for n in rows]  # fmt: skip
        close_NH[rows] = forecast_columns(beside, state, config, ())["close"].reshape(-1, horizon)
    return close_NH.reshape(-1)
