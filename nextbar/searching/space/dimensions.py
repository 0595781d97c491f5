"""Dimensions of a space: one of several choices, or a number from a range."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nextbar.errors import ConfigError, short

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

RANGE_KEYS = ("low", "high", "log", "step")
MOST_POINTS = 100_000
"""values of a range that may be counted through"""

Label = None | bool | int | float | str


@dataclass(frozen=True)
class Categorical:
    """One of several values."""

    values: tuple[Any, ...]

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> Categorical:
        """The choices in a list.

        Raises:
            ConfigError: the list is empty, holds a choice twice, or one that no file can hold.
        """
        if not values:
            raise ConfigError("the list of choices is empty, should hold at least one")
        labels = [_label(value) for value in values]
        for i, label in enumerate(labels):
            if label in labels[:i]:  # 1 and 1.0 are equal to Optuna too
                raise ConfigError(f"the choice {values[i]!r} is there twice")
        return cls(values)

    @property
    def distribution(self) -> BaseDistribution:
        """For Optuna, which takes numbers, text, flags and None; other values are given as their JSON."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution([_label(value) for value in self.values])

    def value(self, label: Label) -> Any:
        """The choice with Optuna's label."""
        return next(value for value in self.values if _label(value) == label)

    @property
    def size(self) -> int:
        """Number of choices."""
        return len(self.values)

    def labels(self) -> Iterator[Label]:
        """Optuna's labels of all choices."""
        return map(_label, self.values)

    def extremes(self) -> Iterator[Label]:
        """The labels to try in a configuration: all."""
        return self.labels()

    def plain(self) -> Any:
        """As written in a file."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """A number from ``low`` to ``high``, both included."""

    low: float
    high: float
    whole: bool
    log: bool = False
    step: float | None = None

    @classmethod
    def of(cls, keys: Mapping[Any, Any], whole: bool) -> Range:
        """The range in a mapping.

        Args:
            keys: ``low`` and ``high``, and optionally ``log`` or ``step``.
            whole: whether the field takes whole numbers only.

        Raises:
            ConfigError: an unknown key or an impossible value.
        """
        if strange := [str(key) for key in keys if key not in RANGE_KEYS]:
            raise ConfigError(f"a range has no {', '.join(strange)}; it has {', '.join(RANGE_KEYS)}")
        if lacking := [key for key in ("low", "high") if key not in keys]:
            raise ConfigError(f"a range needs {' and '.join(lacking)}, such as {{low: 1e-5, high: 1e-3, log: true}}")
        log, step = keys.get("log", False), keys.get("step")
        if not isinstance(log, bool):
            raise ConfigError(f"log: found {log!r}, should be true or false")
        kind = "a whole number" if whole else "a finite number"
        for key in ("low", "high", *(["step"] if step is not None else [])):
            value = keys[key]
            if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not _finite(value):
                raise ConfigError(f"{key}: found {short(value)}, should be {kind}")
        low, high = keys["low"], keys["high"]
        if low > high:
            raise ConfigError(f"the range is upside down: low {low} is above high {high}")
        if log and low <= 0:
            raise ConfigError(f"low: found {low}, should be above 0 in a range with log")
        if log and step is not None:
            raise ConfigError("log and step are given, at most one may be")
        if step is not None and step <= 0:
            raise ConfigError(f"step: found {step}, should be above 0")
        if not whole:
            low, high, step = float(low), float(high), None if step is None else float(step)
        return cls(low, high, whole, log, step)

    @property
    def distribution(self) -> FloatDistribution | IntDistribution:
        """For Optuna."""
        from optuna.distributions import FloatDistribution, IntDistribution

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a high that no step reaches, which Optuna lowers
            if not self.whole:
                return FloatDistribution(self.low, self.high, log=self.log, step=self.step)
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))

    def value(self, label: Label) -> Any:
        """The value drawn by Optuna, which is its own label."""
        return label

    @property
    def size(self) -> int | None:
        """Number of values; None: more than may be counted through."""
        if self.low == self.high:
            return 1
        step = self.step or (1 if self.whole else None)
        if step is None or (self.high - self.low) / step > MOST_POINTS:
            return None
        return round((self._last - self.low) / step) + 1

    def labels(self) -> Iterator[Label]:
        """All values."""
        assert self.size is not None
        for i in range(self.size):
            value = min(self.low + i * (self.step or 1), self._last)
            yield int(value) if self.whole else value

    def extremes(self) -> Iterator[Label]:
        """The labels to try in a configuration: the ends."""
        yield from dict.fromkeys(int(end) if self.whole else end for end in (self.low, self._last))

    def plain(self) -> Any:
        """As written in a file."""
        shown = {"low": self.low, "high": self.high}
        return shown | ({"log": True} if self.log else {}) | ({"step": self.step} if self.step is not None else {})

    @property
    def _last(self) -> float:
        """The highest value that steps reach, as Optuna computes it: 0.3, where floats add up to a bit more."""
        return self.distribution.high


Dimension = Categorical | Range


def _label(value: Any) -> Label:
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and not math.isnan(value)):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        raise ConfigError(f"found {short(value)}, should be a number, text, a flag, None or a list of those") from None


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False
