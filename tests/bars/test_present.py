"""Bars that have not closed are left out of forecasts and scores, and bars that end long ago are called stale."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bar_files import write
from builders import make_bars, make_config, make_frame, with_columns
from exchange_bars import at as exchange_at
from exchange_bars import series_at, sessions_between
from made_runs import MadeRun, make_run

from nextbar import Trainer, evaluate
from nextbar.bars import present
from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.present import Present
from nextbar.bars.weekly_template import learn_template
from nextbar.errors import DataError
from nextbar.inference.forecaster import Forecaster
from nextbar.inference.outlooks import outlooks
from nextbar.updating.updater import update
from nextbar.updating.watching import watch

HOUR, DAY = 3_600, 86_400
CALENDAR = Calendar.always(HOUR)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("present"), tickers=["aaa", "bbb"])


@pytest.fixture(scope="module")
def forecaster(run: MadeRun) -> Forecaster:
    return run.load()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the clock."""
    return lambda time: monkeypatch.setattr(present, "clock", lambda: int(time))


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", "nextbar")
    return caplog


def head(frame: pd.DataFrame, n: int, ticker: str | None = None) -> pd.DataFrame:
    """The frame without the last n bars of each ticker, or of one."""
    parts = [part.iloc[: len(part) - n] if ticker in (None, name) else part for name, part in frame.groupby("ticker")]
    return pd.concat(parts)


def last_open(run: MadeRun) -> int:
    return int(run.bars[0].time_N[-1])


def text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(date=frame["date"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


def epoch(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(date=frame["date"].astype("datetime64[s, UTC]").astype("int64"))


def shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sample(frac=1, random_state=0).sort_values("ticker", kind="stable")


def as_bars(frame: pd.DataFrame) -> list[Bars]:
    return Trainer(make_config(tickers=["aaa", "bbb"]), frame).read()


FORMS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "datetimes": lambda frame: frame, "text": text, "epoch": epoch, "shuffled": shuffled,
    "shuffled text": lambda frame: shuffled(text(frame)), "Bars": as_bars,
}  # fmt: skip


@pytest.mark.parametrize("last_only", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_an_unfinished_bar_is_as_if_it_were_not_there(
    run: MadeRun,
    forecaster: Forecaster,
    form: str,
    last_only: bool,
    at: Callable[[int], None],
    log: pytest.LogCaptureFixture,
) -> None:
    """Bit for bit, until the second in which it closes, and by the clock as by ``now``."""
    bars, opened = FORMS[form](run.frame), last_open(run)
    whole = forecaster.predict(bars, last_only=last_only)  # long before the clock of this machine
    shorter = forecaster.predict(FORMS[form](head(run.frame, 1)), last_only=last_only)
    assert len(shorter) == len(whole) - (0 if last_only else 2)
    shortest = forecaster.predict(FORMS[form](head(run.frame, 2)), last_only=last_only)
    for time, expected in (
        (opened - HOUR + 1, shortest),  # the last has not even opened
        (opened - 1, shortest),
        (opened, shorter),
        (opened + HOUR - 1, shorter),
        (opened + HOUR, whole),
        (opened + 5 * HOUR, whole),
        (opened - 50 * HOUR, whole),  # bars of the future are made up: no clock has to do with them
    ):
        at(time)
        log.clear()
        pd.testing.assert_frame_equal(forecaster.predict(bars, last_only=last_only), expected, check_exact=True)
        assert ("left out, since not closed by" in log.text) == (expected is not whole)
    at(opened + 10 * DAY)
    for now in (opened + 60, pd.Timestamp(opened + 60, unit="s", tz="UTC"), str(pd.Timestamp(opened + 60, unit="s"))):
        found = forecaster.predict(bars, last_only=last_only, now=now)
        pd.testing.assert_frame_equal(found, shorter, check_exact=True)


def test_what_is_left_out_is_said(
    run: MadeRun, forecaster: Forecaster, at: Callable[[int], None], log: pytest.LogCaptureFixture
) -> None:
    at(last_open(run) + 60)
    forecaster.predict(run.frame)
    (message,) = log.messages
    assert message == "left out, since not closed by 2020-01-12T05:01:00Z: 1 bar of aaa_1h, 1 bar of bbb_1h"


def test_each_series_has_its_own_end(run: MadeRun, forecaster: Forecaster, at: Callable[[int], None]) -> None:
    """One that ended before loses nothing to the clock."""
    frame = head(run.frame, 10, "aaa")
    at(last_open(run) + 60)
    found = forecaster.predict(frame)
    ends = [last_open(run) - 10 * HOUR, last_open(run) - HOUR]
    assert found["origin"].tolist() == pd.to_datetime(ends, unit="s", utc=True).tolist()


def test_now_means_the_clock_however_far(run: MadeRun, forecaster: Forecaster, at: Callable[[int], None]) -> None:
    at(last_open(run) - 50 * HOUR)
    for now in ("now", " Now"):
        found = forecaster.predict(run.frame, now=now)
        assert (found["origin"] == pd.Timestamp(last_open(run) - 51 * HOUR, unit="s", tz="UTC")).all()
    at(0)
    with pytest.raises(DataError, match="no bar has closed by now, 1970-01-01T00:00:00Z"):
        forecaster.predict(run.frame, now="now")


@pytest.mark.parametrize("form", ["datetimes", "text"])
def test_what_an_unfinished_bar_holds_forbids_nothing(
    run: MadeRun, forecaster: Forecaster, form: str, at: Callable[[int], None]
) -> None:
    frame = run.frame
    frame.loc[frame.groupby("ticker").tail(1).index, "close"] = np.nan
    with pytest.raises(DataError, match="close is empty or NaN"):
        forecaster.predict(FORMS[form](frame))
    at(last_open(run) + 60)
    expected = forecaster.predict(head(run.frame, 1))
    pd.testing.assert_frame_equal(forecaster.predict(FORMS[form](frame)), expected, check_exact=True)


# --- bars of a day, of an exchange

THANKSGIVING_FRIDAY = exchange_at("2019-11-29")


@pytest.fixture(scope="module")
def daily() -> Bars:
    return series_at(sessions_between("XNYS", "2019-06-03", "2019-11-29"), "1d", "spx")


@pytest.fixture(scope="module")
def daily_run(daily: Bars, tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    folder, known = tmp_path_factory.mktemp("daily"), daily.first(len(daily) - 3)
    return make_run(folder, bars=[known], tickers="spx", resolution="1d", calendar="XNYS")


def test_a_bar_of_a_day_closes_with_its_session_for_all_who_ask(
    daily: Bars, daily_run: MadeRun, at: Callable[[int], None], log: pytest.LogCaptureFixture
) -> None:
    """Friday's session ends at 13:00 in New York, 18:00 UTC; the day before was a holiday."""
    frame, forecaster = make_frame(daily), daily_run.load()
    unseen = replace(daily, ticker="ndx")
    scored = evaluate(daily_run.run_dir, [daily]).metrics["test"]["windows"]
    for late, origin, made in ((-1, "2019-11-27", 3), (0, "2019-11-29", 1)):
        at(THANKSGIVING_FRIDAY + 18 * HOUR + late)
        for bars in (frame, text(frame), [daily], make_frame(unseen), [unseen]):
            assert str(forecaster.predict(bars)["origin"].iloc[0])[:10] == origin
        (seen,) = outlooks(forecaster, [daily]).outlooks
        assert seen.past.columns["close"][-1] == daily.columns["close"][-1 if late == 0 else -2]
        assert evaluate(daily_run.run_dir, [daily]).metrics["test"]["windows"] == scored + late
        updated = update(daily_run.run_dir, [daily])
        assert str(updated.forecasts["origin"].iloc[0])[:10] == origin and updated.made == made
        log.clear()
        Trainer(daily_run.config, frame).read()
        assert ("the last bar of spx_1d has not closed yet" in log.text) == (late < 0)
    assert not watch(daily_run.run_dir).forecasts["late"].iloc[-1]


# --- stale bars


def test_bars_that_end_long_ago_are_called_stale(
    run: MadeRun, at: Callable[[int], None], log: pytest.LogCaptureFixture
) -> None:
    closed = last_open(run) + HOUR
    said = "stale at {}: the last bar of aaa_1h closed 2020-01-12T06:00:00Z, {} ago, bbb_1h closed "
    for hours, words in ((3, ""), (4, "4 hours"), (24 * 30, "30 days")):
        at(closed + hours * HOUR)
        log.clear()
        forecaster = run.load()
        for _ in range(2):
            forecaster.predict(run.frame)
        messages = [record for record in log.records if "stale" in record.message]
        assert len(messages) == bool(words)  # once, however often it forecasts
        if words:
            now = np.datetime64(closed + hours * HOUR, "s")
            assert messages[0].message.startswith(said.format(f"{now}Z", words))
            assert messages[0].levelno == logging.INFO
    log.clear()
    at(0)
    for _ in range(2):
        forecaster.predict(run.frame, now=closed + 4 * HOUR)  # asked for: a warning each time
    assert [r.levelno for r in log.records if "stale" in r.message] == [logging.WARNING] * 2
    log.clear()
    forecaster.predict(run.frame, last_only=False, now=closed + 4 * HOUR)  # every origin is history there
    forecaster.predict(run.frame, now=closed + 3 * HOUR)
    forecaster.predict(run.frame, now=closed - 20 * HOUR)  # cut at the instant, so up to it
    assert "stale" not in log.text


def sessions(step: int = DAY) -> tuple[Calendar, np.ndarray]:
    """A market open from Monday to Friday, eight weeks of its days."""
    days = np.arange(56, dtype=np.int64)
    days = days[days % 7 < 5] * DAY + 4 * DAY  # from Monday, 1970-01-05
    return learn_template(days, step), days


@pytest.mark.parametrize(("later", "stale"), [(3, False), (6, False), (7, True), (30, True)])
def test_weekends_and_a_holiday_do_not_make_bars_stale(later: int, stale: bool) -> None:
    """Four days may be missing; from Friday's bar on, with the weekend, that is until next Friday has passed."""
    calendar, days = sessions()
    friday = int(days[-1])
    assert calendar.kind == "sessions"
    clock = Present(friday + DAY + later * DAY)
    clock.note_end("aaa_1d", friday, calendar)
    assert clock.tell() == stale


def test_many_series_are_one_line(log: pytest.LogCaptureFixture) -> None:
    clock = Present(1_000 * HOUR)
    for i in range(9):
        clock.note_end(f"s{i}", 0, CALENDAR)
        clock.closed(f"s{i}", np.array([0, 1_000 * HOUR]), HOUR)
    assert clock.tell()
    assert len(log.messages) == 2 and all(message.count("and 4 more") == 1 for message in log.messages)


# --- scores and trainings


@pytest.mark.parametrize("form", ["datetimes", "text", "Bars"])
def test_an_unfinished_bar_is_no_outcome(
    run: MadeRun, form: str, at: Callable[[int], None], log: pytest.LogCaptureFixture
) -> None:
    bars, shorter = (FORMS[form](frame) for frame in (run.frame, head(run.frame, 1)))
    whole, expected = evaluate(run.run_dir, bars), evaluate(run.run_dir, shorter)
    at(last_open(run) + 60)
    found = evaluate(run.run_dir, bars)
    assert found.metrics == expected.metrics != whole.metrics
    assert "left out, since not closed by 2020-01-12T05:01:00Z: 1 bar of aaa_1h" in log.text
    at(last_open(run) + HOUR)
    assert evaluate(run.run_dir, bars).metrics == whole.metrics


def test_an_unfinished_bar_of_the_runs_own_files_is_no_outcome(
    tmp_path: Path, at: Callable[[int], None], log: pytest.LogCaptureFixture
) -> None:
    """Files that have grown by ten bars since, the last of which is still traded."""
    grown = make_bars(n=160)
    made = make_run(tmp_path, [grown.between(final=int(grown.time_N[-10]))], datapath=str(tmp_path))
    write(tmp_path, text(make_frame(grown)).drop(columns=["ticker", "resolution"]), name=grown.ticker)
    opened, scored = int(grown.time_N[-1]), len(made.dataset.origins["test"])
    for new, windows in ((True, 10), (False, scored + 10)):
        if not new:
            (made.run_dir / "bars.json").unlink()  # a run of an earlier version is scored on all that the files hold
        at(opened + HOUR)
        log.clear()
        whole = evaluate(made.run_dir, new=new).spans["test"]
        assert len(whole.origin_N) == windows and "not closed" not in log.text
        at(opened + HOUR - 1)
        found = evaluate(made.run_dir, new=new)
        np.testing.assert_array_equal(found.bars[0].time_N, grown.time_N[:-1])
        np.testing.assert_array_equal(found.spans["test"].origin_N, whole.origin_N[:-1])
        assert "left out, since not closed by 2020-01-12T15:59:59Z: 1 bar of made_up_1h" in log.text


def test_a_training_takes_the_bars_as_they_are_and_warns(
    at: Callable[[int], None], log: pytest.LogCaptureFixture
) -> None:
    bars = make_bars("made_up")
    frame, opened = make_frame(bars), int(bars.time_N[-1])
    for time, warned in ((opened - HOUR, False), (opened, True), (opened + HOUR - 1, True), (opened + HOUR, False)):
        at(time)
        log.clear()
        (read,) = Trainer(make_config(), frame).read()
        np.testing.assert_array_equal(read.time_N, bars.time_N)
        assert ("the last bar of made_up_1h has not closed yet" in log.text) == warned
    at(opened)
    log.clear()
    Trainer(make_config(), [with_columns(bars)]).read()  # read and warned of before
    assert not log.text


def test_files_are_looked_at_as_frames_are(
    tmp_path: Path, at: Callable[[int], None], log: pytest.LogCaptureFixture
) -> None:
    bars = make_bars("made_up")
    write(tmp_path, text(make_frame(bars)).drop(columns=["ticker", "resolution"]), name="made_up")
    at(int(bars.time_N[-1]))
    Trainer(make_config(datapath=str(tmp_path))).read()
    assert "the last bar of made_up_1h has not closed yet" in log.text
