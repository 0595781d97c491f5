"""Folds: where they are cut, what is known in each, which windows they hold; by plain counting."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backtests import make_experiment, make_market
from builders import make_bars

from nextbar.backtesting.folds import Fold, find_folds, fold_dataset, fold_rows
from nextbar.backtesting.options import BacktestOptions
from nextbar.backtesting.panel import BacktestPanel
from nextbar.bars.bars import Bars
from nextbar.bars.naming import Naming
from nextbar.errors import ConfigError, DataError

HOUR, DAY = 3600, 86400


def folds_of(
    bars: list[Bars], overrides: dict[str, Any] | None = None, **options: Any
) -> tuple[list[Fold], list[np.ndarray], BacktestPanel]:
    """The folds, their windows as rows of the panel, the panel."""
    config = make_experiment(Path("runs"), **overrides or {})
    panel = BacktestPanel(tuple(bars), config.dataset_config.horizon, Naming.of(config.dataset_config))
    asked = BacktestOptions(**options)
    folds = find_folds(panel, config, asked)
    datasets = [fold_dataset(panel, config, fold, asked) for fold in folds]
    return folds, [fold_rows(panel, d, f) for d, f in zip(datasets, folds, strict=True)], panel


def pooled(bars: list[Bars]) -> list[int]:
    return sorted(int(t) for b in bars for t in b.close_time_N)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_folds_hold_the_test_span_in_equal_parts(count: int) -> None:
    bars = make_market()
    folds, _, _ = folds_of(bars, folds=count)
    times = pooled(bars)
    test = times[len(times) - math.ceil(0.25 * len(times))]
    inside = [t for t in times if t >= test]
    held = [sum(f.start <= t < f.end for t in inside) for f in folds]
    assert folds[0].start == test and sum(held) == len(inside)
    assert all(a.end == b.start for a, b in itertools.pairwise(folds))
    assert max(held) - min(held) <= 2 + 2  # one bar, and two series whose bars close together on each side
    assert [f.number for f in folds] == list(range(1, count + 1))


def test_bars_that_close_together_stay_together_on_the_later_side() -> None:
    """Two series on the same clock: an odd cut of the pool would tear a pair apart."""
    bars = [make_bars("aaa", n=200), make_bars("bbb", n=200, seed=1)]
    folds, _, _ = folds_of(bars, folds=3)
    times = np.array(pooled(bars))
    inside = times[times >= folds[0].start]
    for k, fold in enumerate(folds):
        assert fold.start == inside[k * len(inside) // 3]
        assert (times[times < fold.start].max()) < fold.start


def test_every_window_of_the_period_is_in_one_fold_but_those_that_straddle() -> None:
    bars, horizon = make_market(), 3
    folds, rows, panel = folds_of(bars, {"horizon": horizon}, folds=3)
    found = set()
    for fold, row_N in zip(folds, rows, strict=True):
        for row in row_N:
            labels = panel.close_time_R[row + 1 : row + horizon + 1]
            assert fold.start <= labels[0] and labels[-1] < fold.end
            assert row not in found
            found.add(row)
    expected = set()
    start = 0
    for one in bars:
        for i in range(5, len(one) - horizon):
            labels = one.close_time_N[i + 1 : i + horizon + 1]
            if any(f.start <= labels[0] and labels[-1] < f.end for f in folds):
                expected.add(start + i)
        start += len(one)
    assert found == expected


@pytest.mark.parametrize("embargo", [0, 4])
def test_what_is_learnt_ends_at_the_cutoff_with_an_embargo(embargo: int) -> None:
    bars = make_market()
    config = make_experiment(Path("runs"))
    folds, _, panel = folds_of(bars, folds=3, embargo=embargo)
    for fold in folds:
        assert fold.cutoff == fold.start - embargo * HOUR
        known = [t for t in pooled(bars) if t < fold.cutoff]
        count = math.ceil(config.validation_split * len(known))
        assert fold.cuts.validation == known[len(known) - count]
        dataset = fold_dataset(panel, config, fold, BacktestOptions(embargo=embargo))
        for span, end in (("training", fold.cuts.validation - embargo * HOUR), ("validation", fold.cutoff)):
            labels = dataset.panel.close_time_R[dataset.origins[span] + 1]
            assert labels.max() == end - HOUR  # the last label closes just before


def test_an_embargo_leaves_out_bars_whatever_lies_between_them() -> None:
    """Daily bars of a market that rests at weekends, beside one that never does: five of either, or more."""
    always = make_bars("aaa", "1d", n=500)
    weekday_N = (always.time_N // DAY + 3) % 7
    weekdays = Bars(
        "bbb", "1d", *(always.time_N[weekday_N < 5], {k: v[weekday_N < 5] for k, v in always.columns.items()})
    )
    folds, _, _ = folds_of([always, weekdays], {"resolution": "1d"}, folds=5, embargo=5)
    for fold in folds:
        for end, start in ((fold.cuts.training_end, fold.cuts.validation), (fold.cutoff, fold.start)):
            left_out = [sum(end <= t < start for t in b.close_time_N.tolist()) for b in (always, weekdays)]
            assert min(left_out) == 5 and left_out[0] <= 7, "the one that rests decides"


def test_an_embargo_is_no_matter_of_series_that_have_ended() -> None:
    bars, ended = make_bars("aaa", n=500), make_bars("aaa", "4h", n=125).first(90)
    folds, _, _ = folds_of([bars, ended], {"tickers": ["aaa"], "resolution": ["1h", "4h"]}, folds=5, embargo=5)
    assert [fold.start - fold.cutoff for fold in folds[-3:]] == [5 * HOUR] * 3


def test_an_expanding_window_keeps_the_beginning_and_a_sliding_one_its_length() -> None:
    bars = make_market()
    first = int(bars[0].close_time_N[0])
    expanding, _, _ = folds_of(bars, folds=3)
    sliding, rows, panel = folds_of(bars, folds=3, window="sliding")
    assert [f.begin for f in expanding] == [first] * 3
    assert len({f.start - f.begin for f in sliding}) == 1 and sliding[0].begin == first
    assert [f.start for f in sliding] == [f.start for f in expanding]
    assert all(len(row_N) for row_N in rows)
    frame = panel.frame(sliding[2].begin, sliding[2].cutoff)
    closes = frame["date"].astype("datetime64[s, UTC]").astype("int64") + HOUR
    assert closes.min() == sliding[2].begin and closes.max() == sliding[2].cutoff - HOUR


def test_between_two_refits_the_last_fit_stays() -> None:
    folds, _, _ = folds_of(make_market(), folds=5, refit_every=2)
    assert [f.fitted_in for f in folds] == [1, 1, 3, 3, 5]
    assert [f.fits for f in folds] == [True, False, True, False, True]
    assert folds[1].cuts == folds[0].cuts and folds[1].cutoff == folds[0].cutoff < folds[1].start
    plain, _, _ = folds_of(make_market(), folds=5)
    assert [(f.start, f.end) for f in folds] == [(f.start, f.end) for f in plain]


def test_rows_of_parts_are_found_in_the_panel() -> None:
    bars = make_market()
    panel = BacktestPanel(tuple(bars), 1, Naming("1h"))
    parts = panel.between(int(bars[0].close_time_N[50]), int(bars[0].close_time_N[90]))
    row_N = np.arange(sum(map(len, parts)))
    found = panel.rows(parts, row_N)
    np.testing.assert_array_equal(panel.time_R[found], np.concatenate([p.time_N for p in parts]))
    np.testing.assert_array_equal(panel.close_R[found], np.concatenate([p.columns["close"] for p in parts]))
    assert [len(p) for p in parts] == [40, 40]


def test_a_series_without_bars_in_a_part_is_left_out_of_it() -> None:
    bars = make_market()
    panel = BacktestPanel(tuple(bars), 1, Naming("1h"))
    early = panel.between(int(bars[0].close_time_N[0]), int(bars[1].close_time_N[0]))
    assert [b.ticker for b in early] == ["aaa"]
    np.testing.assert_array_equal(panel.rows(early, np.array([0, 3])), [0, 3])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"folds": 0}, ConfigError, "folds: found 0"),
        ({"folds": 2.0}, ConfigError, "folds: found 2.0"),
        ({"window": "rolling"}, ConfigError, "window: found 'rolling', should be one of 'expanding', 'sliding'"),
        ({"refit_every": 0}, ConfigError, "refit_every: found 0"),
        ({"embargo": -1}, ConfigError, "embargo: found -1"),
        ({"levels": [80]}, ConfigError, "write 0.8 for 80 %"),
        ({"folds": 500}, DataError, "folds: 500 are asked for, but"),
        ({"embargo": 1000}, DataError, "embargo: 1000 bars before 2020-"),
        ({"embargo": 140}, DataError, "fewer folds or a smaller embargo than 140 bars may help too"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        folds_of(make_market(), **{"folds": 2} | options)
    assert words in str(caught.value)


def test_a_fold_without_windows_of_a_ticker_is_refused_with_its_bars() -> None:
    bars = make_market()
    gone = Bars("bbb", "1h", bars[1].time_N[:175], {name: v[:175] for name, v in bars[1].columns.items()})
    with pytest.raises(DataError) as caught:
        folds_of([bars[0], gone], folds=3)
    for word in ("fold 3 (", "no test windows of bbb", "bbb_1h: ", "fewer folds may help"):
        assert word in str(caught.value)
    with pytest.raises(DataError) as caught:
        folds_of([bars[0], gone], folds=3, refit_every=3)
    for word in ("fold 3 (", "no windows of bbb_1h, which has ", " bars in the fold", "fewer folds may help"):
        assert word in str(caught.value)


def test_a_ticker_that_begins_after_the_first_cutoff_is_refused() -> None:
    bars = make_market()
    young = Bars("bbb", "1h", bars[1].time_N[190:], {name: v[190:] for name, v in bars[1].columns.items()})
    with pytest.raises(DataError, match=r"bbb_1h has no bars from .* to .*, before what is forecast"):
        folds_of([bars[0], young], folds=2)


def test_a_ticker_that_is_trained_only_may_begin_late() -> None:
    bars = make_market()
    young = Bars("bbb", "1h", bars[1].time_N[190:], {name: v[190:] for name, v in bars[1].columns.items()})
    _, rows, panel = folds_of([bars[0], young], {"test_tickers": ["aaa"]}, folds=2)
    assert all({panel.names[s] for s in panel.series_R[row_N]} == {"aaa"} for row_N in rows)
