"""State of a forecast log, line by line: known bars, forecasts, those that wait for outcomes, scores, evidence.

========== =========================================================================================================
kind       what the line says
========== =========================================================================================================
log        the first: format, run, horizon, resolutions, the chance of a false alarm
series     a series that is seen for the first time: its columns, and the record of its bars up to the run's end
bars       bars that came since, with their values
revision   bars that are others now than they were: in words, and their values
forecast   one series from one origin: when known, the dates of the predicted bars, who made it, whether late, the law
           of the model and of the rival, and the unit of the test
score      all series of one resolution with one origin: the closes that came, the difference of the losses, the bet
refit      a refit begins, on the bars until then
refitted   it has ended: the run that forecasts from now on, or why there is none
========== =========================================================================================================

Times are when bars open, but for ``known``, ``due`` and ``until``, which are one step later. No line knows the clock:
the same bars give the same lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nextbar.bars.dates import from_iso
from nextbar.errors import RunError
from nextbar.folders import refuse_later_format, told_as_damage
from nextbar.metrics.betting import ALPHA, BettingTest
from nextbar.updating.known_bars import KnownBars

FORMAT = 2
"""of the log; a nextbar that changes what lines mean counts it up. 1: the wealths were those of a resolution"""


class ForecastKey(NamedTuple):
    """Series and origin of a forecast."""

    series: str
    origin: int
    """when the bar opens, seconds since the epoch"""


class MadeForecast(NamedTuple):
    """A forecast of the log."""

    key: ForecastKey
    known: int
    """when the last known bar closed"""
    line: Mapping[str, Any]


class ScoredForecast(NamedTuple):
    """The outcome of a forecast."""

    forecast: MadeForecast
    closes: tuple[float, ...] | None
    """None: a bar was missing, so there is none"""


@dataclass
class LogContents:
    """State of a log after its lines so far."""

    run: str = ""
    """name of the run that the log is of; empty before the first line"""
    horizon: int = 1
    known: dict[str, KnownBars] = field(default_factory=dict)
    """by series"""
    revisions: list[str] = field(default_factory=list)
    forecasts: dict[ForecastKey, MadeForecast] = field(default_factory=dict)
    waiting: dict[ForecastKey, MadeForecast] = field(default_factory=dict)
    """those without an outcome yet"""
    scores: list[ScoredForecast] = field(default_factory=list)
    refits: list[str] = field(default_factory=list)
    """names of the runs, oldest first"""
    model_until: int | None = None
    """when the last bar closed that the last refit was tried on; None: there was none"""
    refit_until: int | None = None
    """that of a refit which has begun and not ended"""
    clocks: dict[str, tuple[int, int]] = field(default_factory=dict)
    """by series: seconds of a bar, and how many after a multiple of them the first origin closed"""
    alarm: int | None = None
    """when the evidence first reached 1 / alpha: when that outcome was known"""
    test: BettingTest = field(default_factory=lambda: BettingTest(1))

    def model(self, run_dir: Path) -> Path:
        """Folder of the run that forecasts: that of the log, or its last refit, which lies beside it."""
        return run_dir.parent / self.refits[-1] if self.refits else run_dir

    def latest(self, series: str) -> ForecastKey | None:
        """The newest forecast of a series."""
        return max((key for key in self.forecasts if key.series == series), default=None)

    def take(self, lines: Iterable[Mapping[str, Any]], path: Path) -> None:
        """Take in further lines.

        Args:
            lines: records of the log ``path``, in its order.
            path: for messages.

        Raises:
            RunError: lines that make no sense, or of a later nextbar.
        """
        with told_as_damage(path):
            for line in lines:
                if line["kind"] == "log":
                    refuse_later_format(path, int(line["format"]), FORMAT)
                take = _TAKE.get(line["kind"])
                if take is None:
                    raise RunError(f"{path}: a line of kind {line['kind']!r}, which this nextbar does not know")
                take(self, line)


def _take_log(state: LogContents, line: Mapping[str, Any]) -> None:
    state.run, state.horizon = line["run"], int(line["horizon"])
    state.test = BettingTest(state.horizon, len(line["resolutions"]))


def _take_series(state: LogContents, line: Mapping[str, Any]) -> None:
    known = KnownBars.of_line(line)
    state.known[known.later.name] = known


def _take_bars(state: LogContents, line: Mapping[str, Any]) -> None:
    state.known[line["series"]].add(line)


def _take_revision(state: LogContents, line: Mapping[str, Any]) -> None:
    state.known[line["series"]].revise(line)
    state.revisions += line["said"]


def _take_forecast(state: LogContents, line: Mapping[str, Any]) -> None:
    key = ForecastKey(line["series"], from_iso(line["origin"]))
    made = state.forecasts[key] = state.waiting[key] = MadeForecast(key, from_iso(line["known"]), line)
    if not state.scores:  # what is foreseen is settled before the first bet
        step = state.known[key.series].later.step
        state.clocks.setdefault(key.series, (step, made.known % step))
        state.test = BettingTest(state.horizon, max(state.test.groups, len(set(state.clocks.values()))))


def _take_score(state: LogContents, line: Mapping[str, Any]) -> None:
    for name, closes in line["closes"].items():
        forecast = state.waiting.pop(ForecastKey(name, from_iso(line["origins"][name])))
        state.scores.append(ScoredForecast(forecast, None if closes is None else tuple(closes)))
    if line["difference"] is not None:
        times = from_iso(line["known"]), from_iso(line["due"])
        state.test.settle(list(line["origins"]), *times, line["difference"], line["bound"])
        if line["evidence"] >= 1 / ALPHA and state.alarm is None:  # as it was given, also by an earlier format
            state.alarm = times[1]


def _take_refit(state: LogContents, line: Mapping[str, Any]) -> None:
    state.refit_until = from_iso(line["until"])


def _take_refitted(state: LogContents, line: Mapping[str, Any]) -> None:
    state.refit_until, state.model_until = None, from_iso(line["until"])
    if line["run"] is not None:
        state.refits.append(line["run"])


_TAKE = {
    "log": _take_log,
    "series": _take_series,
    "bars": _take_bars,
    "revision": _take_revision,
    "forecast": _take_forecast,
    "score": _take_score,
    "refit": _take_refit,
    "refitted": _take_refitted,
}
"""what a line of each kind adds"""
