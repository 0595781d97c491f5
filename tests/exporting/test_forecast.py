"""The script of an export: what it forecasts is what nextbar forecasts, by NumPy alone."""

from __future__ import annotations

import datetime as dt
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame, with_columns
from exchange_bars import at, bars_between, package, series_at
from experiments import GRID
from made_runs import MadeRun, make_run
from markets import MARKETS, session_bars
from scipy import stats

from nextbar.bars import calendars
from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.weekly_template import learn_template
from nextbar.checksums import list_files
from nextbar.data.indicators import bollinger, ema, rsi
from nextbar.exporting import export_run, forecast
from nextbar.exporting.model import NORMAL
from nextbar.exporting.numbers import calendar_numbers
from nextbar.exporting.program import Recording
from nextbar.exporting.windows import record_indicator
from nextbar.inference.forecaster import Forecaster
from nextbar.metrics.standard_laws import located
from nextbar.types import Forecast

LAW: dict[str, Any] = {"output_mode": "distribution"}
RUNS: dict[str, dict[str, Any]] = {
    "mean": {
        "tickers": ["aaa", "bbb"], "norm_mode": "global_minmax", "indicators": ["rsi", "ema_3", "funding", "bb_lower"],
        "fe_blocks": 2, "use_resblocks_in_fe": True, "flatten_encoder_output": True, "time_feature": "position",
    },
    "ensemble": LAW | {
        "tail": "skew_t", "start": "range_har_trailing", "target": "log_return", "features": "returns", "horizon": 2,
        "norm_mode": "window_minmax", "use_time2vec": True, "use_extra_tokens": True, "num_layers": 2, "seeds": 2,
    },
    "price": LAW | {
        "tail": "student_t", "start": "range_har", "norm_mode": "window_mean", "norm_encoder_prev": False,
        "time_feature": "span", "head_layers": 2, "use_resblocks_in_head": True,
    },
    "bins": {
        "output_mode": "discrete_grid", "discrete_grid_levels": GRID, "start": "range_har_trailing", "horizon": 2,
        "average_encoder_output": True, "use_extra_tokens": True,
    },
    "any numbers": LAW | {"start": "constant", "features": "close", "norm_mode": "none", "clock": False},
    "strangers": LAW | {
        "tail": "student_t", "start": "range_har_trailing", "target": "log_return", "resolution": ["1h", "4h"],
        "tickers": ["aaa"], "test_tickers": ["aaa", "bbb"],
    },
    "exchange": LAW | {
        "tail": "skew_t", "start": "range_har_trailing", "resolution": "1d", "calendar": "XNYS", "horizon": 3,
        "norm_mode": "global_minmax", "features": "returns", "time_feature": "span",
    },
    "bf16": {"norm_mode": "global_meanstd", "features": "returns", "precision": "bf16"},
}  # fmt: skip


def own_bars(run: str) -> list[Any] | None:
    """Bars with a column of one's own, or in the sessions of an exchange, for the runs that have these."""
    if run == "exchange":
        package()
        return [series_at(np.unique(bars_between("XNYS", "2016-01-04", "2019-06-28", "1h") // 86_400 * 86_400), "1d")]
    if run != "mean":
        return None
    bars = [make_bars(ticker, n=400, seed=i, price=100 * 10**i) for i, ticker in enumerate(("aaa", "bbb"))]
    return [with_columns(b, funding=np.random.default_rng(i).standard_normal(400)) for i, b in enumerate(bars)]


FAST = ("mean", "ensemble", "price", "bins")


def arrays(bars: Bars) -> dict[str, np.ndarray]:
    """Bars as the script takes them."""
    return {"time": bars.time_N} | bars.columns


class Made(dict[str, MadeRun]):
    """The runs by their names, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __missing__(self, name: str) -> MadeRun:
        self[name] = make_run(self.folder / name, own_bars(name), n=700, **RUNS[name])
        return self[name]


class Folders(dict[str, Path]):
    """Their exports, likewise."""

    def __init__(self, made: Made) -> None:
        self.made = made

    def __missing__(self, name: str) -> Path:
        self[name] = export_run(self.made[name].run_dir, self.made.folder / f"export of {name}")
        return self[name]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def folders(made: Made) -> Folders:
    return Folders(made)


SOME = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in RUNS]


@pytest.mark.parametrize("name", SOME)
def test_an_export_forecasts_what_nextbar_does(name: str, folders: Folders) -> None:
    export = forecast.Export(folders[name])
    golden = forecast.load(folders[name] / "golden.npz")
    assert export.check() <= 1e-5
    moves = golden[next(key for key in golden if key.startswith("forecasts/"))]
    assert all(len(np.unique(a)) > 3 for column, a in moves.items())  # so that there is something to compare


@pytest.mark.parametrize("name", SOME[:-1])  # the last one's own forecasts are rounded
def test_it_forecasts_from_the_runs_own_bars(name: str, made: Made, folders: Folders) -> None:
    """As ``predict`` does from a frame, with the numbers of the law."""
    run = made[name]
    wanted = run.load().predict(run.frame, law=True)
    for bars in run.bars:
        found = forecast.Export(folders[name]).forecast(arrays(bars), bars.name)
        own = wanted[wanted["ticker"] == bars.ticker]
        if "resolution" in own:
            own = own[own["resolution"] == bars.resolution]
        assert set(found) == set(own.columns) - {"ticker", "resolution"}
        for column, values in found.items():
            seconds = column in ("origin", "date")
            told = own[column].astype("datetime64[s, UTC]").astype("int64") if seconds else own[column]
            np.testing.assert_allclose(values, told, rtol=0 if seconds else 1e-5)


MATRIX = [
    {"norm_mode": norm_mode, "features": features}
    for norm_mode in ("window_minmax", "window_meanstd", "window_mean", "global_minmax", "global_meanstd", "none")
    for features in ("ohlcv", "ohlc", "close", "returns")
] + [
    LAW | {"tail": tail, "start": start, "target": target}
    for tail in ("normal", "student_t", "skew_t")
    for start in ("constant", "range_har", "range_har_trailing")
    for target in ("close", "log_return")
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fields", MATRIX, ids=lambda fields: "-".join(map(str, fields.values())))
def test_every_combination_is_exported(fields: dict[str, Any], tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", n=700, **fields)
    assert forecast.Export(export_run(run.run_dir, tmp_path / "export")).check() <= 1e-5


def test_a_file_gives_the_forecast_table(made: Made, folders: Folders, tmp_path: Path) -> None:
    run = made["ensemble"]
    file = tmp_path / "made_up_1h.csv"
    make_frame(*run.bars).drop(columns=["ticker", "resolution"]).to_csv(file, index=False)
    command = [sys.executable, "-I", folders["ensemble"] / "forecast.py", file, "--levels", "0.9", "--conformal"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = pd.read_csv(io.StringIO(done.stdout), parse_dates=["origin", "date"])
    wanted = run.load().predict(run.frame, levels=[0.9], conformal=True)
    assert list(found["date"]) == list(wanted["date"])
    np.testing.assert_allclose(found["close-hi-90"], wanted["close-hi-90"], rtol=1e-5)


def test_a_file_of_another_series_is_refused(made: Made, folders: Folders, tmp_path: Path) -> None:
    """By its name; one that names no series is the only one of the run."""
    frame = make_frame(*made["ensemble"].bars).drop(columns=["ticker", "resolution"])
    for name in ("another_1h.csv", "made_up_4h.csv", "my_bars.csv"):
        frame.to_csv(tmp_path / name, index=False)

    def script(*given: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", folders["ensemble"] / "forecast.py", *given]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    for name in ("another_1h", "made_up_4h"):
        refused = script(f"{name}.csv")
        assert refused.returncode == 1 and f"found '{name}', should be one of made_up_1h" in refused.stderr
    found = script("my_bars.csv")
    assert found.returncode == 0, found.stderr
    assert script("another_1h.csv", "--series", "made_up_1h").stdout == found.stdout


def test_it_needs_numpy_alone(folders: Folders) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import forecast; print(forecast.Export().check() < 1e-5);"
        "print([m for m in sys.modules if m.split('.')[0] in ('jax', 'scipy', 'pandas', 'nextbar', 'flax')])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code, folders["ensemble"]], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["True", "[]"], done.stderr


def test_corrected_intervals_are_those_of_the_run(made: Made, folders: Folders) -> None:
    run = made["price"]
    golden = forecast.load(folders["price"] / "golden.npz")
    assert any(key.startswith("conformal/") for key in golden)
    wanted = run.load().predict(run.frame, levels=[0.8], conformal=True)
    bars = arrays(run.bars[0])
    export = forecast.Export(folders["price"])
    found = export.forecast(bars, levels=(0.8,), conformal=True)
    for column in ("close-lo-80", "close-hi-80"):
        np.testing.assert_allclose(found[column], wanted[column], rtol=1e-6)
    with pytest.raises(ValueError, match=r"no residuals for \{0\.123\}, only for \[0\.01"):
        export.forecast(bars, levels=(0.123,), conformal=True)
    with pytest.raises(ValueError, match="should be shares"):
        export.forecast(bars, levels=(80,))


@pytest.mark.parametrize("name", ["mean", "bins"])
@pytest.mark.parametrize("asked", [{"conformal": True}, {"levels": (0.9,)}, {"levels": np.array([0.5, 0.9])}])
def test_there_are_no_intervals_without_a_law(name: str, asked: dict[str, Any], made: Made, folders: Folders) -> None:
    """Asking for them is refused; asking for none is not."""
    export, bars = forecast.Export(folders[name]), made[name].bars[0]
    with pytest.raises(ValueError, match="has no intervals"):
        export.forecast(arrays(bars), bars.name, **asked)
    assert not any("-lo-" in column for column in export.forecast(arrays(bars), bars.name, levels=()))


def test_several_runs_are_one_export(made: Made, tmp_path: Path) -> None:
    run = made["price"]
    again = make_run(
        tmp_path / "again", n=700, losses=(0.1,), **RUNS["price"] | {"seed": 7, "norm_mode": "window_minmax"}
    )
    export = forecast.Export(export_run([run.run_dir, again.run_dir], tmp_path / "export"))
    assert export.check() <= 1e-5
    bars = arrays(run.bars[0])
    wanted = Forecaster.load([run.run_dir, again.run_dir]).predict(run.frame, law=True)
    found = export.forecast(bars)
    assert set(found) == set(wanted.columns) - {"ticker"}
    for column in ("close", "close-lo-95", "scale", "scale-1", "df-2"):
        np.testing.assert_allclose(found[column], wanted[column], rtol=1e-5)


@pytest.mark.slow
def test_bf16_says_how_far_the_run_rounds(folders: Folders) -> None:
    precision = json.loads((folders["bf16"] / "manifest.json").read_text())["precision"]
    assert precision["runs"] == ["bf16"] and 0 < precision["differs_from_the_runs_by"] < 0.1
    precision = json.loads((folders["price"] / "manifest.json").read_text())["precision"]
    assert precision == {"runs": ["fp32"], "export": "float32"}


def copied(folder: Path, to: Path) -> Path:
    for file in folder.iterdir():
        if file.is_file():
            (to / file.name).write_bytes(file.read_bytes())
    return to


def test_a_check_notices_other_weights(folders: Folders, tmp_path: Path) -> None:
    """Whole files of another run: their checksums fit, their numbers do not."""
    copied(folders["mean"], tmp_path)
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as content:
        arrays = dict(content)
    name = "model_0/outputs.bias"
    arrays[name] = arrays[name] + 1e-3
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **arrays)
    done = subprocess.run([sys.executable, tmp_path / "forecast.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 1 and "weights.npz is damaged" in done.stderr
    list_files(tmp_path)
    done = subprocess.run([sys.executable, tmp_path / "forecast.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 1 and "differs" in done.stdout


def test_any_flipped_bit_is_refused_by_the_name_of_its_file(folders: Folders, tmp_path: Path) -> None:
    """600 random bits of all files, the script and the list of checksums among them."""
    copied(folders["mean"], tmp_path)
    rng = np.random.default_rng(0)
    files = {path.name: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    for name in [*files] * (600 // len(files)):
        data = bytearray(files[name])
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=f"{name} is damaged; copy the folder again"):
            forecast.Export(tmp_path)
        (tmp_path / name).write_bytes(files[name])
    for name in files:
        (tmp_path / name).write_bytes(files[name][:-1])
        with pytest.raises(ValueError, match=f"{name} is damaged"):
            forecast.Export(tmp_path)
        (tmp_path / name).unlink()
        with pytest.raises(FileNotFoundError, match=name):
            forecast.Export(tmp_path)
        (tmp_path / name).write_bytes(files[name])
    forecast.Export(tmp_path)


def refusals(export: forecast.Export, run: MadeRun) -> dict[str, tuple[dict[str, Any], str]]:
    """Bars that must be refused, and what is said of them."""
    bars = arrays(run.bars[0])
    end = len(bars["time"])
    gap = np.delete(np.arange(end), end - 3)
    empty = bars | {"close": np.where(np.arange(end) == end - 2, np.nan, bars["close"])}
    return {
        "few": ({k: v[-20:] for k, v in bars.items()}, "found 20 bars, needs"),
        "backwards": ({k: v[::-1] for k, v in bars.items()}, "not in order"),
        "double": (bars | {"time": np.sort(np.r_[bars["time"][2:], bars["time"][-4:-2] + 1800])}, "are double"),
        "hole": ({k: v[gap] for k, v in bars.items()}, "bars are missing"),
        "empty": (empty, "values in the last"),
        "zero": (bars | {"low": 0 * bars["low"]}, "not above 0"),
        "unequal": (bars | {"close": bars["close"][:-3]}, f"unequal length.*'close': {end - 3}"),
        "no column": ({k: v for k, v in bars.items() if k != "volume"}, "no column volume"),
    }


@pytest.mark.parametrize("case", ["few", "backwards", "double", "hole", "empty", "zero", "unequal", "no column"])
def test_bars_that_tell_nothing_are_refused(case: str, made: Made, folders: Folders) -> None:
    export = forecast.Export(folders["price"])
    bars, said = refusals(export, made["price"])[case]
    with pytest.raises(ValueError, match=said):
        export.forecast(bars)


def test_which_series_must_be_said(made: Made, folders: Folders, tmp_path: Path) -> None:
    export = forecast.Export(folders["mean"])
    bars = arrays(made["mean"].bars[0])
    with pytest.raises(ValueError, match="should be one of aaa_1h, bbb_1h"):
        export.forecast(bars)
    with pytest.raises(ValueError, match="found 'zzz_1h'"):
        export.forecast(bars, "zzz_1h")
    for name, content in {"empty.csv": "", "header.csv": "date,close\n", "text.csv": "date,close\nmonday,x\n"}.items():
        (tmp_path / name).write_text(content)
        done = subprocess.run(
            [sys.executable, folders["mean"] / "forecast.py", tmp_path / name], capture_output=True, text=True
        )
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_bar_that_has_not_closed_is_none(made: Made, folders: Folders) -> None:
    export = forecast.Export(folders["price"])
    bars = arrays(made["price"].bars[0])
    earlier = export.forecast({name: a[:-1] for name, a in bars.items()})
    assert export.forecast(bars, now=bars["time"][-1] + 3599)["date"] == earlier["date"]
    assert export.forecast(bars, now=bars["time"][-1] + 3600)["date"] > earlier["date"]


def open_slots(days: int, a_day: int, first: int, end: int) -> tuple[int, ...]:
    """Slots of a week from ``first`` to ``end`` of each day."""
    return tuple(a_day * day + slot for day in range(days) for slot in range(first, end))


CALENDARS = {
    "always": Calendar.always(3600),
    "daily": Calendar("sessions", 86_400, 0, (0, 1, 2, 3, 4)),
    "new york": Calendar("sessions", 3600, 1800, open_slots(5, 24, 9, 16), "America/New_York"),
    "berlin, open at night": Calendar("sessions", 1800, 0, open_slots(6, 48, 0, 44), "Europe/Berlin"),
    "tokyo, a lunch break": learn_template(session_bars(MARKETS["Tokyo"], 3600, dt.date(2019, 1, 7), 364), 3600),
    "odd": Calendar.always(7 * 60, 60, "Europe/London"),
    "four hours": Calendar.always(4 * 3600, 0, "America/New_York"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALENDARS)
@pytest.mark.parametrize("begin", ["2023-03-06", "2023-10-25", "2024-12-20"])
def test_slots_are_those_of_the_calendar(name: str, begin: str) -> None:
    """Ranks, holes and dates, over a change of the clocks and with bars left out."""
    calendar = CALENDARS[name]
    rng = np.random.default_rng(len(name))
    first = np.array([np.datetime64(begin, "s").astype(np.int64)])
    whole_N = calendar.next_times_after(first, 400)[0]
    numbers = {key: np.asarray(a) for key, a in calendar_numbers(calendar, 4).items()}
    for kept in (np.ones(400, bool), rng.random(400) > 0.03, rng.random(400) > 0.4):
        time_N = whole_N[kept]
        slot_ND, hole_N, date_H = forecast.slots(numbers, time_N, 9)
        chain = calendar.chain(time_N, 9)
        np.testing.assert_array_equal(slot_ND[:, 0], chain.own_N)
        np.testing.assert_array_equal(slot_ND[:, 1:], chain.ahead(9))
        np.testing.assert_array_equal(hole_N, calendar.hole_before(time_N))
        np.testing.assert_array_equal(date_H, calendar.next_times_after(time_N[-1:], 9)[0])


@pytest.mark.parametrize(("exchange", "period"), [("XNYS", "1h"), ("XTKS", "1h"), ("XNYS", "1D"), ("XNYS", "1W")])
def test_sessions_are_those_of_the_exchange(exchange: str, period: str) -> None:
    """Ranks, holes, closures by decree and dates, with bars left out, and some outside the sessions."""
    package()
    step = {"1h": 3600, "1D": 86_400, "1W": 604_800}[period]
    hour_N = bars_between(exchange, "2018-01-03", "2020-12-30", "1h")
    whole_N = hour_N if period == "1h" else np.unique(hour_N // step * step)
    calendar = calendars.learn(whole_N[whole_N < at("2019-06-28")], step, exchange)
    numbers = {key: np.asarray(a) for key, a in calendar_numbers(calendar, 4).items()}
    rng = np.random.default_rng(0)
    for share in (1.0, 0.9, 0.3):
        time_N = whole_N[rng.random(len(whole_N)) < share]
        closed_N = (time_N > at("2019-12-03")) & (time_N < at("2019-12-05"))
        outside_N = time_N[:: len(time_N) // 9] + (13 * 3600 if period == "1h" else 0)
        time_N = np.unique(np.r_[time_N[~closed_N], outside_N])
        time_N = time_N[np.diff(time_N, prepend=0) >= step]
        slot_ND, hole_N, date_H = forecast.slots(numbers, time_N, 9)
        chain = calendar.chain(time_N, 9)
        np.testing.assert_array_equal(slot_ND[:, 0], chain.own_N)
        np.testing.assert_array_equal(slot_ND[:, 1:], chain.ahead(9))
        np.testing.assert_array_equal(hole_N[1:], calendar.hole_before(time_N)[1:])
        np.testing.assert_array_equal(date_H, calendar.next_times_after(time_N[-1:], 9)[0])
    with pytest.raises(ValueError, match="beyond the sessions that are known"):
        forecast.slots(numbers, whole_N[-5:], 200_000)


@pytest.mark.parametrize("n", [5, 20, 21, 80])
def test_indicators_are_nextbars(n: int) -> None:
    close_N = make_bars(n=n).columns["close"]
    wanted = {("ema", 7, 0.0): ema(close_N, 7), ("rsi", 14, 0.0): rsi(close_N)}
    for formula, wanted_N in (wanted | {("bollinger", 20, -2.0): bollinger(close_N, -2.0)}).items():
        p = Recording()
        record_indicator(p, *formula)
        np.testing.assert_allclose(forecast.run(p.steps, {"close": close_N})["result"], wanted_N, rtol=1e-12)


@pytest.mark.parametrize("df", [2.1, 2.5, 4.0, 30.0, 500.0, NORMAL])
def test_the_student_t_is_scipys(df: float) -> None:
    z = np.linspace(-12, 12, 97)
    below, density = forecast.Mixtures(*(np.full((1, 1), number) for number in (0.0, 1.0, df, 0.0))).at(z[:, None])
    unit = np.sqrt((df - 2) / df)
    law = stats.t(df, scale=unit) if df < NORMAL else stats.norm()
    for found, wanted in ((below[:, 0], law.cdf(z)), (density[:, 0], law.pdf(z))):
        likely = wanted > 1e-12  # further out a normal law is no Student-t
        np.testing.assert_allclose(found[likely], wanted[likely], rtol=1e-4 if df == NORMAL else 1e-8)


@pytest.mark.parametrize("skew", [-0.8, 0.0, 0.3])
def test_the_skewed_one_is_nextbars(skew: float) -> None:
    z, df = np.linspace(-9, 9, 61)[:, None], np.full((61, 1), 5.0)
    _, _, law = located(Forecast(0 * z, 1 + 0 * z, df, np.full((61, 1), skew)))
    below, density = forecast.Mixtures(*(np.full((1, 1), number) for number in (0.0, 1.0, 5.0, skew))).at(z)
    np.testing.assert_allclose(below, law.cdf(z), rtol=1e-8)
    np.testing.assert_allclose(density, np.exp(-law.nll(z)), rtol=1e-8)


def test_quantiles_have_their_shares_below_them() -> None:
    """Of mixtures that lie apart, of narrow and of wide laws, of many levels."""
    rng = np.random.default_rng(0)
    shape = (40, 3)
    location = rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 3, (40, 1))
    scale, df, skew = (
        np.exp(2 * rng.standard_normal(shape)),
        2.1 + rng.exponential(10, shape),
        rng.uniform(-0.9, 0.9, shape),
    )
    share_Q, law = np.array([1e-4, 0.025, 0.3, 0.5, 0.9, 0.999]), forecast.Mixtures(location, scale, df, skew)
    below, _ = law.at(law.quantiles(share_Q))
    np.testing.assert_allclose(below, np.tile(share_Q, (40, 1)).T, rtol=1e-6)
