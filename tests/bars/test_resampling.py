"""Longer bars against pandas: whole ones only, on the clock of the market, never one that is not over."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame, with_columns
from markets import MARKETS, opening_times
from typer.testing import CliRunner

from nextbar.bars import present
from nextbar.bars.bars import Bars, load_bars
from nextbar.bars.resampling import ResampleOptions, resample, resample_files
from nextbar.bars.rows_ahead import RowsAhead
from nextbar.cli.app import app
from nextbar.errors import ConfigError, DataError

MINUTE, HOUR, DAY = 60, 3_600, 86_400
RULES = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "own": "last"}


def market(name: str, step: int, days: int = 60, first: dt.date = dt.date(2020, 3, 2), seed: int = 0) -> Bars:
    """Bars at all opening times of a market; New York's clocks change on 8 March 2020, Europe's on the 29th."""
    time_N = opening_times(MARKETS[name], step, first, days)
    made = make_bars("aaa", n=len(time_N), seed=seed, move=1e-3)
    own = np.random.default_rng(seed).normal(size=len(time_N))
    return Bars("aaa", f"{step // MINUTE}m", time_N, made.columns | {"own": own})


def without(bars: Bars, share: float, ends: int = 0, seed: int = 1) -> Bars:
    """The bars with random holes, but not at the edges of sessions, and without some at either end."""
    gap_N = np.diff(bars.time_N) != bars.step
    keep_N = (np.random.default_rng(seed).random(len(bars)) >= share) | np.r_[True, gap_N] | np.r_[gap_N, True]
    keep_N &= (np.arange(len(bars)) >= ends) & (np.arange(len(bars)) < len(bars) - ends)
    return Bars(bars.ticker, bars.resolution, bars.time_N[keep_N], {n: v[keep_N] for n, v in bars.columns.items()})


def by_pandas(bars: Bars, whole: Bars, zone: str, rule: str, offset: str = "0s") -> pd.DataFrame:
    """Groups of local clock time that have as many bars as the market has slots there; opening times as index."""

    def keys(time_N: np.ndarray) -> pd.Series:
        local = pd.DatetimeIndex(pd.to_datetime(time_N, unit="s", utc=True)).tz_convert(zone).tz_localize(None)
        shifted = local - pd.Timedelta(offset)
        floor = shifted.to_period("W-SUN").start_time if rule == "7D" else shifted.floor(rule)
        return pd.Series(floor + pd.Timedelta(offset))

    frame = pd.DataFrame(bars.columns)
    groups = frame.groupby(keys(bars.time_N).to_numpy())
    counts, expected = groups.size(), keys(whole.time_N).value_counts()
    answer = groups.agg({name: RULES[name] for name in frame})[counts == expected.reindex(counts.index)]
    answer.index = answer.index.tz_localize(zone).tz_convert("UTC")
    return answer


def assert_same(longer: Bars, wanted: pd.DataFrame) -> None:
    np.testing.assert_array_equal(longer.time_N, wanted.index.as_unit("s").asi8)
    assert len(longer) > 10
    for name in wanted:
        np.testing.assert_allclose(longer.columns[name], wanted[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    ("name", "step", "resolution", "rule", "offset"),
    [
        ("always", 5 * MINUTE, "1h", "1h", None),
        ("always", HOUR, "4h", "4h", None),
        ("always", HOUR, "1d", "1D", "6h"),
        ("always", HOUR, "1w", "7D", None),
        ("New York", 5 * MINUTE, "1h", "1h", None),
        ("New York", 5 * MINUTE, "1h", "1h", "30m"),
        ("New York", 15 * MINUTE, "1d", "1D", None),
        ("New York", 30 * MINUTE, "4h", "4h", "90m"),
        ("London", 30 * MINUTE, "2h", "2h", None),
        ("Tokyo", 30 * MINUTE, "1h", "1h", None),
        ("currencies", HOUR, "4h", "4h", "1h"),
        ("currencies", HOUR, "1d", "1D", "17h"),
    ],
)
@pytest.mark.parametrize("holes", [0.0, 0.003])
def test_longer_bars_are_those_of_pandas(
    name: str, step: int, resolution: str, rule: str, offset: str | None, holes: float
) -> None:
    """Across changes of the clock; sessions that do not divide evenly have bars that are whole with what there is."""
    whole = market(name, step, days=150 if rule == "7D" else 75, first=dt.date(2020, 2, 3))
    bars = without(whole, holes, ends=37)
    longer, notices = resample(bars, ResampleOptions(resolution, offset=offset))
    wanted = by_pandas(bars, whole, MARKETS[name].timezone, rule, offset or "0s")
    assert_same(longer, wanted)
    assert f"on the clock of {MARKETS[name].timezone}" in notices[0] or MARKETS[name].timezone in ("UTC", "Asia/Tokyo")
    assert any("not whole" in line for line in notices) or not holes


def test_the_rules_of_pandas_themselves() -> None:
    bars = market("always", 5 * MINUTE, days=20)
    longer, _ = resample(bars, ResampleOptions("1h"))
    index = pd.to_datetime(bars.time_N, unit="s", utc=True)
    assert_same(longer, pd.DataFrame(bars.columns, index=index).resample("1h").agg(RULES))


def test_a_bar_that_has_not_begun_with_the_series_or_is_not_over_is_left_out() -> None:
    whole = market("always", 5 * MINUTE, days=2)
    part = Bars("aaa", "5m", whole.time_N[7:-1], {n: v[7:-1] for n, v in whole.columns.items()})
    longer, notices = resample(part, ResampleOptions("1h"))
    assert longer.time_N[0] == whole.time_N[12] and longer.time_N[-1] == whole.time_N[-24]
    assert notices[1:] == [
        "1 left out that are not whole, first that of 2020-03-02T00:00:00Z",
        "left out, since not over: that of 2020-03-03T23:00:00Z",
    ]
    assert len(resample(whole, ResampleOptions("1h"))[0]) == 48


@pytest.mark.parametrize(("hour", "last"), [(15, "27"), (16.5, "27"), (24, "28")])
def test_a_day_is_over_when_the_clock_says_so_too(monkeypatch: pytest.MonkeyPatch, hour: float, last: str) -> None:
    """At 15:00 in New York the last bars have not been; at 16:30 the session has closed, but not the day."""
    whole = market("New York", 15 * MINUTE)
    days = pd.to_datetime(whole.time_N, unit="s", utc=True).tz_convert("America/New_York")
    kept_N = days < pd.Timestamp("2020-04-29", tz="America/New_York")
    bars = Bars("aaa", "15m", whole.time_N[kept_N], {n: v[kept_N] for n, v in whole.columns.items()})
    now = pd.Timestamp("2020-04-28", tz="America/New_York") + pd.Timedelta(hours=hour)
    monkeypatch.setattr(present, "clock", lambda: int(now.timestamp()))
    longer, _ = resample(bars, ResampleOptions("1d"))
    local = pd.to_datetime(longer.time_N, unit="s", utc=True).tz_convert("America/New_York")
    assert f"{local[-1]:%Y-%m-%d %H:%M}" == f"2020-04-{last} 00:00"


def test_holidays_and_early_closes_lack_nothing() -> None:
    whole = market("New York", 15 * MINUTE)
    local = pd.to_datetime(whole.time_N, unit="s", utc=True).tz_convert("America/New_York")
    holiday = local.strftime("%m-%d") == "04-10"
    early = (local.strftime("%m-%d") == "04-09") & (local.hour >= 13)
    late = (local.strftime("%m-%d") == "04-14") & (local.hour < 11)
    noon = (local.strftime("%m-%d") == "04-16") & (local.hour == 12)
    kept_N = ~(holiday | early | late | noon)
    bars = Bars("aaa", "15m", whole.time_N[kept_N], {n: v[kept_N] for n, v in whole.columns.items()})
    longer, notices = resample(bars, ResampleOptions("1d"))
    days = set(pd.to_datetime(longer.time_N, unit="s", utc=True).tz_convert("America/New_York").strftime("%m-%d"))
    assert {"04-09", "04-14"} <= days and not {"04-10", "04-16"} & days
    assert notices[1] == "1 left out that are not whole, first that of 2020-04-16T04:00:00Z"
    assert len(resample(bars, ResampleOptions("1d", missing=0.2))[0]) == len(longer) + 1


@pytest.mark.parametrize("missing", [0.05, 0.2, 0.5])
def test_a_share_of_a_bar_may_be_missing(missing: float) -> None:
    whole = market("always", 5 * MINUTE, days=20)
    bars = without(whole, 0.15)
    longer, _ = resample(bars, ResampleOptions("1h", missing=missing))
    counts = pd.Series(bars.time_N // HOUR * HOUR).value_counts().sort_index()
    wanted = counts[counts >= 12 * (1 - missing)].index
    np.testing.assert_array_equal(longer.time_N, wanted[wanted < whole.time_N[-1] - HOUR + 5 * MINUTE + 1])


def test_own_columns_are_aggregated_as_told_and_empty_values_passed_over() -> None:
    bars = market("always", 5 * MINUTE, days=20)
    rng = np.random.default_rng(0)
    gaps = np.where(rng.random(len(bars)) < 0.4, np.nan, rng.normal(size=len(bars)))
    gaps[24:36] = np.nan
    volume = bars.columns["volume"].copy()
    volume[50] = np.nan
    bars = with_columns(bars, gaps=gaps, volume=volume)
    groups = pd.DataFrame(bars.columns).groupby(bars.time_N // HOUR)
    for how in ("first", "last", "sum", "mean", "min", "max"):
        longer, _ = resample(bars, ResampleOptions("1h", columns={"Gaps": how}))
        wanted = groups["gaps"].sum(min_count=1) if how == "sum" else getattr(groups["gaps"], how)()
        np.testing.assert_allclose(longer.columns["gaps"], wanted, rtol=1e-12, err_msg=how)
    plain, _ = resample(bars, ResampleOptions("1h"))
    np.testing.assert_array_equal(plain.columns["gaps"], groups["gaps"].last())
    assert np.flatnonzero(np.isnan(plain.columns["volume"])).tolist() == [4], "one of its volumes is not known"
    ahead = Bars("aaa", "5m", bars.time_N, bars.columns, ahead=RowsAhead(bars.time_N[-1:] + 300, {"gaps": np.ones(1)}))
    assert resample(ahead, ResampleOptions("1h"))[1][0] == "1 rows ahead left out: rows without prices are no bars"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"resolution": "5m"}, ConfigError, "resolution: found '5m' for bars of 5m (aaa_5m), should be a multiple"),
        ({"resolution": "7m"}, ConfigError, "should be a multiple of their length, and longer"),
        ({"resolution": "1h", "missing": 1.0}, ConfigError, "missing: found 1.0, should be a share"),
        ({"resolution": "1h", "offset": "x"}, ConfigError, "offset: found 'x', should be a whole number"),
        (
            {"resolution": "1h", "columns": {"own": "median"}},
            ConfigError,
            "column own: found 'median', should be one of",
        ),
        ({"resolution": "1h", "columns": {"close": "mean"}}, ConfigError, "column close: is a bar's own"),
        ({"resolution": "1h", "columns": {"x": "mean"}}, DataError, "aaa_5m: no column 'x'; own columns are own"),
        ({"resolution": "1h", "offset": "2m"}, DataError, "bars reach from one bar of 1h into the next"),
        ({"resolution": "52w"}, DataError, "no bar of 52w is whole, of 1; "),
        ({"resolution": "1h", "calendar": "never"}, ConfigError, "calendar: found 'never'"),
    ],
)
def test_what_cannot_be_made_is_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        resample(market("always", 5 * MINUTE, days=2), ResampleOptions(**options))
    assert message in str(caught.value)


def test_bars_that_a_change_of_the_clock_would_cut_short_are_refused() -> None:
    bars = market("always", HOUR)
    with pytest.raises(DataError, match="where the clock of America/New_York is changed bars are too short"):
        resample(bars, ResampleOptions("3h", timezone="America/New_York"))
    longer, _ = resample(bars, ResampleOptions("1d", timezone="America/New_York"))
    assert set(np.diff(longer.time_N).tolist()) == {DAY, DAY - HOUR}


def put(folder: Path, *series: Bars) -> None:
    for bars in series:
        (folder / bars.resolution).mkdir(parents=True, exist_ok=True)
        make_frame(bars).drop(columns=["ticker", "resolution"]).to_csv(
            folder / bars.resolution / f"{bars.name}.csv", index=False
        )


def test_folders_and_files_of_several_tickers(tmp_path: Path) -> None:
    bars = market("always", 5 * MINUTE, days=3)
    other = Bars("bbb", "5m", bars.time_N, market("always", 5 * MINUTE, days=3, seed=5).columns)
    put(tmp_path / "in", bars, other)
    out = tmp_path / "out"
    done = resample_files([tmp_path / "in"], out, ResampleOptions("1h"))
    assert [one.path for one in done] == [out / "1h" / "aaa_1h.csv", out / "1h" / "bbb_1h.csv"]
    for read, made in zip(load_bars(out, ["aaa", "bbb"], ["1h"]), (bars, other), strict=True):
        wanted, _ = resample(made, ResampleOptions("1h"))
        np.testing.assert_array_equal(read.time_N, wanted.time_N)
        for name, values in wanted.columns.items():
            np.testing.assert_array_equal(read.columns[name], values, err_msg=name)
    parts = [tmp_path / f"{i}.csv" for i in range(2)]
    frame = make_frame(bars).drop(columns=["ticker", "resolution"])
    frame.head(500).to_csv(parts[0], index=False)
    frame.tail(500).to_csv(parts[1], index=False)
    with pytest.raises(DataError, match="neither its name nor a column says which ticker"):
        resample_files(parts, out, ResampleOptions("1h", source="5m"))
    frame.assign(ticker="ccc").head(500).to_csv(parts[0], index=False)
    frame.assign(ticker="ccc").tail(500).to_csv(parts[1], index=False)
    (joined,) = resample_files(parts, out, ResampleOptions("1h", source="5m"))
    assert joined.path.read_bytes() == done[0].path.read_bytes() and "136 bars are in two files alike" in joined.notices
    (one,) = resample_files([tmp_path / "in"], tmp_path / "b", ResampleOptions("4h", tickers=("bbb",)))
    assert one.path.name == "bbb_4h.csv"
    with pytest.raises(DataError, match="no ticker zzz; there are aaa, bbb"):
        resample_files([tmp_path / "in"], out, ResampleOptions("1h", tickers=("zzz",)))
    with pytest.raises(DataError, match="no bars of 1m; there are 5m"):
        resample_files([tmp_path / "in"], out, ResampleOptions("1h", source="1m"))
    put(tmp_path / "in", resample(bars, ResampleOptions("15m"))[0])
    with pytest.raises(DataError, match=r"bars of 5m, 15m; name the resolution to start from \(--from\)"):
        resample_files([tmp_path / "in"], out, ResampleOptions("1h"))


def test_the_command(tmp_path: Path) -> None:
    put(tmp_path / "in", market("always", 5 * MINUTE, days=3))
    source, out = str(tmp_path / "in"), str(tmp_path / "out")

    def run(*options: str) -> Any:
        return CliRunner().invoke(app, ["data", "resample", source, "--to", out, "--resolution", *options])

    assert run("1h", "--column", "own=mean").exit_code == 0
    assert run("1h", "--column", "own=mean").exit_code == 0, "the same once more"
    refused = run("1h")
    assert refused.exit_code != 0 and "there already, with other content" in refused.output
    assert run("1h", "--overwrite").exit_code == 0
    for options, message in (
        (["1h", "--column", "own"], "--column own: should be NAME=HOW"),
        (["1h", "--timezone", "Mars"], "timezone: found 'Mars'"),
        (["1x"], "resolution: found '1x'"),
        (["1m", "--from", "5m"], "should be longer than 5m"),
    ):
        bad = run(*options)
        assert bad.exit_code != 0 and message in bad.output
    empty = CliRunner().invoke(app, ["data", "resample", str(tmp_path / "no"), "--to", out, "--resolution", "1h"])
    assert empty.exit_code != 0 and "no file" in empty.output
