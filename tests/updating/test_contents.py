"""What a log says of its bets: those of every clock count, those that an earlier version wrote are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nextbar.bars.dates import iso
from nextbar.errors import RunError
from nextbar.metrics.betting import ALPHA, BettingTest
from nextbar.updating.contents import FORMAT, LogContents

HOUR = 3600
PATH = Path("forecasts-run.jsonl")


def log(opens: dict[str, int], hours: int, **first: Any) -> list[dict[str, Any]]:
    """A log of hourly series whose bars open so many seconds after the hour, each worse than its rival by 0.8."""
    lines: list[dict[str, Any]] = [
        {"kind": "log", "format": FORMAT, "run": "run", "horizon": 1, "resolutions": ["1h"], **first}
    ]
    for name in opens:
        lines.append({"kind": "series", "ticker": name, "resolution": "1h", "columns": ["close"], "record": None})
    times = [(name, hour * HOUR + minute) for hour in range(hours) for name, minute in opens.items()]
    for name, time in times:
        lines.append({"kind": "forecast", "series": f"{name}_1h", "origin": iso(time), "known": iso(time + HOUR)})
    for name, time in times:
        lines.append({
            "kind": "score", "resolution": "1h", "known": iso(time + HOUR), "due": iso(time + 2 * HOUR),
            "origins": {f"{name}_1h": iso(time)}, "closes": {f"{name}_1h": [1.0]}, "difference": 0.8, "bound": 1.0,
            "bet": 0.0, "wealth": None, "evidence": 1.0,
        })  # fmt: skip
    return lines


def read(lines: list[dict[str, Any]]) -> LogContents:
    contents = LogContents()
    contents.take(lines, PATH)
    return contents


def test_clocks_are_foreseen_before_the_first_bet() -> None:
    """Two clocks share the chance of an alarm equally, two series of one clock do not share it."""
    for opens, clocks in (({"a": 0, "b": 1800}, 2), ({"a": 0, "b": 0}, 1)):
        assert read(log(opens, 3)).test.groups == clocks
    alone = BettingTest(1, 2)
    for hour in range(20):
        alone.settle(["b"], hour * HOUR, (hour + 1) * HOUR, 0.8, 1.0)
    assert read(log({"a": 0, "b": 1800}, 20)).test.evidence == pytest.approx(alone.evidence)


def test_a_log_of_an_earlier_format_is_read_and_its_alarm_stays() -> None:
    """Its second clock had no wealth; what its outcomes say counts now. One of a later format is refused."""
    lines = log({"a": 0, "b": 1800}, 20, format=1)
    lines[-1]["evidence"] = 1 / ALPHA
    contents = read(lines)
    assert contents.test.evidence == read(log({"a": 0, "b": 1800}, 20)).test.evidence
    assert contents.alarm == 19 * HOUR + 1800 + 2 * HOUR
    with pytest.raises(RunError, match=rf"has format {FORMAT + 1}.*reads up to {FORMAT}: update it"):
        read(log({"a": 0}, 1, format=FORMAT + 1))
