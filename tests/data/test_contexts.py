"""Closed longer bars beside windows, against pandas and float64, one origin at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config, with_columns
from exchange_bars import at as at_date
from exchange_bars import bars_between, series_at, sessions_between
from markets import MARKETS, opening_times
from window_reference import MODES, gather_all, normalise

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.calendars import learn
from nextbar.config.choices import NORM_MODES
from nextbar.data.contexts import SPARE, ClosedBars, ContextTape, closed_bars, reach
from nextbar.data.dataset import SPANS, Dataset, build_dataset
from nextbar.data.window_spec import WindowSpec
from nextbar.resolution import seconds
from nextbar.types import Context

J, L = 3, 6
RULES: dict[str, Callable[[np.ndarray], float]] = {
    "open": lambda v: v[0], "high": np.max, "low": np.min, "close": lambda v: v[-1], "volume": np.mean,
    "trades": np.mean,
}  # fmt: skip
CONTEXTS = ("8h", "1d")


class Longer(NamedTuple):
    """A closed longer bar, from the rows until an origin alone."""

    columns: dict[str, float]
    previous: float
    bars: int
    age: float


def by_pandas(bars: Bars, i: int, rule: str, size: int = J) -> list[Longer]:
    """The last whole bars of a market that never closes that are over with row ``i``, the earliest first."""
    length, count = pd.Timedelta(seconds(rule), "s"), seconds(rule) // bars.step
    index = pd.to_datetime(bars.time_N[: i + 1], unit="s", utc=True)
    frame = pd.DataFrame({name: values[: i + 1] for name, values in bars.columns.items()}, index=index)
    frame["row"] = np.arange(i + 1)
    now, found = index[-1] + pd.Timedelta(bars.step, "s"), []
    for begin, group in frame.resample(rule.replace("d", "D")):
        first = group["row"].min()
        near = first - 1 > i - (size + SPARE) * count
        if len(group) == count and begin + length <= now and first > 0 and near and group.notna().all(axis=None):
            columns = {name: RULES[name](group[name].to_numpy()) for name in bars.columns}
            age = np.log1p((i - group["row"].iloc[-1]) / count)
            found.append(Longer(columns, frame["close"].iloc[first - 1], count, age))
    return found[-size:]


def expected(dataset: Dataset, s: int, i: int, longer: list[Longer], norm_mode: str, features: str) -> np.ndarray:
    """(known, F) numbers of the context in float64."""
    bars = dataset.bars[s]
    own = ["close"] if features == "close" else ["open", "high", "low", "close"]
    window, train = slice(i - L + 1, i + 1), slice(0, int((bars.close_time_N < dataset.cuts.validation).sum()))
    span = train if norm_mode.startswith("global") else window
    if features == "returns":
        logs = {name: np.log([bar.columns[name] for bar in longer]) for name in own}
        before, last = np.log([bar.previous for bar in longer]), np.log(bars.columns["close"][i])
        moves = np.diff(np.log(bars.columns["close"][span]))[np.diff(bars.time_N[span]) == bars.step]
        unit = 1.0 if norm_mode == "none" else np.std(moves)
        numbers = [logs[name] - before for name in ("close", "high", "low", "open")]
        numbers += [logs["high"] - logs["low"], (logs["close"] - last) / np.sqrt(J)]
        groups = [np.stack(numbers, axis=1) / (unit * np.sqrt([[bar.bars] for bar in longer]))]
    else:
        value = np.array([[bar.columns[name] for name in own] for bar in longer])
        groups = [normalise(value, np.stack([bars.columns[name][span] for name in own]), norm_mode)[0]]
    for name in ("volume", "trades") if features != "close" else ():
        mean, amount, mode = np.array([[bar.columns[name]] for bar in longer]), bars.columns[name], norm_mode
        if features == "returns":
            mean, amount = np.log1p(mean), np.log1p(amount)
            mode = mode if mode == "none" else mode.split("_")[0] + "_meanstd"
        groups.append(normalise(mean, amount[span], mode)[0])
    return np.concatenate([*groups, [[bar.age] for bar in longer]], axis=1)


def market() -> list[Bars]:
    """Two resolutions, one with missing bars, both longer than contexts look back."""
    holes = np.flatnonzero(np.random.default_rng(0).random(320) < 0.015)
    return [
        make_bars("made_up", "1h", 320, seed=1, trades=True, holes=holes.tolist()),
        make_bars("made_up", "4h", 90, seed=2, trades=True, price=7.0),
    ]


def contexts_at(dataset: Dataset, rows: np.ndarray) -> tuple[Context, ...]:
    """The contexts in all six modes, on the host."""
    weight = np.ones(len(rows), np.float32)
    spec = dataset.preparation.spec
    return jax.device_get(gather_all(dataset.tape(), rows.astype(np.int32), weight, MODES, spec)).contexts


@pytest.mark.parametrize("features", ["ohlcv", "returns", "close"])
def test_a_context_is_what_pandas_and_float64_say(features: str) -> None:
    config = make_config(
        features=features, resolution=["1h", "4h"], context_resolutions=CONTEXTS, context_len=J, calendar="24/7"
    )
    dataset = build_dataset(config, market())
    origins = np.sort(np.concatenate([dataset.origins[span] for span in SPANS]))
    rows = origins[np.linspace(0, len(origins) - 1, 36).astype(int)]
    got, counts = contexts_at(dataset, rows), []
    for context, rule in zip(got, CONTEXTS, strict=True):
        for n, row in enumerate(rows):
            s = int(dataset.panel.series_R[row])
            i = int(row - dataset.panel.starts[s])
            longer = by_pandas(dataset.bars[s], i, rule)
            known = len(longer)
            counts.append(known)
            assert context.known_BJ[0, n].tolist() == [False] * (J - known) + [True] * known
            for m, norm_mode in enumerate(NORM_MODES if known else ()):
                want = expected(dataset, s, i, longer, norm_mode, features)
                np.testing.assert_allclose(
                    context.x_BJF[m, n, J - known :], want, rtol=1e-5, atol=2e-5, err_msg=f"{rule} {norm_mode}"
                )
            assert not context.x_BJF[:, n, : J - known].any()
    assert {0, 1, 2, 3} == set(counts)


def spec_of(*contexts: str, features: str = "ohlcv", resolution: str = "1h", size: int = J) -> WindowSpec:
    config = make_config(features=features, resolution=resolution, context_resolutions=contexts, context_len=size)
    return WindowSpec.of(config.dataset_config, [make_bars(resolution=resolution)], {"trades": ["made_up"]})


def session_market(name: str, step: int, resolution: str, days: int = 60) -> Bars:
    time_N = opening_times(MARKETS[name], step, dt.date(2020, 3, 2), days)
    return Bars("aaa", resolution, time_N, make_bars("aaa", n=len(time_N)).columns)


@pytest.mark.parametrize(
    ("name", "resolution", "longer", "rule"),
    [("New York", "30m", "1d", "D"), ("New York", "1h", "1w", "W-SUN"), ("currencies", "4h", "1d", "D")],
)
def test_days_and_weeks_of_a_market_with_sessions_are_those_of_its_clock(
    name: str, resolution: str, longer: str, rule: str
) -> None:
    """A day is over at midnight there, so that it counts from the next session's first bar on."""
    bars = session_market(name, seconds(resolution), resolution)
    spec = spec_of(longer, resolution=resolution)
    got = closed_bars(bars, Calendar.learn(bars.time_N, bars.step), longer, spec)
    local = pd.DatetimeIndex(pd.to_datetime(bars.time_N, unit="s", utc=True)).tz_convert(MARKETS[name].timezone)
    period = local.tz_localize(None).to_period(rule)
    ends = (period.end_time + pd.Timedelta("1ns")).tz_localize(local.tz).as_unit("s").asi8
    frame = pd.DataFrame(bars.columns | {"row": np.arange(len(bars)), "end": ends})
    groups = list(frame.groupby(period))[1:]  # of the first, the bar before is not there
    closed = [max(int(np.searchsorted(bars.close_time_N, g["end"].iloc[0])), int(g["row"].max())) for _, g in groups]
    whole = [(g, row) for (_, g), row in zip(groups, closed, strict=True) if row < len(bars)]
    assert len(whole) > 5
    np.testing.assert_array_equal(got.closed_U, [row for _, row in whole])
    for values, (group, _) in zip(got.rows_UX, whole, strict=True):
        wanted = [*(RULES[c](group[c].to_numpy()) for c in ("open", "high", "low", "close", "volume")), len(group)]
        np.testing.assert_allclose(values, wanted, rtol=1e-12)
    np.testing.assert_array_equal(got.until_N, [(np.array(closed) <= i).sum() for i in range(len(bars))])


def at(found: ClosedBars, i: int) -> tuple[np.ndarray, list[int]]:
    """What stands beside row ``i``: numbers of the longer bars, and how many rows ago each closed."""
    which = slice(found.until_N[i] - found.known_N[i], found.until_N[i])
    return found.rows_UX[which], (i - found.closed_U[which]).tolist()


def assert_same(first: tuple[np.ndarray, list[int]], second: tuple[np.ndarray, list[int]]) -> None:
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]


def holed(bars: Bars, share: float, seed: int = 3) -> Bars:
    kept = np.random.default_rng(seed).random(len(bars)) >= share
    return Bars(bars.ticker, bars.resolution, bars.time_N[kept], {n: v[kept] for n, v in bars.columns.items()})


LAWS = [
    ("always", "1h", "1d", 0.01), ("always", "4h", "1w", 0.005), ("New York", "30m", "1d", 0.01),
    ("New York", "1h", "1w", 0.003), ("currencies", "4h", "1d", 0.01),
]  # fmt: skip


@pytest.mark.parametrize(("name", "resolution", "longer", "share"), LAWS)
def test_a_context_knows_nothing_later_and_no_more_history_than_its_reach(
    name: str, resolution: str, longer: str, share: float
) -> None:
    """It is the same from the bars until its origin, from the last of these that it looks back on, and whatever bars
    follow: other prices, other dates, none."""
    whole = session_market(name, seconds(resolution), resolution, days=60)
    calendar = Calendar.learn(whole.time_N, whole.step)
    bars, spec, counts = holed(whole, share), spec_of(longer, resolution=resolution), set()
    found, back = closed_bars(bars, calendar, longer, spec), reach(longer, resolution, J)
    rng = np.random.default_rng(0)
    for i in np.linspace(1, len(bars) - 2, 60).astype(int).tolist():
        here, counts = at(found, i), counts | {int(found.known_N[i])}
        assert_same(at(closed_bars(bars.first(i + 1), calendar, longer, spec), i), here)
        recent = bars.first(i + 1).last(back)
        assert_same(at(closed_bars(recent, calendar, longer, spec), len(recent) - 1), here)
        others = {n: np.where(np.arange(len(bars)) > i, v * rng.lognormal(size=len(bars)), v) for n, v in
                  bars.columns.items()}  # fmt: skip
        time_N = np.where(np.arange(len(bars)) > i, bars.time_N + int(rng.integers(1, 9)) * bars.step, bars.time_N)
        assert_same(at(closed_bars(replace(bars, time_N=time_N, columns=others), calendar, longer, spec), i), here)
    assert {1, 2, 3} <= counts


def test_a_half_day_of_an_exchange_is_a_whole_one() -> None:
    """The Friday after Thanksgiving closes at 13:00, and is seen with Monday's first bar."""
    time_N = bars_between("XNYS", "2018-11-01", "2018-12-07", "1h")
    bars, spec = series_at(time_N, "1h"), spec_of("1d")
    found = closed_bars(bars, learn(time_N, 3_600, "XNYS"), "1d", spec)
    friday, monday = (int(np.searchsorted(time_N, at_date(day))) for day in ("2018-11-23", "2018-11-26"))
    half = int(np.flatnonzero(found.closed_U == monday)[0])
    assert found.rows_UX[half, -1] == 4 and found.rows_UX[half, 0] == bars.columns["open"][friday]
    days = len(sessions_between("XNYS", "2018-11-01", "2018-12-07"))
    assert len(found.closed_U) == days - 2  # not the first, and not the last, whose midnight has not been


def test_only_bars_that_have_closed_count_and_they_do() -> None:
    bars = make_bars(n=200)
    dataset = build_dataset(make_config(context_resolutions=["1d"], context_len=J), [bars])
    rows = np.array([118, 119, 120, 142])  # 119 is the last hour of the fifth day

    def with_close(row: int) -> Dataset:
        close = bars.columns["close"].copy()
        close[row] *= 1.2
        other = with_columns(bars, close=close, high=np.maximum(bars.columns["high"], close))
        return replace(dataset, bars=(other,))

    (plain,), (changed,) = contexts_at(dataset, rows), contexts_at(with_close(105), rows)
    assert plain.known_BJ.all()
    moved = (plain.x_BJF != changed.x_BJF).any(axis=(2, 3))
    assert moved.tolist() == [[False, True, True, True]] * 6
    last = contexts_at(with_close(119), rows)[0]
    assert (plain.x_BJF != last.x_BJF)[:, 1:, -1].any(axis=2).all()


def test_a_day_that_lacks_a_bar_or_a_volume_is_left_out() -> None:
    """An earlier one takes its place."""
    bars, spec = make_bars(n=200), spec_of("1d")
    always = Calendar.always(3_600)
    volume = bars.columns["volume"].copy()
    volume[60] = np.nan  # on the third day
    holed = make_bars(n=200, holes=[60])
    for other in (with_columns(bars, volume=volume), holed):
        found = closed_bars(other, always, "1d", spec)
        assert (found.closed_U - (len(other) - 200)).tolist()[-4:] == [95 + 24, 143, 167, 191][-4:]
        np.testing.assert_array_equal(found.rows_UX[:, 0], bars.columns["open"][[24, 72, 96, 120, 144, 168]])
    plain = closed_bars(with_columns(bars, volume=volume), always, "1d", spec_of("1d", features="close"))
    assert len(plain.rows_UX) == 7


def test_a_context_looks_back_no_further_than_its_reach() -> None:
    """After long gaps there are fewer than asked for."""
    assert reach("1d", "1h", J) == (J + SPARE) * 24 == 120
    bars, spec = make_bars(n=400), spec_of("1d")
    volume = bars.columns["volume"].copy()
    volume[[150, 170]] = np.nan  # two days are left out; at their end the bar before the third one back is the 121st
    found = closed_bars(with_columns(bars, volume=volume), Calendar.always(3_600), "1d", spec)
    assert found.known_N[[23, 47, 71, 95]].tolist() == [0, 1, 2, 3]
    assert found.known_N[[190, 191]].tolist() == [3, 2] and found.until_N[190:192].tolist() == [5, 5]
    gaps = make_bars(n=400, holes=[n for n in range(100, 300) if n % 24 == 5])
    poor = closed_bars(gaps, Calendar.always(3_600), "1d", spec)
    assert poor.known_N.min() == 0 and poor.known_N[250] == 0 and poor.until_N[250] == 3


def test_the_tape_of_some_windows_has_their_contexts() -> None:
    dataset = build_dataset(make_config(resolution=["1h", "4h"], context_resolutions=CONTEXTS, context_len=J), market())
    spec, rows = dataset.preparation.spec, dataset.origins["test"][::9]
    for context in dataset.tape().contexts:
        cut = context.cut(rows, spec)
        origin = np.arange(1, len(rows) + 1) * L - 1
        np.testing.assert_array_equal(cut.beside_R()[origin], context.beside_R()[rows])
        np.testing.assert_array_equal(cut.known_R[origin], context.known_R[rows])
    blank = ContextTape.blank(L, spec)
    assert not blank.beside_R().any() and [a.dtype for a in blank] == [a.dtype for a in dataset.tape().contexts[0]]
    assert blank.rows_UX.shape[1] == dataset.tape().contexts[0].rows_UX.shape[1]


@pytest.mark.parametrize("fields", [{}, {"context_len": 5}])
def test_without_context_resolutions_there_is_nothing(fields: dict[str, Any]) -> None:
    dataset = build_dataset(make_config(**fields), [make_bars()])
    assert dataset.tape().contexts == () and dataset.preparation.spec.context_len == 0
