"""Retrains an episode with other futures: parameters, the choice of the epoch, and forecasts must stay."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nextbar.auditing.episodes import Episode
from nextbar.auditing.futures import SAME_TIMES
from nextbar.auditing.replay import differences, moved, relative
from nextbar.auditing.result import Leak, Stage
from nextbar.backtesting.causality import require_causal
from nextbar.backtesting.folds import Fold
from nextbar.backtesting.panel import BacktestPanel
from nextbar.backtesting.participants import participants
from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.bars.naming import Naming
from nextbar.baselines.rivals import strongest_rival
from nextbar.data.dataset import Dataset
from nextbar.engine.engine import Engine
from nextbar.errors import DataError, RunError
from nextbar.inference.fits import with_features
from nextbar.inference.forecaster import Forecaster
from nextbar.metrics.task import Task
from nextbar.runs.folder import RunFolder
from nextbar.train.cohort import Cohort
from nextbar.train.loop import run_epoch
from nextbar.train.training import Training
from nextbar.types import Forecast


@dataclass
class Record:
    """Stands in for a tracker, and keeps the epochs' figures."""

    rows: list[dict[str, float]] = field(default_factory=list)

    def epoch(self, epoch: int, step: int, row: dict[str, float], extra: dict[str, float]) -> None:
        """Note an epoch."""
        self.rows.append({"epoch": epoch, **row})


@dataclass
class Retrained:
    """Results of a small training."""

    dataset: Dataset
    engine: Engine
    params: Any
    rows: list[dict[str, float]]
    best: tuple[int, float] | None
    """epoch, and the loss that it was chosen by"""
    rival: dict[str, Any]

    @property
    def learnt(self) -> dict[str, Any]:
        """Figures and parameters, which follow from the training span alone, in plain values."""
        figures = [{n: v for n, v in row.items() if n.startswith("train/")} for row in self.rows]
        leaves = jax.tree_util.tree_leaves_with_path(self.params)
        return {"figures": figures, "parameters": {jax.tree_util.keystr(path): digest(a) for path, a in leaves}}

    @property
    def chosen(self) -> dict[str, Any]:
        """Best epoch, figures and rival, which follow from training and validation together."""
        figures = [{n: v for n, v in row.items() if not n.startswith("test/")} for row in self.rows]
        return {"best epoch": self.best, "figures": figures, "rival": self.rival}


def digest(value: Any) -> float:
    """One number by which two arrays can be told apart."""
    flat = np.asarray(jax.device_get(value), np.float64).ravel()
    return float(flat @ np.cos(np.arange(len(flat))))


def retrain(episode: Episode, *, own_baselines: Sequence[str] = ()) -> Iterator[Leak]:
    """Leaks in training, selection and prediction.

    Args:
        episode: the experiment at a date.
        own_baselines: names of baselines that are asked whether they look ahead; with any, the strongest rival is
            chosen each time.
    """
    validation, test = episode.cuts.validation, episode.cuts.test
    plain = _train(episode, with_rival=bool(own_baselines))
    for kind in SAME_TIMES:
        other = _train(episode, kind, validation)
        yield from _differs("training", plain.learnt, other.learnt, kind, validation)
    other = _train(episode, "noise", test, with_rival=bool(own_baselines))
    yield from _differs("training", plain.learnt, other.learnt, "noise", test)
    yield from _differs("selection", plain.chosen, other.chosen, "noise", test)
    yield from _moved_forecasts(episode, plain)
    yield from _hasty_baselines(episode, own_baselines)


def _differs(stage: Stage, first: Any, second: Any, kind: str, cut: int) -> Iterator[Leak]:
    """The first difference between two trainings."""
    for path, value, other_value in islice(differences(first, second), 1):
        amount = relative(value, other_value) if isinstance(value, float) and isinstance(other_value, float) else None
        what = f"{path} is {value!r} and becomes {other_value!r}"
        yield moved(stage, what, kind, cut, column=path, time=cut, amount=amount)


def _train(episode: Episode, kind: str = "", cut: int = 0, *, with_rival: bool = False) -> Retrained:
    dataset = episode.dataset(kind, cut)
    with tempfile.TemporaryDirectory(prefix="nextbar-audit-") as folder:
        run = RunFolder(replace(episode.config, log_dir=str(Path(folder) / "runs")), "0" * 64)  # is never made
        cohort = Cohort([Training(run, len(dataset.origins["training"]))], dataset)
        (training,) = cohort.trainings
        training.tracker = record = Record()  # type: ignore[assignment]
        while not training.complete and training.diverged is None:
            run_epoch(cohort)
        rival: dict[str, Any] = {}
        if with_rival:
            scorer = cohort.spans.scorers.get("validation")
            rival = strongest_rival(dataset, Task.of(episode.config), scorer).to_dict()
        best = (training.best.epoch, training.best.loss) if training.best else None
        return Retrained(dataset, cohort.engine, cohort.state.params, record.rows, best, rival)


def _moved_forecasts(episode: Episode, plain: Retrained) -> Iterator[Leak]:
    """Forecasts from origins before a date in the test span, by the two ways there are."""
    cut, config, dataset = episode.late, episode.config, plain.dataset
    origin_N = dataset.origins["test"]
    origin_N = origin_N[dataset.panel.close_time_R[origin_N] < cut]
    other = Engine(config, episode.dataset("noise", cut))
    engines = [engine.evaluate(plain.params, origin_N).forecast for engine in (plain.engine, other)]
    yield from _another_forecast(dataset, origin_N, engines, "noise", cut)
    forecaster = Forecaster(config, dataset.preparation, jax.device_get(plain.params))

    def alone(bars: Sequence[Bars]) -> Forecast:
        full = [with_features(b, config.dataset_config, dataset.preparation.spec) for b in bars]
        rows = [dataset.panel.within(origin_N, s) for s in range(len(full))]
        fits = dataset.preparation.series
        return forecaster.forecast(full, fits, dataset.preparation.panel(full).join(rows))

    forecasts = [alone(bars) for bars in (episode.bars, episode.bars_of("remove", cut))]
    yield from _another_forecast(dataset, origin_N, forecasts, "remove", cut)


def _another_forecast(
    dataset: Dataset, origin_N: np.ndarray, forecasts: Sequence[Forecast], kind: str, cut: int
) -> Iterator[Leak]:
    """The first window whose forecast differs."""
    for name, value_N, other_N in zip(Forecast._fields, *forecasts, strict=True):
        if value_N is not None and other_N is not None and not np.array_equal(value_N, other_N, equal_nan=True):
            n, *rest = np.argwhere(value_N != other_N)[0]
            row = origin_N[n]
            time, series = int(dataset.panel.close_time_R[row]), dataset.names[dataset.panel.series_R[row]]
            what = f"{name.rpartition('_')[0]} of the forecast from {iso(time)} of {series} is another"
            amount = relative(float(value_N[(n, *rest)]), float(other_N[(n, *rest)]))
            yield moved("prediction", what, kind, cut, series=series, time=time, amount=amount)
            return


def _hasty_baselines(episode: Episode, names: Sequence[str]) -> Iterator[Leak]:
    """Baselines that look ahead, as a backtest finds its predictors to."""
    config, cuts = episode.config, episode.cuts
    task, naming = Task.of(config), Naming.of(config.dataset_config)
    panel = BacktestPanel(episode.bars, config.dataset_config.horizon, naming)
    dataset = episode.dataset()
    end = int(panel.close_time_R.max()) + 1
    fold = Fold(1, int(panel.close_time_R.min()), cuts.test, end, 1, cuts)
    row_N = panel.rows(dataset.bars, dataset.origins["test"])
    history, frame = panel.frame(fold.begin, fold.cutoff), panel.frame(fold.begin, end)
    data = config.dataset_config
    for member in participants(task, names or False, (), "the model", data.calendar, data.timezone):
        try:
            member.fit(history, fold)
            forecast = member.ask(frame, panel.keys(row_N), task, fold)
        except RunError:
            continue  # too few bars for it, or no ranges, which is no leak
        try:
            require_causal(member, panel, fold, row_N, forecast, task)
        except DataError as error:
            yield Leak("prediction", "moved", str(error), column=member.name, time=cuts.test)
