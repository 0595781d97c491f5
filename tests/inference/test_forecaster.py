"""Forecaster: what it says of an origin is what the evaluation says of that origin, as a table of prices."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from builders import make_bars, make_frame
from experiments import GRID
from made_runs import MadeRun, make_run
from scipy import stats

from nextbar.bars.bars import Bars
from nextbar.engine.engine import Engine
from nextbar.errors import ConfigError, DataError, RunError
from nextbar.inference.forecaster import Forecaster
from nextbar.inference.model_inputs import FEWEST_READ
from nextbar.types import Forecast

TWO = {"tickers": ["aaa", "bbb"]}
RUNS: dict[str, dict[str, Any]] = {
    "mean": {**TWO, "norm_mode": "global_minmax", "indicators": ["rsi", "ema_3"]},
    "distribution": {
        **TWO, "output_mode": "distribution", "tail": "student_t", "target": "log_return", "features": "returns",
        "horizon": 3,
    },
    "discrete_grid": {"tickers": ["aaa"], "output_mode": "discrete_grid", "discrete_grid_levels": GRID},
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MadeRun]:
    return {name: make_run(tmp_path_factory.mktemp(name), **fields) for name, fields in RUNS.items()}


@pytest.fixture(scope="module")
def forecasters(made: dict[str, MadeRun]) -> dict[str, Forecaster]:
    return {name: run.load() for name, run in made.items()}


IN_ANOTHER_PROCESS = """
import pickle, sys
from pathlib import Path
folder = Path(sys.argv[1])
for name in sys.argv[2:]:
    forecaster, frame = pickle.loads((folder / name).read_bytes())
    (folder / f"{name} said").write_bytes(pickle.dumps((forecaster.predict(frame, last_only=False), repr(forecaster))))
"""


def test_a_pickled_forecaster_says_the_same_in_another_process(
    made: dict[str, MadeRun], forecasters: dict[str, Forecaster], tmp_path: Path
) -> None:
    """Bit for bit, also of an ensemble."""
    run = made["distribution"]
    pickled = {name: (forecaster, made[name].frame) for name, forecaster in forecasters.items()}
    pickled["ensemble"] = (Forecaster.load([run.run_dir, run.run_dir]), run.frame)
    for name, content in pickled.items():
        (tmp_path / name).write_bytes(pickle.dumps(content))
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, str(tmp_path), *pickled], check=True, timeout=300)
    for name, (forecaster, frame) in pickled.items():
        said, shown = pickle.loads((tmp_path / f"{name} said").read_bytes())
        pd.testing.assert_frame_equal(said, forecaster.predict(frame, last_only=False), check_exact=True)
        assert shown == repr(forecaster) and "\n  " in shown
    assert repr(pickled["ensemble"][0]).startswith(f"Forecaster: ensemble of 2 models, {run.run_dir}")


def test_a_copy_forecasts_alike_and_is_another(made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    forecaster = forecasters["mean"]
    copied = copy.deepcopy(forecaster)
    frame = made["mean"].frame
    pd.testing.assert_frame_equal(copied.predict(frame), forecaster.predict(frame), check_exact=True)
    assert copied.params is not forecaster.params


def history(run: MadeRun, row: int) -> pd.DataFrame:
    """Bars of one series up to a row of all series end to end, and the other series whole."""
    series = int(run.dataset.panel.series_R[row])
    start = sum(len(b) for b in run.bars[:series])
    parts = [make_frame(b).iloc[: row - start + 1 if i == series else None] for i, b in enumerate(run.bars)]
    return pd.concat(parts)


def price_after(last: float, target: str, move: np.ndarray) -> np.ndarray:
    return last * np.exp(move) if target == "log_return" else last + move


@pytest.mark.parametrize("name", RUNS)
def test_prediction_equals_the_engines_evaluation(
    name: str, made: dict[str, MadeRun], forecasters: dict[str, Forecaster]
) -> None:
    """At the first, a middle and the last origin of the test span of each ticker."""
    run, forecaster = made[name], forecasters[name]
    horizon, target = run.config.dataset_config.horizon, run.config.dataset_config.target
    rows = run.dataset.origins["test"]
    evaluated = Engine(run.config, run.dataset).evaluate(forecaster.params, rows).forecast
    for n in {0, len(rows) // 4, len(rows) // 2, len(rows) - 1}:
        ticker = run.bars[run.dataset.panel.series_R[rows[n]]].ticker
        said = forecaster.predict(history(run, rows[n]))
        said = said[said["ticker"] == ticker]
        assert len(said) == horizon and said["step"].tolist() == list(range(1, horizon + 1))
        last = run.dataset.panel.close_R[rows[n]]
        told = Forecast(*(None if a is None else a[n].astype(np.float64) for a in evaluated))
        if told.log_probs_NHK is not None:
            probs = said[[c for c in said if c.startswith("p_")]].to_numpy()
            np.testing.assert_allclose(probs, np.exp(told.log_probs_NHK), rtol=1e-5)
            assert [c for c in said if c.startswith("p_")] == ["p_-inf_-0.5", "p_-0.5_0", "p_0_0.5", "p_0.5_inf"]
            continue
        assert told.location_NH is not None and np.abs(told.location_NH).max() > 0
        price = partial(price_after, last, target)
        np.testing.assert_allclose(said["close"], price(told.location_NH), rtol=1e-6)
        if told.scale_NH is not None and told.df_NH is not None:
            law = stats.t(told.df_NH, told.location_NH, told.scale_NH * np.sqrt((told.df_NH - 2) / told.df_NH))
            for level in (50, 80, 95):
                low, high = law.interval(level / 100)
                np.testing.assert_allclose(said[f"close-lo-{level}"], price(low), rtol=2e-6)
                np.testing.assert_allclose(said[f"close-hi-{level}"], price(high), rtol=2e-6)


def test_only_the_last_bars_count(made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    """What lies before the last L bars changes nothing where there are no indicators."""
    for name in ("distribution", "discrete_grid"):
        frame = made[name].frame
        whole = forecasters[name].predict(frame)
        pd.testing.assert_frame_equal(whole, forecasters[name].predict(frame.groupby("ticker").tail(6)))


FORMS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "aware": lambda frame: frame,
    "naive": lambda frame: frame.assign(date=frame["date"].dt.tz_localize(None)),
    "another zone": lambda frame: frame.assign(date=frame["date"].dt.tz_convert("Asia/Tokyo")),
    "ISO text": lambda frame: frame.assign(date=frame["date"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
    "seconds": lambda frame: frame.assign(date=frame["date"].astype("datetime64[s, UTC]").astype("int64")),
    "milliseconds": lambda frame: frame.assign(date=frame["date"].astype("datetime64[ms, UTC]").astype("int64")),
    "index": lambda frame: frame.set_index("date"),
    "polars": pl.from_pandas,
}


@pytest.mark.parametrize("length", [FEWEST_READ - 1, FEWEST_READ, FEWEST_READ + 1, 2 * FEWEST_READ])
def test_the_bars_that_are_needed_are_enough(length: int, tmp_path: Path) -> None:
    """Exactly L bars, some more, and all; also where the last bar is left out. Bit for bit, dates in every form."""
    run = make_run(tmp_path, seq_len=length, n=5 * length, features="returns", horizon=2)
    forecaster, frame = run.load(), run.frame
    last = frame["date"].iloc[-1]
    expected, without_last = forecaster.predict(frame), forecaster.predict(frame, now=last)
    assert expected["origin"].unique() == [last] and without_last["origin"].unique() == [frame["date"].iloc[-2]]
    for form in FORMS.values():
        for more in (0, FEWEST_READ):
            for now, answer in ((None, expected), (last, without_last)):
                said = forecaster.predict(form(frame.tail(length + more + (now is not None))), now=now)
                if isinstance(said, pl.DataFrame):
                    said = said.to_pandas().astype(answer.dtypes)
                pd.testing.assert_frame_equal(said, answer, check_exact=True)
        with pytest.raises(DataError, match=rf"{length - 1} bars, but the model needs the last {length}"):
            forecaster.predict(form(frame.tail(length - 1)))


@pytest.mark.parametrize("name", RUNS)
def test_every_possible_origin(name: str, made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    """All bars but the first ones of each ticker, in order; the last of them as ``last_only`` says."""
    run, forecaster = made[name], forecasters[name]
    first = max(run.config.dataset_config.seq_len - 1, 19 if run.config.dataset_config.indicators else 0)
    said = forecaster.predict(run.frame, last_only=False)
    for b in run.bars:
        own = said[(said["ticker"] == b.ticker) & (said["step"] == 1)]
        times = pd.to_datetime(b.time_N, unit="s", utc=True)
        assert own["origin"].tolist() == times[first:].tolist()
        assert own["date"].tolist()[:-1] == times[first + 1 :].tolist()
    last = said[said["origin"] == said["origin"].max()].reset_index(drop=True)
    pd.testing.assert_frame_equal(last, forecaster.predict(run.frame))


def test_a_hole_costs_the_origins_whose_context_it_lies_in(
    made: dict[str, MadeRun], forecasters: dict[str, Forecaster]
) -> None:
    frame = made["discrete_grid"].frame.drop(index=100)
    origins = forecasters["discrete_grid"].predict(frame, last_only=False)["origin"]
    bars = frame["date"].tolist()
    assert origins.tolist() == bars[5:100] + bars[105:]


def test_dates_are_those_of_the_next_bars(made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    frame = made["distribution"].frame
    said = forecasters["distribution"].predict(frame)
    last = frame["date"].max()
    assert (said["origin"] == last).all()
    assert (said["date"] == last + pd.to_timedelta(said["step"], unit="h")).all()
    assert str(said["date"].dt.tz) == "UTC"


def test_a_weekend_lies_between(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A market open from Monday to Friday: three days after a Thursday are Friday, Monday and Tuesday."""
    weekdays = make_bars("made_up", "1d", n=300)
    keep = (weekdays.time_N // 86_400 + 3) % 7 < 5
    bars = Bars("made_up", "1d", weekdays.time_N[keep], {name: v[keep] for name, v in weekdays.columns.items()})
    forecaster = make_run(tmp_path_factory.mktemp("week"), [bars], resolution="1d", horizon=3).load()
    frame = make_frame(bars)
    until_thursday = frame[frame["date"] <= frame["date"][frame["date"].dt.day_name() == "Thursday"].max()]
    for said in (forecaster.predict(until_thursday), forecaster.predict(until_thursday, last_only=False).tail(3)):
        assert said["date"].dt.day_name().tolist() == ["Friday", "Monday", "Tuesday"]
        assert said["origin"].dt.day_name().tolist() == ["Thursday"] * 3
        assert said["date"].diff().dropna().dt.days.tolist() == [3, 1]


def test_several_resolutions(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each has its own dates; a frame may hold one of them alone."""
    run = make_run(tmp_path_factory.mktemp("two"), resolution=["1h", "4h"])
    forecaster = run.load()
    said = forecaster.predict(run.frame)
    assert list(said.columns[:2]) == ["ticker", "resolution"]
    assert ((said["date"] - said["origin"]) == pd.to_timedelta(said["resolution"])).all()
    of_one = forecaster.predict(run.frame[run.frame["resolution"] == "4h"])
    pd.testing.assert_frame_equal(of_one, said[said["resolution"] == "4h"].reset_index(drop=True))


def test_polars_in_polars_out(made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    for last_only in (True, False):
        predict = partial(forecasters["mean"].predict, last_only=last_only)
        wanted, said = predict(made["mean"].frame), predict(pl.from_pandas(made["mean"].frame))
        assert isinstance(said, pl.DataFrame)
        assert said.columns == list(wanted.columns)
        assert said["date"].dtype == pl.Datetime("ms", "UTC")
        for name in said.columns:
            column = wanted[name].dt.tz_localize(None) if name in ("date", "origin") else wanted[name]
            np.testing.assert_array_equal(said[name].to_numpy(), column)


def test_workers_of_a_cluster_cannot_load_what_lies_in_no_folder(
    made: dict[str, MadeRun], forecasters: dict[str, Forecaster]
) -> None:
    name, loaded = next(iter(forecasters.items()))
    unsaved = Forecaster(loaded.config, loaded.preparation, loaded.params)
    with pytest.raises(RunError, match=r"load it \(Forecaster.load\)"):
        unsaved.predict(made[name].frame, on="dask://nowhere:8786")


def test_the_form_of_the_frame_does_not_matter(made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    """Rows in another order, further columns, dates as text or index, bars that have been read."""
    frame, predict = made["mean"].frame, forecasters["mean"].predict
    wanted = predict(frame).sort_values("ticker", ignore_index=True)
    forms: list[Any] = [
        frame.sample(frac=1, random_state=0),
        frame.assign(note="text", sentiment=0.5).rename(columns=str.upper),
        frame.assign(date=frame["date"].astype(str)),
        frame.set_index(["ticker", "date"]),
        made["mean"].bars,
    ]
    for form in forms:
        said = predict(form).sort_values("ticker", ignore_index=True)
        pd.testing.assert_frame_equal(wanted, said)


def test_a_frame_of_one_series_needs_no_ticker(made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    frame, predict = made["discrete_grid"].frame, forecasters["discrete_grid"].predict
    pd.testing.assert_frame_equal(predict(frame.drop(columns="ticker")), predict(frame))


def test_a_bar_that_is_still_open_can_be_left_out(made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    """By its close: a bar that closes now counts. One that is left out may hold anything."""
    frame, predict = made["mean"].frame, forecasters["mean"].predict
    last = frame["date"].max()
    second = last.replace(second=59)
    spellings: list[Any] = [
        last, last.to_pydatetime(), last.isoformat(), int(last.timestamp()), last.to_datetime64(),
        second.replace(microsecond=123_456, nanosecond=7), second.to_pydatetime().replace(microsecond=999_999),
        second.timestamp() + 0.5, f"{second:%Y-%m-%dT%H:%M:%S}.25+00:00",
    ]  # fmt: skip
    for now in spellings:
        without = predict(frame, now=now)
        pd.testing.assert_frame_equal(without, predict(frame[frame["date"] < last]))
        pd.testing.assert_frame_equal(predict(made["mean"].bars, now=now), without)
        pd.testing.assert_frame_equal(predict(frame.mask(frame["date"] == last, np.nan).assign(
            ticker=frame["ticker"], resolution="1h", date=frame["date"].astype(str)), now=now), without)  # fmt: skip
    pd.testing.assert_frame_equal(predict(frame, now=last + pd.Timedelta("1h")), predict(frame))


def test_levels_are_shares(made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    said = forecasters["distribution"].predict(made["distribution"].frame, levels=[0.9, 0.995])
    assert [c for c in said if c.startswith("close-")] == [
        "close-lo-90", "close-hi-90", "close-lo-99.5", "close-hi-99.5"
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"80 is no share"):
        forecasters["distribution"].predict(made["distribution"].frame, levels=[80])


def test_the_law_itself(made: dict[str, MadeRun], forecasters: dict[str, Forecaster]) -> None:
    """Scale and degrees of freedom give the intervals."""
    said = forecasters["distribution"].predict(made["distribution"].frame, levels=[0.8], law=True)
    last = np.repeat([b.columns["close"][-1] for b in made["distribution"].bars], 3)
    spread = said["scale"] * np.sqrt((said["df"] - 2) / said["df"])
    low, high = stats.t(said["df"], np.log(said["close"] / last), spread).interval(0.8)
    np.testing.assert_allclose(said["close-lo-80"], last * np.exp(low), rtol=1e-9)
    np.testing.assert_allclose(said["close-hi-80"], last * np.exp(high), rtol=1e-9)


def test_prices_below_zero_where_training_took_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With features and target close any finite number is a price, in prediction too."""
    walk = np.random.default_rng(0).normal(size=150).cumsum()
    bars = Bars("made_up", "1h", 3600 * np.arange(150), {"close": walk})
    run = make_run(tmp_path_factory.mktemp("below"), [bars], features="close")
    shifted = run.frame.assign(close=walk - walk[-1] - 1)
    assert (shifted["close"].tail(1) < 0).all()
    assert np.isfinite(run.load().predict(shifted)["close"]).all()
