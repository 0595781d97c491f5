"""A run of an exchange keeps its sessions: forecasts, refusals, rivals and backtests have their dates from them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import make_frame
from exchange_bars import at, bars_between, package, series_at, sessions_between
from made_runs import MadeRun, make_run

from nextbar.bars.dates import iso
from nextbar.bars.inventory import take_inventory
from nextbar.bars.present import Present
from nextbar.bars.rows_ahead import RowsAhead
from nextbar.bars.writing import write_series
from nextbar.baselines import for_task
from nextbar.data.dataset import build_dataset
from nextbar.errors import ConfigError, DataError
from nextbar.exporting import export_run, forecast
from nextbar.inference.forecaster import Forecaster
from nextbar.metrics.task import Task
from nextbar.runs.summary import read_summary
from nextbar.train.announcement import announce, suggest_exchanges

package()
DAYS = sessions_between("XNYS", "2017-06-01", "2018-12-31")
FIELDS = {"resolution": "1d", "horizon": 3}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("xnys"), [series_at(DAYS, "1d")], calendar="XNYS", **FIELDS)


def test_the_bar_after_new_years_eve_is_that_of_the_second(run: MadeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package too, and whatever the dates of a ticker that the run does not know say."""
    monkeypatch.setattr("nextbar.config.exchanges.find_spec", lambda name: None)
    forecaster = Forecaster.load(run.run_dir)
    other = series_at(DAYS[200:], "1d", "other", seed=1)
    table = forecaster.predict(pd.concat([run.frame, make_frame(other)]))
    assert table.groupby("ticker")["date"].apply(lambda d: [f"{t:%Y-%m-%d}" for t in d]).to_dict() == {
        ticker: ["2019-01-02", "2019-01-03", "2019-01-04"] for ticker in ("made_up", "other")
    }
    every = forecaster.predict(run.frame, last_only=False)
    first = every[every["step"] == 1].set_index("origin")["date"]
    known = first[first.index < first.index.max()]
    assert (known.to_numpy() == first.index[1:].to_numpy()).all() and len(known) > 300
    assert read_summary(run.run_dir)["data"]["series"][0]["calendar"] == "XNYS"


def test_the_hours_ahead_that_a_model_is_told_skip_the_holiday(tmp_path: Path) -> None:
    time_N = bars_between("XNYS", "2018-09-04", "2018-11-30", "1h")
    bars = series_at(time_N, "1h")
    hourly = make_run(tmp_path, [bars], calendar="XNYS", horizon=4)
    before = int(np.searchsorted(time_N, at("2018-11-23T15:30")))
    table = hourly.load().predict(make_frame(bars.first(before + 1)))
    assert [f"{t:%d %H:%M}" for t in table["date"]] == ["23 16:30", "23 17:30", "26 14:30", "26 15:30"]
    tape = hourly.dataset.tape()
    slot_H = tape.chain_SZ[0, tape.rank_R[before] + np.arange(4)]
    clock_M2 = hourly.dataset.calendars[0].slot_clock()
    np.testing.assert_allclose(clock_M2[slot_H], [[11.5, 4], [12.5, 4], [9.5, 0], [10.5, 0]])
    np.testing.assert_allclose(tape.clock_SMC[0, slot_H[0]][:1], np.sin(2 * np.pi * 4 / 7), rtol=1e-6)


def test_an_export_knows_the_sessions(run: MadeRun, tmp_path: Path) -> None:
    export = forecast.Export(export_run(run.run_dir, tmp_path / "export"))
    assert export.check() <= 1e-5
    (bars,) = run.bars
    table = export.forecast({"time": bars.time_N} | bars.columns)
    assert table["date"].tolist() == [at(f"2019-01-0{day}") for day in (2, 3, 4)]


def test_a_bar_outside_the_sessions_is_refused_where_it_is_forecast_from(run: MadeRun) -> None:
    day_off = series_at(np.append(DAYS, at("2019-01-01")), "1d")
    with pytest.raises(
        DataError, match=r"bar of 2019-01-01T00:00:00Z, within the last 6, lies outside the sessions of XNYS"
    ):
        run.load().predict(make_frame(day_off))


def test_rows_ahead_are_those_of_the_next_sessions(tmp_path: Path) -> None:
    bars = series_at(DAYS, "1d")
    bars.columns["event"] = np.arange(len(DAYS)) % 3.0
    ahead = make_run(
        tmp_path, [bars], calendar="XNYS", horizon=2, resolution="1d", indicators=["event"], known_ahead=["event"]
    )
    wrong = np.array([at("2019-01-01"), at("2019-01-02")])
    right = np.array([at("2019-01-02"), at("2019-01-03")])

    def predict(time_N: np.ndarray) -> pd.DataFrame:
        rows = RowsAhead(time_N, {"event": np.ones(2)})
        full = type(bars)(bars.ticker, bars.resolution, bars.time_N, bars.columns, (), rows)
        return ahead.load().predict([full])

    assert [f"{t:%Y-%m-%d}" for t in predict(right)["date"]] == ["2019-01-02", "2019-01-03"]
    with pytest.raises(DataError, match="give rows with the dates 2019-01-02T00:00:00Z, 2019-01-03T00:00:00Z"):
        predict(wrong)


def test_baselines_know_the_calendar_of_the_experiment(run: MadeRun) -> None:
    frame = run.frame.drop(columns="resolution")
    task = Task.of(run.config)
    for calendar, first in {"XNYS": "2019-01-02", "auto": "2019-01-01"}.items():
        baseline = for_task(task, calendar)[0].fit(frame)
        table = baseline.predict(frame)
        assert f"{table['date'].min():%Y-%m-%d}" == first
        other = frame.assign(ticker="other")
        assert baseline.predict(other)["date"].dt.day_name().isin(["Saturday", "Sunday"]).any() == (calendar == "auto")


def test_bars_outside_are_told_of_before_a_training(caplog: pytest.LogCaptureFixture) -> None:
    from builders import make_config

    time_N = np.sort(np.append(DAYS, [at("2018-07-04"), at("2018-12-25")]))
    dataset = build_dataset(make_config(calendar="XNYS", **FIELDS), [series_at(time_N, "1d")])
    facts = dataset.describe()["series"][0]
    assert facts["outside"] == 2 and facts["holes"] == 2
    with caplog.at_level(logging.INFO, "nextbar"):
        announce([], dataset.describe())
    assert "2 bars lie outside the sessions of XNYS, first that of 2018-07-04" in caplog.text
    clean = build_dataset(make_config(calendar="XNYS", **FIELDS), [series_at(DAYS, "1d")])
    assert (clean.describe()["series"][0]["outside"], clean.describe()["series"][0]["notices"]) == (0, [])
    lost = sum(map(len, clean.origins.values())) - sum(map(len, dataset.origins.values()))
    assert lost > 0, "no window holds them"


def test_the_exchange_is_suggested_before_a_training(caplog: pytest.LogCaptureFixture) -> None:
    from builders import make_config

    days = sessions_between("XNYS", "2016-01-04", "2018-12-31")
    two = [series_at(days, "1d", ticker) for ticker in ("aaa", "bbb")]
    dataset = build_dataset(make_config(tickers=["aaa", "bbb"], resolution="1d"), two)
    with caplog.at_level(logging.INFO, "nextbar"):
        suggest_exchanges(dataset)
    assert [m for m in caplog.messages if "calendar: XNYS" in m] == caplog.messages and len(caplog.messages) == 1
    assert caplog.messages[0].startswith("aaa, bbb: its days and hours are those of XNYS")


def test_data_check_by_an_exchange(tmp_path: Path) -> None:
    time_N = np.append(DAYS[:-1], at("2019-01-01"))
    write_series([series_at(time_N, "1d", "abc")], tmp_path)
    (by_exchange,) = take_inventory(tmp_path, "XNYS")
    assert (by_exchange.calendar, by_exchange.holes, by_exchange.missing, by_exchange.problems) == ("XNYS", 1, 1, ())
    assert "1 bar lies outside the sessions of XNYS, that of 2019-01-01T00:00:00Z" in by_exchange.notices[-1]
    (on_weekdays,) = take_inventory(tmp_path, "24/5")
    assert on_weekdays.problems == () and on_weekdays.calendar == "24/5" and on_weekdays.holes == 15
    write_series([series_at(DAYS, "1d", "abc")], tmp_path, overwrite=True)
    (learnt,) = take_inventory(tmp_path)
    assert learnt.calendar == "sessions" and "calendar: XNYS" in learnt.notices[-1]
    hours = np.arange(at("2018-01-01"), at("2018-03-01"), 86_400)
    write_series([series_at(hours, "1d", "always")], tmp_path)
    always = take_inventory(tmp_path, "XNYS")[1]
    assert "outside whose sessions" in always.problems[0] and always.calendar == "24/7"
    with pytest.raises(ConfigError, match="found 'XNYE'"):
        take_inventory(tmp_path, "XNYE")


def test_forecasts_after_the_last_known_year_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    from nextbar.bars.calendars import learn

    days = sessions_between("XBOM", "2025-01-01", "2026-12-31")
    calendar = learn(days, 86_400, "XBOM")
    assert iso(int(calendar.known_until)) == "2027-01-01T00:00:00Z"
    for last, told in ((days[-10], False), (days[-1], True)):
        present = Present("2026-01-01")
        present.note_end("abc_1d", int(last), calendar)
        caplog.clear()
        present.tell()
        assert ("XBOM is closed are known until 2027-01-01" in caplog.text) == told
