"""Nothing that is known before an instant depends on what comes after it, bit for bit."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import jax
import numpy as np
import pytest
from builders import make_bars, make_config
from markets import MARKETS, opening_times
from window_reference import MODES, gather_all

from nextbar.bars.bars import Bars
from nextbar.bars.weekly_template import learn_template
from nextbar.config import ExperimentConfig
from nextbar.config.choices import NORM_MODES
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.scaling import needs_training
from nextbar.types import Batch

N_WINDOWS = 64
SETS: dict[str, dict[str, Any]] = {
    "ohlcv": {"indicators": ["rsi", "bb_upper", "ema_5", "own"], "horizon": 2},
    "returns": {"features": "returns", "target": "log_return", "indicators": ["bb_lower"]},
    "bins": {
        "features": "ohlc",
        "output_mode": "discrete_grid",
        "discrete_grid_levels": [-9, -1, 0, 1, 9],
        "horizon": 2,
    },
    "covariates": {
        "indicators": ["own", "gaps", "event", "ema_5"],
        "known_ahead": ["event"],
        "horizon": 2,
        "context_resolutions": ["8h"],
        "context_len": 3,
    },
}
BESIDE_TRAINING = ("tokens_BG", "spread_BG")
KNOWN_AT_ORIGIN = tuple(name for name in Batch._fields if name != "y_BH")


def config_of(name: str) -> ExperimentConfig:
    return make_config(tickers=["a", "b"], test_tickers=["b", "c"], resolution=["1h", "4h"], **SETS[name])


def market() -> list[Bars]:
    bars = [make_bars(t, "1h", 240, s, holes=range(10 * s), trades=True) for s, t in enumerate("abc")]
    bars += [make_bars(t, "4h", 60, 3 + s, trades=True) for s, t in enumerate("abc")]
    for b in bars:
        b.columns["own"] = np.cos(b.columns["close"])
        b.columns["gaps"] = np.where(np.arange(len(b)) % 9 < 3, np.nan, b.columns["volume"])
        b.columns["event"] = np.where(np.arange(len(b)) % 24 == 5, np.nan, np.sin(b.columns["open"]))
    return bars


def altered(bars: Sequence[Bars], later: Callable[[Bars], np.ndarray]) -> list[Bars]:
    """The same times, but every value of the later bars is another one, but for those that are known ahead."""
    out = []
    for b in bars:
        other = make_bars(b.ticker, b.resolution, len(b), seed=99, trades=True, price=7.0, move=0.2)
        other.columns["own"] = other.columns["gaps"] = np.full(len(b), 1e6)
        other.columns["event"] = b.columns["event"]
        columns = {name: np.where(later(b), other.columns[name], values) for name, values in b.columns.items()}
        out.append(Bars(b.ticker, b.resolution, b.time_N, columns))
    return out


def batches(dataset: Dataset, rows: np.ndarray) -> Batch:
    weight = np.ones(len(rows), np.float32)
    spec = dataset.preparation.spec
    return jax.device_get(gather_all(dataset.tape(), rows.astype(np.int32), weight, MODES, spec))


def equal(one: Batch, other: Batch, fields: Sequence[str], modes: Sequence[int] = MODES) -> None:
    for name in fields:
        arrays = (jax.tree.leaves(getattr(batch, name)) for batch in (one, other))
        for (first, second), m in product(zip(*arrays, strict=True), modes):
            np.testing.assert_array_equal(first[m], second[m], err_msg=f"{name}, {list(NORM_MODES)[m]}")


def last_ones(rows: np.ndarray, dataset: Dataset) -> np.ndarray:
    """``N_WINDOWS`` of the rows, the latest by time."""
    return rows[np.argsort(dataset.panel.close_time_R[rows], kind="stable")][-N_WINDOWS:]


def middle(times: np.ndarray) -> int:
    return int(np.sort(times)[len(times) // 2])


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("cut", ["validation", "test"])
def test_no_window_before_a_cut_knows_what_follows_it(name: str, cut: str) -> None:
    config, bars = config_of(name), market()
    before = build_dataset(config, bars)
    at = getattr(before.cuts, cut)
    after = build_dataset(config, altered(bars, lambda b: b.close_time_N >= at))
    assert after.cuts == before.cuts
    assert after.preparation == before.preparation
    assert after.preparation.to_dict() == before.preparation.to_dict()
    for span, rows in before.origins.items():
        np.testing.assert_array_equal(after.origins[span], rows)
    span = "training" if cut == "validation" else "validation"
    rows = last_ones(before.origins[span], before)
    equal(batches(before, rows), batches(after, rows), Batch._fields)
    rows = before.origins["test"]
    changed, unchanged = batches(after, last_ones(rows, before)), batches(before, last_ones(rows, before))
    assert (changed.x_BLF != unchanged.x_BLF).mean() > 0.5, "the later bars are others"
    for one, other in zip(before.training_closes(), after.training_closes(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("later", ["always", "Sydney"])
@pytest.mark.parametrize("cut", ["validation", "test"])
def test_dates_after_a_cut_change_nothing_before_it(cut: str, later: str) -> None:
    """As many bars with the same values, but the market keeps other hours from then on: those of another place."""
    day = dt.date(2019, 9, 2)  # two changes of New York's clocks lie in the training span
    hours = opening_times(MARKETS["New York"], 3_600, day, 400)
    made = [make_bars(ticker, n=len(hours), seed=seed) for seed, ticker in enumerate("ab")]
    bars = [Bars(b.ticker, "1h", hours, b.columns) for b in made]
    bars[1] = bars[1].between(initial="2019-12-01")
    config = make_config(
        tickers=["a", "b"], test_tickers=["a"], norm_mode="global_meanstd", features="returns", target="log_return",
        test_split=0.4,
    )  # fmt: skip
    before = build_dataset(config, bars)
    assert [(c.kind, c.timezone) for c in before.calendars] == [("sessions", "America/New_York")] * 2
    at = getattr(before.cuts, cut)
    moved = []
    for b in bars:
        kept_N = b.close_time_N <= at  # the first bar of a span says where it begins
        date = dt.datetime.fromtimestamp(at, dt.UTC).date() + dt.timedelta(days=2)
        other = opening_times(MARKETS[later], 3_600, date, 400)[: int((~kept_N).sum())]
        moved.append(Bars(b.ticker, "1h", np.concatenate([b.time_N[kept_N], other]), b.columns))
        assert len(moved[-1]) == len(b) and len(other) > 200
    after = build_dataset(config, moved)
    assert getattr(after.cuts, cut) == at and after.cuts.validation == before.cuts.validation
    assert after.calendars == before.calendars
    assert after.preparation == before.preparation
    assert after.preparation.to_dict() == before.preparation.to_dict()
    earlier = ["training"] if cut == "validation" else ["training", "validation"]
    for span in earlier:
        np.testing.assert_array_equal(after.origins[span], before.origins[span])
        rows = last_ones(before.origins[span], before)
        equal(batches(before, rows), batches(after, rows), Batch._fields)
    np.testing.assert_array_equal(after.history_N, before.history_N)
    for b, calendar in zip(moved, before.calendars, strict=True):
        assert learn_template(b.time_N, b.step) != calendar, "all dates would tell another"


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("span", ["training", "validation"])
def test_what_is_known_at_an_origin_does_not_depend_on_later_bars(name: str, span: str) -> None:
    config, bars = config_of(name), market()
    if span == "training":  # as statistics of the span may, by which own columns are standardised
        own = [name for name in SETS[name].get("indicators", []) if name in bars[0].columns]
        config = dataclasses.replace(
            config, dataset_config=dataclasses.replace(config.dataset_config, unscaled=tuple(own))
        )
    before = build_dataset(config, bars)
    origins = before.origins[span]
    now = middle(before.panel.close_time_R[origins])
    after = build_dataset(config, altered(bars, lambda b: b.close_time_N > now))
    everything = np.sort(np.concatenate(list(before.origins.values())))
    rows = last_ones(everything[before.panel.close_time_R[everything] <= now], before)
    assert before.panel.close_time_R[rows].max() == now, "the window of this very instant is among them"
    # within training the training statistics may know later bars of the same span; spreads are told beside theirs
    modes = [m for m in MODES if span != "training" or not needs_training(list(NORM_MODES)[m])]
    one, other = batches(before, rows), batches(after, rows)
    equal(one, other, [f for f in KNOWN_AT_ORIGIN if span != "training" or f not in BESIDE_TRAINING], modes)
    assert (one.y_BH != other.y_BH).any(), "labels look ahead"
    if span == "validation":
        assert after.preparation == before.preparation


@pytest.mark.parametrize("name", SETS)
def test_the_clock_comes_from_the_calendar_and_not_from_the_next_bar(name: str) -> None:
    config, bars = config_of(name), market()
    before = build_dataset(config, bars)
    now = middle(before.panel.close_time_R[before.origins["validation"]])
    late = [
        Bars(b.ticker, b.resolution, b.time_N + 5 * b.step * (b.close_time_N > now), b.columns) for b in before.bars
    ]
    rows = before.origins["validation"]
    rows = last_ones(rows[before.panel.close_time_R[rows] <= now], before)
    rows = np.concatenate([rows, before.origins["training"]])[:N_WINDOWS]
    tape = before.preparation.tape(late, before.preparation.series)
    weight = np.ones(len(rows), np.float32)
    moved = jax.device_get(gather_all(tape, rows.astype(np.int32), weight, MODES, before.preparation.spec))
    equal(batches(before, rows), moved, Batch._fields)


@pytest.mark.parametrize("cut", ["validation", "test"])
def test_of_the_bars_ahead_only_what_is_declared_to_be_known_is_seen_and_only_where_it_is_predicted(cut: str) -> None:
    """Other values of the column from a cut on: nothing of the spans before moves, and of windows whose origin lies
    before nothing but the values at their predicted bars."""
    config, bars = config_of("covariates"), market()
    before = build_dataset(config, bars)
    at = getattr(before.cuts, cut)
    others = [
        Bars(
            b.ticker,
            b.resolution,
            b.time_N,
            b.columns | {"event": np.where(b.close_time_N >= at, 7.0, b.columns["event"])},
        )
        for b in bars
    ]
    after = build_dataset(config, others)
    assert after.preparation == before.preparation
    spans = ["training"] if cut == "validation" else ["training", "validation"]
    for span in spans:
        rows = last_ones(before.origins[span], before)
        equal(batches(before, rows), batches(after, rows), Batch._fields)
    every = np.sort(np.concatenate(list(before.origins.values())))
    straddling = every[(before.panel.close_time_R[every] < at) & (before.panel.close_time_R[every + 2] >= at)]
    one, other = batches(before, straddling), batches(after, straddling)
    equal(one, other, [name for name in Batch._fields if name != "ahead_BHA"])
    late_NH = before.panel.close_time_R[straddling[:, None] + np.arange(1, 3)] >= at
    assert late_NH.any() and np.array_equal((one.ahead_BHA != other.ahead_BHA)[0].any(axis=-1), late_NH)
