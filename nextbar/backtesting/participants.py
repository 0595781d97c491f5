"""The predictors that take part in a backtest: checked before anything is trained, and named in every error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from nextbar import baselines
from nextbar.backtesting.model import ModelPredictor
from nextbar.backtesting.options import BacktestOptions
from nextbar.baselines import Predictor, is_direction_only, name_of
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, NextbarError, RunError, short
from nextbar.forecasts import Keys, read
from nextbar.forecasts.table import check_shares, quantile_column
from nextbar.logger import get_logger
from nextbar.metrics.task import Task
from nextbar.positions.rules import BUY_AND_HOLD
from nextbar.rivals import LibraryRival, rival_called
from nextbar.types import Forecast

Kind = Literal["model", "baseline", "own"]


@dataclass(frozen=True)
class Participant:
    """A predictor and its kind: the model, a baseline, or one of the user's own."""

    predictor: Predictor
    kind: Kind

    @property
    def name(self) -> str:
        """Its name in tables and reports."""
        return name_of(self.predictor)

    @property
    def direction_only(self) -> bool:
        """True where only the sign of its moves is scored."""
        return is_direction_only(self.predictor)

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares whose quantiles it gives instead of a law."""
        shares = getattr(self.predictor, "shares", ())
        return tuple(sorted(check_shares(f"predictors: {self.name}.shares", shares, quantile_column)))

    def require_shares(self) -> None:
        """Raises ConfigError: its shares are none."""
        _ = self.shares

    @property
    def words(self) -> str:
        """Its name in a sentence."""
        return str(getattr(self.predictor, "in_words", self.name))

    def fit(self, frame: Any, where: object) -> None:
        """Fit it on a frame of bars; ``where`` names the fold in an error.

        Raises:
            RunError: it fails; the message names it.
        """
        with self._answering("fit", where):
            self.predictor.fit(self._own_copy(frame))

    def ask(self, frame: Any, keys: Keys, task: Task, where: object) -> Forecast:
        """Its forecasts for ``keys``, of a ``distribution`` laws, quantiles or closes, as the predictor says.

        One of the direction alone may give closes in every output mode.

        Raises:
            RunError: it fails; the message names it.
            DataError: its table lacks rows or columns, or holds impossible values.
        """
        with self._answering("predict", where):
            table = self._predicted(frame, keys)
        return read(table, keys, self._answered(table, task), source=f"{self.name}, {where}")

    def question(self, forecast: Forecast, task: Task) -> Task:
        """The task that its forecast is scored by: that of the experiment, or of quantiles or closes alone."""
        if forecast.quantiles_NHQ is not None:
            return task.of_quantiles(self.shares)
        if forecast.scale_NH is None and forecast.log_probs_NHK is None:
            return task.of_closes
        return task

    def _predicted(self, frame: Any, keys: Keys) -> Any:
        """Its table; other libraries are slow, and so are asked for the origins that are scored and no others."""
        if isinstance(self.predictor, LibraryRival):
            return self.predictor.predict(self._own_copy(frame), keys)
        return self.predictor.predict(self._own_copy(frame))

    def _answered(self, table: Any, task: Task) -> Task:
        """The task that its table is read by."""
        if self.direction_only and "close" in getattr(table, "columns", ()):
            return task.of_closes
        if task.output_mode != "distribution":
            return task
        if getattr(self.predictor, "closes_only", False):
            return task.of_closes
        return task.of_quantiles(self.shares) if self.shares else task

    def _own_copy(self, frame: Any) -> Any:
        return frame.copy() if self.kind == "own" else frame  # a user's code may change it

    @contextmanager
    def _answering(self, method: str, where: object) -> Iterator[None]:
        try:
            yield
        except NextbarError as error:
            raise RunError(f"{self.name} cannot {method} in {where}: {error}") from error
        except Exception as error:
            if self.kind != "own":
                raise  # a fault of nextbar: its traceback helps to find it
            raise RunError(f"{self.name}.{method} failed in {where} with {type(error).__name__}: {error}") from error


def participants(
    task: Task,
    chosen: bool | Sequence[str],
    predictors: Sequence[Predictor],
    model: str,
    calendar: str = "auto",
    timezone: str = "auto",
) -> list[Participant]:
    """Baselines, then the user's own.

    Args:
        task: what is forecast.
        chosen: baselines: all, none, or those of these names.
        predictors: the user's own.
        model: name of the model.
        calendar: of the bars, as in ``DatasetConfig``, like the next; for the baselines.
        timezone: of their market.

    Raises:
        ConfigError: an unknown baseline; a predictor without ``fit`` or ``predict``; a name given twice.
    """
    members = [Participant(baseline, "baseline") for baseline in _baselines(task, chosen, calendar, timezone)]
    if not isinstance(predictors, (list, tuple)):
        raise ConfigError(f"predictors: found {short(predictors)}, should be a list of objects with fit and predict")
    for place, predictor in enumerate(predictors, start=1):
        _require_predictor(predictor, place)
        for_task = getattr(predictor, "for_task", None)
        members.append(Participant(for_task(task) if callable(for_task) else predictor, "own"))
    taken = [model, BUY_AND_HOLD]
    for participant in members:
        participant.require_shares()
        if participant.name in taken:
            raise ConfigError(
                f"predictors: two are called {participant.name!r}; give each a name of its own (its attribute name, or "
                f"its class). Taken are {', '.join(taken)}"
            )
        taken.append(participant.name)
    return members


def _require_predictor(predictor: Any, place: int) -> None:
    """Raises ConfigError: the user's predictor with this number is a class, or has no ``fit`` or ``predict``."""
    lacking = [name for name in ("fit", "predict") if not callable(getattr(predictor, name, None))]
    if isinstance(predictor, type):
        fault = "is a class, make an object of it"
    elif lacking:
        fault = f"has no {' and no '.join(lacking)}"
    else:
        return
    name = getattr(predictor, "__name__", type(predictor).__name__)
    raise ConfigError(f"predictors: number {place} ({name}) {fault}; a predictor has fit(frame) and predict(frame)")


def taking_part(config: ExperimentConfig, options: BacktestOptions, own: Sequence[Predictor]) -> list[Participant]:
    """The participants of a backtest beside the model: baselines, rivals by name, then the user's own.

    Raises:
        ConfigError: see ``participants``; a rival that is not there.
    """
    data = config.dataset_config
    if isinstance(own, (list, tuple)):
        own = [*map(rival_called, options.rivals), *own]
    return participants(Task.of(config), options.baselines, own, ModelPredictor.name, data.calendar, data.timezone)


def _baselines(task: Task, chosen: bool | Sequence[str], calendar: str, timezone: str) -> list[Predictor]:
    if chosen is False:
        return []
    applicable = baselines.for_task(task, calendar, timezone)
    if chosen is True:
        return applicable
    by_name = {name_of(baseline): baseline for baseline in applicable}
    names = (chosen,) if isinstance(chosen, str) else tuple(chosen)
    unknown = [str(name) for name in names if name not in by_name]
    if unknown:
        raise ConfigError(
            f"baselines: no {', '.join(unknown)} for output_mode {task.output_mode!r}; there are {', '.join(by_name)}"
        )
    return [by_name[name] for name in dict.fromkeys(names)]


def with_ranges(members: Sequence[Participant], history: Any, where: object) -> list[Participant]:
    """The participants without those baselines of ranges that cannot be fitted on the first history, which is logged.

    Args:
        members: participants.
        history: a frame of the bars known at the first cutoff.
        where: names the fold.
    """
    kept = []
    for member in members:
        if member.kind == "baseline" and getattr(member.predictor, "needs_ranges", False):
            try:
                member.fit(history, where)
            except RunError as error:
                get_logger().warning("left out: %s", error)
                continue
        kept.append(member)
    return kept
