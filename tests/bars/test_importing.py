"""`nextbar data import`: what is written, what is dropped and said, and that nothing is written by halves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from layout_files import FILES, OHLCV, START, STEP, TRUTH, N, csv, prices, text, truth, yfinance
from typer.testing import CliRunner

from nextbar.bars.bars import load_bars
from nextbar.bars.importing import ImportOptions, import_bars
from nextbar.cli.app import app
from nextbar.errors import ConfigError, DataError
from nextbar.resolution import seconds


def ours(folder: Path, ticker: str = "aaa", resolution: str = "1h"):
    return load_bars(folder, [ticker], [resolution])[0]


def put(folder: Path, content: bytes, name: str = "aaa_1h.csv") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def local(zone: str, form: str = "%Y-%m-%d %H:%M", start: int = START) -> list[str]:
    stamps = pd.to_datetime(start + STEP * np.arange(N), unit="s", utc=True)
    return stamps.tz_convert(zone).strftime(form).tolist()


@pytest.mark.parametrize("zone", ["Europe/Athens", "America/New_York", "Asia/Kolkata"])
def test_a_brokers_clock_becomes_utc(tmp_path: Path, zone: str) -> None:
    """Also where it is changed: an hour that comes twice is told by the order of its rows."""
    for start in (START, 1_729_900_800 - 5 * STEP, 1_730_592_000 - 5 * STEP):
        path = put(tmp_path, csv({"date": local(zone, start=start), **prices()}))
        import_bars([path], tmp_path / "out", ImportOptions(timezone=zone), overwrite=True)
        np.testing.assert_array_equal(ours(tmp_path / "out").time_N, TRUTH.time - START + start)


def test_a_clock_that_cannot_be_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, csv({"date": local("UTC", start=1_711_843_200), **prices()}))
    with pytest.raises(DataError, match=r"line 5 has a time, .*03:00:00, that the clock of Europe/Athens never"):
        import_bars([path], tmp_path / "out", ImportOptions(timezone="Europe/Athens"))
    path = put(tmp_path, csv({"date": TRUTH.time, **prices()}))
    with pytest.raises(DataError, match="its dates are instants already"):
        import_bars([path], tmp_path / "out", ImportOptions(timezone="Europe/Athens"))
    assert not (tmp_path / "out").exists()


def test_labels_of_closes_become_opens(tmp_path: Path) -> None:
    path = put(tmp_path, csv({"date": TRUTH.time + STEP, **prices()}))
    import_bars([path], tmp_path / "out", ImportOptions(label="close"))
    np.testing.assert_array_equal(ours(tmp_path / "out").time_N, TRUTH.time)


EARLY = {"nothing": 0, "a second": 10**6, "a millisecond": 1_000, "a microsecond": 1}
RESOLUTIONS = ("1s", "5s", "30s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "3d", "1w")
CLOCK_FORM = "%Y-%m-%d %H:%M:%S.%f"


@pytest.mark.parametrize("early", EARLY)
@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("zone", [None, "America/New_York", "Australia/Sydney"])
def test_the_last_moment_of_a_bar_is_its_end(tmp_path: Path, resolution: str, early: str, zone: str | None) -> None:
    """Closing times a second, a millisecond or a microsecond before the end: the bars are those that were written.

    As text of three forms, or epoch numbers of three units, and on local clocks across the autumn change.
    """
    step, micros = seconds(resolution), EARLY[early]
    if step == 1 and micros == 10**6:
        return  # a whole bar, which nobody can tell from a close on time
    count = min(N, 40 * 86_400 // step)
    if step < 86_400 or zone is None:
        start = 1_730_592_000 - step * (count // 2)  # Sunday 2024-11-03 00:00 UTC
        if step > 86_400:
            start = 1_728_259_200  # a Monday
        time_N = start - start % min(step, 86_400) + step * np.arange(count)
        close_N = time_N + step
    else:
        days = pd.date_range("2024-10-07", periods=count + 1, freq=pd.DateOffset(days=step // 86_400), tz=zone)
        edges = days.as_unit("s").asi8
        time_N, close_N = edges[:-1], edges[1:]
    stamps = pd.to_datetime(close_N * 10**6 - micros, unit="us", utc=True)
    if zone is not None:
        columns = [stamps.tz_convert(zone).strftime(CLOCK_FORM), stamps.tz_convert(zone).strftime(CLOCK_FORM)[::-1]]
    else:
        whole = stamps.as_unit("us").asi8
        columns = [stamps.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), stamps.strftime(CLOCK_FORM), whole]
        columns += [whole // 1_000] * (micros != 1) + [whole // 10**6] * (micros in (0, 10**6))
    for number, dates in enumerate(columns):
        rows = slice(None, None, -1) if zone is not None and number else slice(None)
        values = {name: np.asarray(prices()[name])[:count][rows] for name in OHLCV}
        path = put(tmp_path, csv({"date": dates, **values}), "x.csv")
        (done,) = import_bars(
            [path], tmp_path / "out", ImportOptions("aaa", resolution, label="close", timezone=zone), overwrite=True
        )
        bars = ours(tmp_path / "out", resolution=resolution)
        np.testing.assert_array_equal(bars.time_N, time_N)
        np.testing.assert_array_equal(bars.columns["close"], TRUTH.close[:count])
        assert any("read as its end" in line for line in done.notices) == bool(micros)


def test_a_column_of_closing_times_is_the_date_of_closes(tmp_path: Path) -> None:
    """Binance's own name for it; where a file of Binance also has the opening time, that is read, and no shift."""
    close_time = 1000 * (TRUTH.time + STEP) - 1
    path = put(tmp_path, csv({"close_time": close_time, **prices()}))
    import_bars([path], tmp_path / "out", ImportOptions(label="close"))
    np.testing.assert_array_equal(ours(tmp_path / "out").time_N, TRUTH.time)
    path = put(tmp_path, csv({"open_time": 1000 * TRUTH.time, **prices(), "close_time": close_time}))
    import_bars([path], tmp_path / "both")
    np.testing.assert_array_equal(ours(tmp_path / "both").time_N, TRUTH.time)
    with pytest.raises(DataError, match="the dates of binance are when bars open; leave out --label close"):
        import_bars([path], tmp_path / "neither", ImportOptions(label="close"))


def test_days_are_shifted_on_their_own_clock(tmp_path: Path) -> None:
    """A day earlier is midnight again, although the clock was changed in between."""
    days = pd.date_range("2024-03-25", periods=N, freq="D", tz="Europe/Berlin")
    content = csv({"date": (days + pd.DateOffset(days=1)).strftime("%Y-%m-%d"), **prices()})
    path = put(tmp_path, content, "aaa_1d.csv")
    import_bars([path], tmp_path / "out", ImportOptions(label="close", timezone="Europe/Berlin"))
    np.testing.assert_array_equal(ours(tmp_path / "out", resolution="1d").time_N, days.as_unit("s").asi8)


def test_weeks_are_written_and_months_refused(tmp_path: Path) -> None:
    weeks = pd.date_range("2024-01-01", periods=N, freq="7D").strftime("%Y-%m-%d")
    path = put(tmp_path, csv({"date": weeks, **prices()}), "x.csv")
    (done,) = import_bars([path], tmp_path / "out", ImportOptions("aaa", "1w"))
    assert done.path == tmp_path / "out" / "1w" / "aaa_1w.csv" and done.rows == N
    for months in ("1M", "1mo", "monthly"):
        with pytest.raises(ConfigError, match=f"resolution: found '{months}'; months differ in length"):
            import_bars([path], tmp_path / "out", ImportOptions("aaa", months))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ImportOptions(ticker="a/b"), "ticker: found 'a/b'"),
        (ImportOptions(ticker=" "), "ticker: found ' '"),
        (ImportOptions(resolution="1x"), "resolution: found '1x'"),
        (ImportOptions(decimal=";"), "decimal: found ';', should be , or ."),
        (ImportOptions(label="end"), "label: found 'end', should be open or close"),
        (ImportOptions(timezone="Athens"), "timezone: found 'Athens', should be an IANA name"),
    ],
)
def test_options_that_mean_nothing(tmp_path: Path, options: ImportOptions, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_bars([put(tmp_path, FILES["ccxt"]().content)], tmp_path / "out", options)
    assert str(caught.value).startswith(message)


def test_dates_of_another_form(tmp_path: Path) -> None:
    for form in ("%d/%m/%Y %H:%M", "%m-%d-%y %I%p", "%d %b %Y %H:%M"):
        path = put(tmp_path, csv({"Date": text(form), **prices()}))
        import_bars([path], tmp_path / "out", ImportOptions(date_format=form), overwrite=True)
        np.testing.assert_array_equal(ours(tmp_path / "out").time_N, TRUTH.time)
    with pytest.raises(ConfigError, match="date format: found '%Q'"):
        import_bars([path], tmp_path / "out", ImportOptions(date_format="%Q"))
    days = put(tmp_path, csv({"Date": text("%d.%m.%Y"), **prices()}), "aaa_1d.csv")
    days.write_bytes(b"".join(days.read_bytes().splitlines(True)[:: N // 3]))
    question = r"02\.01\.2024: day first or month first\? .*--date-format: %d\.%m\.%Y reads"
    with pytest.raises(DataError, match=question):
        import_bars([days], tmp_path / "days")
    (tmp_path / "aaa_1d.csv").write_bytes(csv({"Date": text("%d.%m.%Y")[:1], **{n: TRUTH[n][:1] for n in OHLCV}}))
    (done,) = import_bars([days], tmp_path / "days", ImportOptions(resolution="1d"))
    assert done.rows == 1, "01.01.2024 is one day, whatever comes first"


def test_what_a_comma_means_can_be_said(tmp_path: Path) -> None:
    """Three digits after it may be decimals or thousands."""
    numbers = {name: [f"{value:.3f}".replace(".", ",") for value in TRUTH[name] / 100] for name in OHLCV[:4]}
    numbers["volume"] = [f"{value:,}".replace(",", ".") for value in TRUTH.volume]
    path = put(tmp_path, csv({"date": text("%Y-%m-%d %H:%M"), **numbers}, ";"))
    import_bars([path], tmp_path / "out", ImportOptions(decimal=","))
    bars = ours(tmp_path / "out")
    np.testing.assert_array_equal(bars.columns["close"], [float(f"{value:.3f}") for value in TRUTH.close / 100])
    np.testing.assert_array_equal(bars.columns["volume"], TRUTH.volume)
    path = put(tmp_path, FILES["freqtrade, parquet"]().content, "aaa_1h.parquet")
    with pytest.raises(DataError, match="its numbers are no text"):
        import_bars([path], tmp_path / "out", ImportOptions(decimal=","))


def test_bad_rows_are_dropped_when_told_and_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": text("%Y-%m-%dT%H:%M:%SZ"), **prices()}).astype({"close": object})
    frame.loc[10, "close"] = "x"
    frame.loc[20, "high"] = 1.0
    frame.loc[30, "date"] = "never"
    frame.loc[41, "date"] = frame.loc[40, "date"]
    path = put(tmp_path, frame.to_csv(index=False).encode())
    with pytest.raises(DataError, match="4 problems"):
        import_bars([path], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (done,) = import_bars([path], tmp_path / "out", ImportOptions(drop_bad=True, timezone=None))
    assert done.rows == N - 4 and done.notices[0] == "4 of 60 rows dropped:"
    assert [line.split(":")[0] for line in done.notices[1:]] == ["line 12", "line 22", "line 32", "line 43"]
    kept = np.delete(np.arange(N), [10, 20, 30, 41])
    np.testing.assert_array_equal(ours(tmp_path / "out").time_N, TRUTH.time[kept])
    np.testing.assert_array_equal(ours(tmp_path / "out").columns["close"], TRUTH.close[kept])


def test_bad_rows_are_dropped_on_another_clock_too(tmp_path: Path) -> None:
    dates = [*local("Asia/Tokyo")[:-1], "never"]
    path = put(tmp_path, csv({"date": dates, **prices()}))
    (done,) = import_bars([path], tmp_path / "out", ImportOptions(drop_bad=True, timezone="Asia/Tokyo"))
    assert done.rows == N - 1 and any("line 61: date 'never'" in line for line in done.notices)
    np.testing.assert_array_equal(ours(tmp_path / "out").time_N, TRUTH.time[:-1])


def test_what_is_wrong_as_a_whole_is_not_dropped(tmp_path: Path) -> None:
    path = put(tmp_path, csv({"date": TRUTH.time, **prices(order=["open", "close"])}))
    with pytest.raises(DataError, match="no column 'high', 'low'"):
        import_bars([path], tmp_path / "out", ImportOptions(drop_bad=True))
    path = put(tmp_path, csv({"date": TRUTH.time, **prices(order=["open", "close"]), "high": 1, "low": 2}))
    with pytest.raises(DataError, match="problems"):
        import_bars([path], tmp_path / "out", ImportOptions(drop_bad=True))


def part(rows: slice, name: str, folder: Path, **changed: object) -> Path:
    frame = TRUTH.rename(columns={"time": "date"}).assign(**changed)
    return put(folder, frame[rows].to_csv(index=False).encode(), name)


def test_files_of_one_series_are_joined(tmp_path: Path) -> None:
    paths = [
        part(slice(30, None), "aaa-1h-2024-02.csv", tmp_path),
        part(slice(None, 35), "aaa-1h-2024-01.csv", tmp_path, vwap=1.5),
    ]
    (done,) = import_bars(paths, tmp_path / "out")
    assert done.rows == N and done.notices == [
        "5 bars are in two files alike",
        "left out, since not in all files: vwap",
    ]
    bars = ours(tmp_path / "out")
    np.testing.assert_array_equal(bars.time_N, TRUTH.time)
    np.testing.assert_array_equal(bars.columns["close"], TRUTH.close)
    paths[1] = part(slice(None, 35), "aaa-1h-2024-01.csv", tmp_path, volume=TRUTH.volume + 1)
    with pytest.raises(DataError, match=r"aaa_1h: the files disagree in 5 bars, first at 2024-01-02T06:00:00Z: volume"):
        import_bars(paths, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_tickers_of_a_file_become_files(tmp_path: Path) -> None:
    path = put(tmp_path, yfinance(("AAA", "B/B")).to_csv().encode(), "download.csv")
    done = import_bars([path], tmp_path / "out")
    assert "resolution 1h by the distances of the dates" in done[0].notices[-1]
    assert [one.path.name for one in done] == ["AAA_1h.csv", "B_B_1h.csv"]
    np.testing.assert_array_equal(ours(tmp_path / "out", "B_B").columns["close"], truth(1).close)
    (one,) = import_bars([path], tmp_path / "one", ImportOptions("AAA", "1h"))
    assert one.path.name == "AAA_1h.csv"
    with pytest.raises(DataError, match="no ticker 'CCC'; there are AAA, B_B"):
        import_bars([path], tmp_path / "out", ImportOptions("CCC", "1h"))
    nameless = put(tmp_path, FILES["ccxt"]().content, "x.json")
    other = put(tmp_path, nameless.read_bytes(), "y.json")
    with pytest.raises(DataError, match="says which ticker it is; give --ticker"):
        import_bars([nameless, other], tmp_path / "out", ImportOptions(resolution="1h"))
    (one,) = import_bars([nameless], tmp_path / "out")
    assert one.path.name == "x_1h.csv"


def test_nothing_is_overwritten_or_written_by_halves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = part(slice(None), "aaa_1h.csv", tmp_path), part(slice(None), "bbb_1h.csv", tmp_path)
    import_bars([second], tmp_path / "out")
    written = (tmp_path / "out" / "1h" / "bbb_1h.csv").read_bytes()
    import_bars([second], tmp_path / "out")
    part(slice(None, 50), "bbb_1h.csv", tmp_path)
    with pytest.raises(DataError, match=r"bbb_1h\.csv: there already, with other content; .* say --overwrite"):
        import_bars([first, second], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "1h").iterdir()] == ["bbb_1h.csv"]
    assert (tmp_path / "out" / "1h" / "bbb_1h.csv").read_bytes() == written
    assert len(import_bars([first, second], tmp_path / "out", overwrite=True)) == 2
    assert len(ours(tmp_path / "out", "bbb")) == 50
    with pytest.raises(DataError, match="cannot be written"):
        import_bars([first], first)
    with pytest.raises(DataError, match="no file"):
        import_bars([tmp_path / "nothing.csv"], tmp_path / "out")


def test_every_number_survives(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    exact = {name: TRUTH[name] * np.exp(rng.normal(0, 1e-9, N)) for name in OHLCV[:4]} | {"volume": TRUTH.volume / 7}
    exact |= {"high": exact["high"] + 1, "low": exact["low"] - 1, "funding": rng.normal(0, 1e-4, N)}
    path = put(tmp_path, pd.DataFrame({"date": TRUTH.time, **exact}).to_csv(index=False).encode())
    import_bars([path], tmp_path / "out")
    bars = ours(tmp_path / "out")
    for name, values in exact.items():
        np.testing.assert_array_equal(bars.columns[name], values)


def test_the_command_answers_with_paths_and_says_what_was_done(tmp_path: Path) -> None:
    path = put(tmp_path, FILES["MetaTrader 4"]().content, "export.csv")
    options = [
        "--ticker",
        "eur_usd",
        "--resolution",
        "1h",
        "--timezone",
        "Europe/Athens",
        "--to",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, ["data", "import", str(path), *options])
    assert result.exit_code == 0
    assert result.stdout.strip().splitlines()[-1] == str(tmp_path / "out" / "1h" / "eur_usd_1h.csv")
    np.testing.assert_array_equal(ours(tmp_path / "out", "eur_usd").time_N, TRUTH.time - 2 * 3600)
    refused = CliRunner().invoke(app, ["data", "import", str(path), "--to", str(tmp_path / "other"), "--label", "end"])
    assert refused.exit_code == 1 and not (tmp_path / "other").exists()
