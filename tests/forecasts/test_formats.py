"""The forms of other programs: what they hold is what was forecast, beside the bar at which it was known."""

from __future__ import annotations

import importlib.util
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from doc_pages import ROOT
from made_up_forecasts import TASKS, H, N, keys, made_up, table

from nextbar import forecasts, forecasts_as, write_forecasts
from nextbar.errors import ArgumentError, ConfigError, DataError
from nextbar.forecasts.formats import FORMATS, encoded_forecasts, format_called

PLAIN: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": pd.read_csv,
    ".csv.gz": pd.read_csv,
    ".parquet": pd.read_parquet,
    ".json": lambda path: pd.read_json(path, dtype=False, precise_float=True),
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=False, precise_float=True),
    ".feather": pd.read_feather,
}


def split_series(frame: pd.DataFrame, name: str, resolutions: bool) -> pd.DataFrame:
    if not resolutions:
        return frame.rename(columns={name: "ticker"})
    return frame.assign(ticker=frame[name].str.split("_").str[0], resolution=frame[name].str.split("_").str[1])


def from_table(path: Path, ending: str, resolutions: bool) -> pd.DataFrame:
    return PLAIN[ending](path)


def from_nixtla(path: Path, ending: str, resolutions: bool) -> pd.DataFrame:
    frame = split_series(PLAIN[ending](path), "unique_id", resolutions)
    assert pd.to_datetime(frame["ds"]).dt.tz is None
    frame["step"] = frame.groupby(["unique_id" if resolutions else "ticker", "cutoff"])["ds"].rank().astype(int)
    ours = {}
    for name in frame:
        rest = str(name).removeprefix("nextbar-")
        of_close = re.match(r"\d|lo|hi", rest)
        ours[name] = "close" if name == "nextbar" else f"close-{rest}" if of_close else rest
    frame = frame.rename(columns=ours)
    origin = pd.to_datetime(frame["cutoff"]).dt.tz_localize("UTC")
    return frame.assign(origin=origin)


def from_vectorbt(path: Path, ending: str, resolutions: bool) -> pd.DataFrame:
    if ending == ".parquet":
        wide = pd.read_parquet(path)
    else:
        wide = pd.read_csv(path, header=[0, 1, 2], index_col=0, parse_dates=True)
    long = wide.stack(["step", "ticker"], future_stack=True).dropna(how="all").reset_index()
    return split_series(long.rename(columns={"ticker": "series"}), "series", resolutions).astype({"step": int})


def from_freqtrade(path: Path, ending: str, resolutions: bool) -> pd.DataFrame:
    frame = pd.read_feather(path)
    assert frame["date"].dtype == "datetime64[ms, UTC]"
    fixed = ["date", "ticker", *(["resolution"] if resolutions else [])]
    parts = []
    for step in range(1, H + 1):
        own = {name: name.removeprefix(f"nextbar_{step}_") for name in frame if name.startswith(f"nextbar_{step}_")}
        parts.append(frame[[*fixed, *own]].rename(columns=own).assign(step=step))
    return pd.concat(parts).rename(columns={"date": "origin"})


BACK = {
    "table": from_table, "jsonl": from_table, "parquet": from_table,
    "nixtla": from_nixtla, "vectorbt": from_vectorbt, "freqtrade": from_freqtrade,
}  # fmt: skip


@pytest.mark.parametrize(("name", "ending"), [(name, e) for name, form in FORMATS.items() for e in form.endings])
def test_what_is_written_reads_back_as_what_was_forecast(name: str, ending: str, tmp_path: Path) -> None:
    """Every kind in one file of each form, some in the other files."""
    all_kinds = ending == FORMATS[name].endings[0] and name not in ("jsonl", "parquet")
    cases = [(kind, True) for kind in (TASKS if all_kinds else ("skew_t mixture", "bins"))]
    for kind, resolutions in [*cases, ("student_t", False)]:
        path = tmp_path / f"f{ending}"
        write_forecasts(path, table(kind, resolutions, levels=(0.8,), law=True), name)
        back = BACK[name](path, ending, resolutions)
        found = forecasts.read(back, keys(resolutions), TASKS[kind])
        for field, wanted in made_up(kind)._asdict().items():
            value = getattr(found, field)
            assert (value is None) == (wanted is None)
            if wanted is not None:
                np.testing.assert_allclose(value, wanted, rtol=1e-9, atol=1e-11)


def test_nixtla_has_the_columns_of_nixtla() -> None:
    frame = forecasts_as(table("normal", levels=(0.9,)), "nixtla")
    assert list(frame.columns) == ["unique_id", "ds", "cutoff", "nextbar", "nextbar-lo-90", "nextbar-hi-90"]
    last = table("normal", levels=(0.9,)).groupby("ticker").tail(H)
    frame = forecasts_as(last, "nixtla")
    assert list(frame.columns) == ["unique_id", "ds", "nextbar", "nextbar-lo-90", "nextbar-hi-90"]
    assert frame["ds"].tolist() == last["date"].dt.tz_localize(None).tolist()
    assert frame["nextbar"].tolist() == last["close"].tolist()


def backtested() -> pd.DataFrame:
    """As a backtest's: two predictors of the same windows, one with closes alone."""
    known = {"cutoff": pd.Timestamp("2020-01-01", tz="UTC"), "last_close": 1.0, "actual": np.arange(N * H) * 7.0}
    model = table("student_t", levels=(0.8,), law=True).assign(model="transformer", **known)
    return pd.concat([model, table("log mean").assign(model="naive", **known)], ignore_index=True)


@pytest.mark.parametrize("name", ["nixtla", "vectorbt", "freqtrade"])
def test_predictors_of_a_backtest_stand_side_by_side(name: str) -> None:
    frame = backtested()
    theirs = forecasts_as(frame, name)
    for model, rows in frame.groupby("model"):
        own = {"nixtla": model, "vectorbt": (model, "close"), "freqtrade": f"{model}_1_close"}[name]
        values = np.sort(theirs[own].to_numpy(float).ravel())
        wanted = rows[rows["step"] == 1] if name == "freqtrade" else rows
        np.testing.assert_array_equal(values[~np.isnan(values)], np.sort(wanted["close"]))
    text = [" ".join(column) if isinstance(column, tuple) else column for column in theirs.columns]
    assert not [column for column in text if "naive" in column and "scale" in column]
    assert any("transformer" in column and "scale" in column for column in text)


def test_a_strategy_never_sees_what_came() -> None:
    frame = backtested()
    assert forecasts_as(frame, "nixtla")["y"].tolist() == frame["actual"][: N * H].tolist()
    for name in ("vectorbt", "freqtrade"):
        theirs = forecasts_as(frame, name)
        assert not np.isin(frame["actual"][1:], theirs.select_dtypes("number").to_numpy()).any()
        dates = theirs.index if name == "vectorbt" else theirs["date"]
        assert set(dates) == set(frame["origin"])


@pytest.mark.parametrize("name", FORMATS)
def test_the_library_and_the_order_of_the_rows_do_not_matter(name: str) -> None:
    frame = table("skew_t", True, levels=(0.8,))
    expected = forecasts_as(frame, name)
    pd.testing.assert_frame_equal(forecasts_as(pl.from_pandas(frame), name), expected, check_dtype=False)
    text = frame.assign(date=frame["date"].astype(str), origin=frame["origin"].astype(str))
    pd.testing.assert_frame_equal(forecasts_as(text, name), expected, check_dtype=False)
    shuffled = forecasts_as(frame.sample(frac=1, random_state=0), name)
    key = [c for c in ("unique_id", "ticker", "cutoff", "ds", "origin", "date", "step") if c in expected.columns]
    if name == "vectorbt":
        shuffled, key = shuffled[expected.columns], []
    pair = (f.sort_values(key).reset_index(drop=True) if key else f for f in (shuffled, expected))
    pd.testing.assert_frame_equal(*pair)


@pytest.mark.parametrize("name", ["nixtla", "vectorbt", "freqtrade"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns=["step", "date"]), "no column step, date; there are ticker, origin, close"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: f.assign(date="soon"), "origin and date must hold dates"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "is there more than once for nextbar"),
        (lambda f: 3, "a data frame is needed"),
    ],
)
def test_what_is_no_table_of_forecasts_is_refused(name: str, change: Callable[..., Any], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        forecasts_as(change(table("mean")), name)
    assert "\n" not in str(caught.value)


def test_a_format_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"found 'nixtl', should be one of table, .*; did you mean nixtla\?"):
        forecasts_as(table("mean"), "nixtl")
    with pytest.raises(ConfigError, match="found 3, should be one of"):
        write_forecasts(tmp_path / "f.csv", table("mean"), 3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="no argument 'formt'"):
        write_forecasts(tmp_path / "f.csv", table("mean"), formt="nixtla")  # type: ignore[call-arg]
    with pytest.raises(DataError, match=r"must be one of \.feather$"):
        write_forecasts(tmp_path / "f.csv", table("mean"), "freqtrade")
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_gets_no_binary_file(tmp_path: Path) -> None:
    for name, form in FORMATS.items():
        data = encoded_forecasts(table("mean"), name)
        form.check_out(None, on_terminal=False)
        form.check_out(tmp_path / f"f{form.endings[0]}", on_terminal=True)
        if name in ("freqtrade", "parquet"):
            with pytest.raises(DataError, match=r"a binary file \(\.\w+\), which a terminal cannot show: name a file"):
                form.check_out(None, on_terminal=True)
            assert pd.api.types.is_numeric_dtype(PLAIN[form.endings[0]](io.BytesIO(data)).iloc[:, -1])  # type: ignore[arg-type]
        else:
            form.check_out(None, on_terminal=True)
            assert data.decode().endswith("\n")
    assert format_called("table") is FORMATS["table"]


def test_the_freqtrade_strategy_sees_beside_a_candle_what_was_known_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for freqtrade: the class alone."""
    package, strategy = ModuleType("freqtrade"), ModuleType("freqtrade.strategy")
    strategy.IStrategy = type("IStrategy", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "freqtrade", package)
    monkeypatch.setitem(sys.modules, "freqtrade.strategy", strategy)
    path = ROOT / "examples" / "freqtrade" / "nextbar_strategy.py"
    spec = importlib.util.spec_from_file_location("nextbar_strategy", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    said = table("normal", levels=(0.8,))
    said["ticker"] = said["ticker"].map({"a": "BTC_USDT", "b": "ETH_USDT"})
    write_forecasts(tmp_path / "nextbar.feather", said, "freqtrade")
    own = module.NextbarStrategy()
    own.FORECASTS = tmp_path / "nextbar.feather"
    for unit in ("ms", "ns"):
        dates = pd.date_range(said["origin"].min() - pd.Timedelta("2h"), periods=6, freq="h", unit=unit)
        candles = pd.DataFrame({"date": dates, "close": 100.0})
        joined = own.populate_indicators(candles, {"pair": "BTC/USDT"})
        expected = said[(said["ticker"] == "BTC_USDT") & (said["step"] == 1)].set_index("origin")["close"]
        assert len(joined) == 6
        known = joined.dropna().set_index("date")["nextbar_1_close"]
        assert known.tolist() == expected.tolist() and list(known.index) == list(expected.index)
        frame = own.populate_exit_trend(own.populate_entry_trend(joined, {}), {})
        entered = frame["enter_long"].eq(1).to_numpy()
        np.testing.assert_array_equal(entered, frame["nextbar_1_close"] > 100.2)
        np.testing.assert_array_equal(
            frame.get("exit_long", pd.Series(0, frame.index)).eq(1), frame["nextbar_1_close"] < 100
        )
