"""Bars of one series with the forecasts that had been made of them, and their compact form for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nextbar.bars.slots import DAY, weekday
from nextbar.display.figure import packed, text

_SATURDAY, _SUNDAY = 5, 6


class Step(NamedTuple):
    """Forecasts of N bars made ``ahead`` bars before each; prices, NaN without a forecast."""

    ahead: int
    point_N: np.ndarray | None = None
    low_N: np.ndarray | None = None
    high_N: np.ndarray | None = None
    probs_NK: np.ndarray | None = None
    bin_N: np.ndarray | None = None
    """the bin that each bar's move fell into, K where it is not known"""

    def plain(self) -> dict[str, Any]:
        """Plain values for the script."""
        arrays = {"point": self.point_N, "low": self.low_N, "high": self.high_N}
        plain: dict[str, Any] = {"ahead": self.ahead}
        plain |= {name: packed(values) for name, values in arrays.items() if values is not None}
        if self.bin_N is not None:
            plain["bin"] = packed(self.bin_N, "u1")
        if self.probs_NK is not None:  # a byte is enough for the depth of a colour
            probs = np.rint(255 * np.nan_to_num(self.probs_NK))
            plain["probs"] = [packed(column, "u1") for column in probs.T]
        return plain


@dataclass(frozen=True)
class Track:
    """One series with its forecasts."""

    name: str
    width: int
    """seconds of one bar"""
    time_N: np.ndarray
    """opening times, seconds"""
    columns: dict[str, np.ndarray]
    """``close``, and where they are known ``open``, ``high`` and ``low``"""
    steps: tuple[Step, ...]

    @property
    def numbers(self) -> float:
        """Numbers of four bytes for each bar; a probability takes one byte."""
        wide = sum(array is not None for step in self.steps for array in step[1:4])
        narrow = sum(step.probs_NK.shape[1] + 1 for step in self.steps if step.probs_NK is not None)
        return len(self.columns) + wide + narrow / 4

    def last(self, n: int) -> Track:
        """The track of the last n bars."""

        def cut(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[-n:]

        steps = tuple(Step(s.ahead, *map(cut, s[1:])) for s in self.steps)
        columns = {name: values[-n:] for name, values in self.columns.items()}
        return Track(self.name, self.width, self.time_N[-n:], columns, steps)

    def plain(self) -> dict[str, Any]:
        """Plain values for the script: times as gaps in a common unit, numbers as float32."""
        begin = int(self.time_N[0])
        unit = int(np.gcd.reduce(np.diff(self.time_N))) if len(self.time_N) > 1 else self.width
        gap_N = np.diff(self.time_N, prepend=begin) // unit
        plain: dict[str, Any] = {
            "name": text(self.name),
            "begin": begin,
            "unit": unit,
            "width": self.width,
            "gaps": packed(gap_N, "u1" if gap_N.max() < 256 else "i4"),
            "breaks": _breaks(self.time_N, self.width),
            "steps": [step.plain() for step in self.steps],
        }
        plain |= {name: packed(values) for name, values in self.columns.items()}
        return plain


def placed(n: int, at_M: np.ndarray, values_M: np.ndarray) -> np.ndarray:
    """Values of M forecasts at the n bars that they predict, (n, ...); NaN for bars without a forecast.

    Args:
        n: number of bars.
        at_M: bar of each forecast.
        values_M: values, (M, ...).
    """
    out = np.full((n, *values_M.shape[1:]), np.nan)
    out[at_M] = values_M
    return out


def _breaks(time_N: np.ndarray, width: int) -> list[dict[str, Any]]:
    """Breaks of the time axis: weekends, unless a bar falls into one."""
    days = set(np.unique(weekday(time_N // DAY)).tolist())
    if width > DAY or len(time_N) < 2 or days & {_SATURDAY, _SUNDAY}:
        return []
    return [{"bounds": ["sat", "mon"]}]
