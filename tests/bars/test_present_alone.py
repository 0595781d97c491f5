"""The present by itself: what counts as closed or stale to the second, and the lines that say so."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
from builders import make_bars

from nextbar.bars import present
from nextbar.bars.calendar import Calendar
from nextbar.bars.present import Present, clock, unfinished
from nextbar.errors import ConfigError, DataError

HOUR, DAY = 3_600, 86_400
NOW = 1_577_836_800  # 2020-01-01


@pytest.fixture(autouse=True)
def _at(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(present, "clock", lambda: NOW)
    caplog.set_level("INFO", "nextbar")


def test_the_clock_counts_whole_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(present.time, "time", lambda: 12.9)
    assert clock() == 12 and type(clock()) is int


def test_the_instant_is_that_given_or_the_clocks() -> None:
    for now, time, given in (
        (None, NOW, False),
        ("now", NOW, True),
        (" NOW ", NOW, True),
        ("2019-12-31", NOW - DAY, True),
        (0, 0, True),
    ):
        here = Present(now)
        assert (here.time, here.given) == (time, given)
    with pytest.raises(ConfigError):
        Present("nowhere")


def test_the_clock_concerns_bars_within_a_step_of_it() -> None:
    here = Present()
    for away in (HOUR - 1, 1 - HOUR, 0):
        assert here.near(np.array([0, NOW + away]), HOUR) is True
    for away in (HOUR, -HOUR, 2 * HOUR):
        assert here.near(np.array([0, NOW + away]), HOUR) is False
        assert Present("now").near(np.array([NOW + away]), HOUR) is True


def test_a_bar_has_closed_a_step_after_it_opens() -> None:
    time_N = np.array([NOW - 60, NOW - HOUR, NOW - HOUR + 1, 0])
    for here in (Present(), Present("now")):
        assert here.closed("a_1h", time_N, HOUR).tolist() == [False, True, False, True]
    later = time_N + 2 * HOUR
    assert Present().closed("a_1h", later, HOUR).all() and not Present("now").closed("a_1h", later, HOUR)[0]
    none = Present("now").closed("a_1h", time_N[:0], HOUR)
    assert none.dtype == bool and len(none) == 0


def test_bars_that_have_closed_are_kept_whole() -> None:
    bars = dataclasses.replace(make_bars("a", n=5), notices=("a notice",))
    closes = bars.close_time_N
    assert Present(int(closes[-1])).closed_bars(bars) is bars
    cut = Present(int(closes[2])).closed_bars(bars)
    assert cut.time_N.tolist() == bars.time_N[:3].tolist() and cut.notices == bars.notices and cut.name == "a_1h"
    assert all(values.tolist() == bars.columns[name][:3].tolist() for name, values in cut.columns.items())
    with pytest.raises(DataError) as caught:
        Present(int(closes[0]) - 1).closed_bars(bars)
    assert str(caught.value) == (
        "a_1h: no bar has closed by now, 2020-01-06T00:59:59Z; give earlier bars, or a later now"
    )


def test_what_is_left_out_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    here = Present("now")
    assert here.tell() is False and not caplog.records
    for k in range(1, 7):
        here.closed(f"s{k}", np.arange(NOW - 5 * HOUR, NOW + (k - 1) * HOUR, HOUR), HOUR)
        here.closed(f"t{k}", np.array([NOW - 60 - i for i in range(k)]), HOUR)
    assert here.tell() is False
    assert caplog.record_tuples == [
        (
            "nextbar",
            logging.INFO,
            "left out, since not closed by 2020-01-01T00:00:00Z: 1 bar of t1, 1 bar of s2, 2 bars of t2, 2 bars of s3, "
            "3 bars of t3 and 6 more",
        )
    ]


def test_five_series_are_named_and_the_others_counted(caplog: pytest.LogCaptureFixture) -> None:
    here = Present("now")
    bars = make_bars("a", n=2)
    here.closed_bars(dataclasses.replace(bars, time_N=np.array([NOW - HOUR, NOW])))
    for name in "bcde":
        here.closed(name, np.array([NOW]), HOUR)
    here.tell()
    here.closed("f", np.array([NOW]), HOUR)
    here.tell()
    named = "not closed by 2020-01-01T00:00:00Z: 1 bar of a_1h, 1 bar of b, 1 bar of c, 1 bar of d, 1 bar of e"
    assert caplog.messages == [f"left out, since {named}", f"left out, since {named} and 1 more"]


@pytest.mark.parametrize(
    ("calendar", "bars"),
    [
        (Calendar.always(HOUR), 4),
        (Calendar("sessions", HOUR, 0, tuple(range(168))), 28),
        (Calendar("sessions", DAY, 0, tuple(range(7))), 5),
        (Calendar("sessions", 5 * HOUR, 0, tuple(range(168))), 9),
    ],
)
def test_bars_are_stale_when_one_more_than_may_be_missing_has_closed(calendar: Calendar, bars: int) -> None:
    last = 4 * DAY
    closes = last + (bars + 1) * calendar.step
    for time, stale in ((closes - 1, False), (closes, True)):
        here = Present(time)
        here.note_end("a", last, calendar)
        assert here.tell() is stale
        assert here.tell(stale=False) is False


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (2_000 * DAY, "2,000 days"),
        (2 * DAY, "2 days"),
        (2 * DAY - 1, "48 hours"),
        (7_300 * 60, "5 days"),
        (2 * HOUR, "2 hours"),
        (2 * HOUR - 1, "120 minutes"),
        (5 * 60, "5 minutes"),
    ],
)
@pytest.mark.parametrize(("now", "level"), [(None, logging.INFO), ("now", logging.WARNING)])
def test_stale_series_are_named_with_their_ends(
    ago: int, words: str, now: str | None, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    here, step = Present(now), 60
    here.note_end("a_1m", NOW - ago - step, Calendar.always(step))
    here.note_end("b_1m", NOW - 10 * 60 - step, Calendar.always(step))
    assert here.tell() is True
    ((name, logged, text),) = caplog.record_tuples
    assert (name, logged) == ("nextbar", level)
    assert text == (
        f"stale at 2020-01-01T00:00:00Z: the last bar of a_1m closed {np.datetime64(NOW - ago, 's')}Z, {words} ago, "
        "b_1m closed 2019-12-31T23:50:00Z, 10 minutes ago; forecasts are of the bars after that"
    )


def test_series_whose_last_bar_is_open_are_unfinished() -> None:
    step = HOUR
    made = [
        dataclasses.replace(make_bars(name, n=3), time_N=NOW + step * np.arange(3) + shift)
        for name, shift in (("closed", -3 * step), ("open", -3 * step + 1), ("opens", -2 * step), ("future", -step))
    ]
    assert unfinished(made) == ["open_1h", "opens_1h"]
