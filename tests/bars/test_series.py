"""The series of an experiment: from files, a frame or bars, in one order, and what is said of those that lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import make_bars, make_config, make_frame

from nextbar.bars import present
from nextbar.bars.bars import Bars, fingerprint
from nextbar.bars.series import read_series, series_of, series_tickers
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError

CONFIG = make_config(tickers=["b", "a"], test_tickers=["c", "a"], resolution=["4h", "1h"])
KEYS = [(ticker, resolution) for resolution in ("1h", "4h") for ticker in ("a", "b", "c", "d")]
BARS = [make_bars(ticker, resolution, n=20, seed=seed) for seed, (ticker, resolution) in enumerate(KEYS)]
CHOSEN = [BARS[KEYS.index((ticker, resolution))] for resolution in ("4h", "1h") for ticker in ("b", "a", "c")]


def names(series: list[Bars]) -> list[str]:
    return [bars.name for bars in series]


def test_tickers_are_those_trained_then_those_scored_alone() -> None:
    assert series_tickers(CONFIG) == ("b", "a", "c")
    assert series_tickers(make_config(tickers="a")) == ("a",)


def test_files_frames_and_bars_are_the_same_series(tmp_path: Path) -> None:
    """By resolution and ticker as the configuration names them; columns of a frame may have other names."""
    for bars in BARS:
        folder = tmp_path / bars.resolution
        folder.mkdir(exist_ok=True)
        frame = make_frame(bars).drop(columns=["ticker", "resolution"])
        frame.assign(date=frame["date"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(
            folder / f"{bars.name}.csv", index=False
        )
    dataset = {"tickers": ["b", "a"], "test_tickers": ["c", "a"], "resolution": ["4h", "1h"], "datapath": str(tmp_path)}
    config, frame = make_config(**dataset), make_frame(*BARS)
    renamed = frame.rename(columns={"ticker": "uid", "date": "ds", "close": "y"})
    for series in (
        read_series(config),
        series_of(config),
        series_of(CONFIG, frame),
        series_of(CONFIG, renamed, id_col="uid", time_col="ds", target_col="y"),
        series_of(CONFIG, BARS),
        series_of(CONFIG, tuple(BARS)),
    ):
        assert names(series) == names(CHOSEN) and fingerprint(series) == fingerprint(CHOSEN)


def test_needs_are_those_of_the_experiment(tmp_path: Path) -> None:
    bars = make_bars("a", n=20)
    frame = make_frame(bars).drop(columns=["ticker", "resolution"])
    (tmp_path / "1h").mkdir()
    frame.assign(date=frame["date"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")).to_csv(tmp_path / "1h" / "a_1h.csv", index=False)
    config = make_config(tickers="a", features="close", datapath=str(tmp_path))
    for source in (None, frame):
        (series,) = series_of(config, source)
        assert list(series.columns) == ["close"]


@pytest.mark.parametrize("bars", [None, BARS])
def test_names_of_columns_come_with_a_frame_alone(bars: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        series_of(CONFIG, bars, time_col="ds")
    assert str(caught.value) == "time_col: names of a frame's columns, but the bars do not come as a frame"


def refusal(config: ExperimentConfig, bars: Any) -> str:
    with pytest.raises(DataError) as caught:
        series_of(config, bars)
    return str(caught.value)


def test_a_frame_of_several_tickers_names_them() -> None:
    frame = make_frame(BARS[0])[["date", "close"]]
    assert refusal(make_config(tickers=["a", "b"]), frame) == (
        "frame: tickers a, b are asked for, but there is no column 'ticker'; the columns are date, close"
    )


def test_what_lacks_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """An error where nothing can be trained, else a warning."""
    assert refusal(CONFIG, [BARS[2], BARS[3]]) == "no bars of b_4h, a_4h, c_4h, b_1h, a_1h; there are c_1h, d_1h"
    assert not caplog.records
    assert series_of(CONFIG, [BARS[0], BARS[6]]) == [BARS[6], BARS[0]]
    assert caplog.messages == ["no bars of b_4h, a_4h, b_1h, c_1h: left out"]
    caplog.clear()
    series_of(CONFIG, BARS)
    assert not caplog.records


def test_bars_that_have_not_closed_are_told_unless_they_come_as_bars(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config, series = make_config(tickers=["a", "b"]), [BARS[0], BARS[1]]
    opened = int(BARS[0].time_N[-1])
    monkeypatch.setattr(present, "clock", lambda: opened)
    series_of(config, make_frame(*series))
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("nextbar", "WARNING")
    assert record.getMessage() == (
        "the last bar of a_1h, b_1h has not closed yet: it is trained and scored on as it stands now; wait for it, or "
        "end before it with final_date"
    )
    caplog.clear()
    series_of(config, series)
    monkeypatch.setattr(present, "clock", lambda: opened + 3600)
    series_of(config, make_frame(*series))
    assert not caplog.records
