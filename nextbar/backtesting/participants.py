"""Who takes part in a backtest: checked before anything is trained, asked in one way, answered for by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

from nextbar import baselines
from nextbar.baselines import Predictor, is_direction_only, name_of
from nextbar.errors import ConfigError, NextbarError, RunError, short
from nextbar.forecasts import Keys, read
from nextbar.metrics.task import Task
from nextbar.types import Forecast

Kind = Literal["model", "baseline", "own"]


@dataclass(frozen=True)
class Participant:
    """A predictor and what it counts as."""

    predictor: Predictor
    kind: Kind

    @property
    def name(self) -> str:
        """What tables and reports call it."""
        return name_of(self.predictor)

    @property
    def direction_only(self) -> bool:
        """True where nothing but the sign of its moves is scored."""
        return is_direction_only(self.predictor)

    def fit(self, frame: Any, where: object) -> None:
        """Have it learn; ``where`` is for the message.

        Raises:
            RunError: it cannot; names it.
        """
        with self._answering("fit", where):
            self.predictor.fit(self._own_copy(frame))

    def ask(self, frame: Any, keys: Keys, task: Task, where: object) -> Forecast:
        """Its forecasts for ``keys``. One for the direction alone may hand in closes, whatever the mode.

        Raises:
            RunError: it cannot; names it.
            DataError: its table lacks rows or columns, or holds impossible values.
        """
        with self._answering("predict", where):
            table = self.predictor.predict(self._own_copy(frame))
        if self.direction_only and "close" in getattr(table, "columns", ()):
            task = replace(task, output_mode="mean", edges=())
        return read(table, keys, task, source=f"{self.name}, {where}")

    def _own_copy(self, frame: Any) -> Any:
        return frame.copy() if self.kind == "own" else frame  # what a user's code does to it is nobody else's concern

    @contextmanager
    def _answering(self, method: str, where: object) -> Iterator[None]:
        try:
            yield
        except NextbarError as error:
            raise RunError(f"{self.name} cannot {method} in {where}: {error}") from error
        except Exception as error:
            if self.kind != "own":
                raise  # a fault of ours, with all that helps to find it
            raise RunError(f"{self.name}.{method} failed in {where} with {type(error).__name__}: {error}") from error


def participants(
    task: Task, wanted: bool | Sequence[str], predictors: Sequence[Predictor], model: str
) -> list[Participant]:
    """Baselines, then the user's own.

    Args:
        task: what is asked.
        wanted: baselines: all, none, or those of these names.
        predictors: the user's.
        model: the name that the model has.

    Raises:
        ConfigError: an unknown baseline; a predictor without ``fit`` or ``predict``; a name that two have.
    """
    found = [Participant(one, "baseline") for one in _baselines(task, wanted)]
    if not isinstance(predictors, (list, tuple)):
        raise ConfigError(f"predictors: found {short(predictors)}, should be a list of objects with fit and predict")
    for place, one in enumerate(predictors, start=1):
        lacking = [name for name in ("fit", "predict") if not callable(getattr(one, name, None))]
        if lacking or isinstance(one, type):
            what = "is a class, make an object of it" if isinstance(one, type) else f"has no {' and no '.join(lacking)}"
            raise ConfigError(
                f"predictors: number {place} ({getattr(one, '__name__', type(one).__name__)}) {what}; a predictor has "
                "fit(frame) and predict(frame)"
            )
        found.append(Participant(one, "own"))
    taken = [model]
    for participant in found:
        if participant.name in taken:
            raise ConfigError(
                f"predictors: two are called {participant.name!r}; give each a name of its own (its attribute name, or "
                f"its class). Taken are {', '.join(taken)}"
            )
        taken.append(participant.name)
    return found


def _baselines(task: Task, wanted: bool | Sequence[str]) -> list[Predictor]:
    if wanted is False:
        return []
    there = baselines.for_task(task)
    if wanted is True:
        return there
    by_name = {name_of(one): one for one in there}
    names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    unknown = [str(name) for name in names if name not in by_name]
    if unknown:
        raise ConfigError(
            f"baselines: no {', '.join(unknown)} for output_mode {task.output_mode!r}; there are {', '.join(by_name)}"
        )
    return [by_name[name] for name in dict.fromkeys(names)]


def same_question(forecast: Forecast, task: Task) -> Task:
    """The question a forecast answers: the task, or for bare closes in another mode only where the price will be."""
    bare = forecast.scale_NH is None and forecast.log_probs_NHK is None
    return replace(task, output_mode="mean", edges=()) if bare else task
