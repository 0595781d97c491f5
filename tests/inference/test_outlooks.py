"""Outlooks and their fans are what ``predict`` says, in every output mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_frame
from experiments import GRID
from made_runs import MadeRun, make_run

from nextbar.errors import DataError
from nextbar.inference.outlooks import outlooks

TWO = {"tickers": ["aaa", "bbb"]}
RUNS: dict[str, dict[str, Any]] = {
    "mean": {**TWO, "horizon": 2},
    "law": {**TWO, "output_mode": "distribution", "tail": "student_t", "target": "log_return", "horizon": 3},
    "members": {**TWO, "output_mode": "distribution", "tail": "normal", "seeds": 2},
    "bins": {"tickers": ["aaa"], "output_mode": "discrete_grid", "discrete_grid_levels": GRID},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MadeRun]:
    return {name: make_run(tmp_path_factory.mktemp(name), **fields) for name, fields in RUNS.items()}


@pytest.mark.parametrize("kind", RUNS)
def test_an_outlook_is_what_predict_says(made: dict[str, MadeRun], kind: str) -> None:
    run = made[kind]
    forecaster = run.load()
    found = outlooks(forecaster, run.bars)
    assert [o.name for o in found.outlooks] == [b.ticker for b in run.bars] and not found.left_out
    exact = {"levels": [0.5, 0.8, 0.95]} if kind in ("law", "members") else {}
    table = forecaster.predict(run.frame, **exact)
    for outlook, bars in zip(found.outlooks, run.bars, strict=True):
        rows = table[table["ticker"] == bars.ticker]
        assert outlook.last_close == bars.columns["close"][-1]
        assert pd.to_datetime(outlook.time_H, unit="s", utc=True).tolist() == rows["date"].tolist()
        if kind == "bins":
            np.testing.assert_allclose(outlook.probs_HK, rows.filter(like="p_"))
            continue
        np.testing.assert_array_equal(outlook.close_H, rows["close"])
        for share, ends in outlook.bands.items():
            for side, end in zip(("lo", "hi"), ends, strict=True):
                np.testing.assert_array_equal(end, rows[f"close-{side}-{100 * share:g}"])
        assert set(outlook.bands) == ({0.5, 0.8, 0.95} if exact else set())


def test_a_series_without_a_forecast_is_named_and_the_others_are_forecast(made: dict[str, MadeRun]) -> None:
    run = made["law"]
    forecaster, (aaa, bbb) = run.load(), run.bars
    found = outlooks(forecaster, [aaa.first(3), bbb])
    assert [o.name for o in found.outlooks] == ["bbb"]
    assert found.left_out == ["aaa_1h: 3 bars, but the model needs the last 6"]
    assert outlooks(forecaster, [aaa.first(3)]).figure() is None
    alone = outlooks(forecaster, [bbb]).outlooks[0]
    np.testing.assert_array_equal(alone.close_H, found.outlooks[0].close_H)


def test_bars_that_have_not_closed_are_left_out(made: dict[str, MadeRun]) -> None:
    run = made["law"]
    now = int(run.bars[0].time_N[-1]) + 60
    found = outlooks(run.load(), run.bars, now=now).outlooks[0]
    assert found.past.time_N[-1] == run.bars[0].time_N[-2] and found.time_H[0] == run.bars[0].time_N[-1]


@pytest.mark.parametrize("kind", RUNS)
def test_a_forecaster_draws_the_same_fan(made: dict[str, MadeRun], kind: str) -> None:
    run = made[kind]
    forecaster = run.load()
    figure = forecaster.plot(run.frame)
    outlook = outlooks(forecaster, run.bars).outlooks[0]
    if kind == "bins":
        np.testing.assert_allclose(figure.data[0].x, 100 * outlook.probs_HK[0])
        return
    lines = {trace.name: trace for trace in figure.data if trace.visible}
    np.testing.assert_array_equal(lines["forecast"].y, [outlook.last_close, *outlook.close_H])
    assert lines["forecast"].x[0] == 0 and figure.layout.yaxis.title.text == "close"
    for share, (low_H, _) in outlook.bands.items():
        np.testing.assert_array_equal(lines[f"{100 * share:g} of 100, from"].y, [outlook.last_close, *low_H])
    assert [button.label for button in figure.layout.updatemenus[0].buttons] == ["aaa", "bbb"]


def test_without_a_frame_the_runs_own_files_are_drawn_as_they_are_now(tmp_path: Path) -> None:
    (tmp_path / "data" / "1h").mkdir(parents=True)
    run = make_run(tmp_path, datapath=str(tmp_path / "data"), tickers=["aaa"], features="close")
    file = tmp_path / "data" / "1h" / "aaa_1h.csv"
    forecaster = run.load()
    with pytest.raises(DataError, match="the run's own bars"):
        forecaster.plot()
    for part in (run.bars[0].first(100), run.bars[0]):
        make_frame(part).drop(columns=["ticker", "resolution"]).to_csv(file, index=False)
        line = next(trace for trace in forecaster.plot().data if trace.name == "close")
        assert line.y[-1] == part.columns["close"][-1]


def test_what_cannot_be_drawn_is_said(made: dict[str, MadeRun]) -> None:
    run = made["bins"]
    with pytest.raises(DataError, match="3 bars, but the model needs the last 6"):
        run.load().plot([run.bars[0].first(3)])
