"""Closed longer bars beside windows, against pandas and float64, one origin at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config, with_columns
from window_reference import MODES, OF_LONGER, gather_all, normalise

from nextbar.bars.bars import Bars
from nextbar.config.choices import NORM_MODES
from nextbar.data.closed_bars import SPARE
from nextbar.data.contexts import ContextTape
from nextbar.data.dataset import SPANS, Dataset, build_dataset
from nextbar.resolution import seconds
from nextbar.types import Context

J, L = 3, 6
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
        follows = first > 0 and index[first - 1] == begin - pd.Timedelta(bars.step, "s")
        if len(group) == count and begin + length <= now and follows and near and group.notna().all(axis=None):
            columns = {name: OF_LONGER[name](group[name].to_numpy()) for name in bars.columns}
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


def test_the_tape_of_some_windows_has_their_contexts() -> None:
    dataset = build_dataset(make_config(resolution=["1h", "4h"], context_resolutions=CONTEXTS, context_len=J), market())
    spec, rows = dataset.preparation.spec, dataset.origins["test"][::9]
    own = np.arange(1, len(rows) + 1) * 2 * L
    for context in dataset.tape().contexts:
        cut = context.cut(rows, own, spec)
        here, there = (last[:, None] + np.arange(1 - J, 1) for last in (cut.last_R, context.last_R[rows]))
        np.testing.assert_array_equal(cut.rows_UX[here], context.rows_UX[there])
        np.testing.assert_array_equal(own[:, None] - cut.closed_U[here], rows[:, None] - context.closed_U[there])
        np.testing.assert_array_equal(cut.known_R, context.known_R[rows])
        assert [a.dtype for a in cut] == [a.dtype for a in context]
    blank = ContextTape.blank(L, spec)
    assert not blank.beside_R().any() and [a.dtype for a in blank] == [a.dtype for a in dataset.tape().contexts[0]]
    assert blank.rows_UX.shape[1] == dataset.tape().contexts[0].rows_UX.shape[1]


def test_without_context_resolutions_there_is_nothing() -> None:
    dataset = build_dataset(make_config(), [make_bars()])
    assert dataset.tape().contexts == () and dataset.preparation.spec.context_len == 0
