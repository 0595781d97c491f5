"""Who may see what, for any number of tickers, resolutions, horizons and histories; by ``build_dataset``.

Every window is looked at one by one: which bars it holds, when they close, whether one is missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from builders import make_bars, make_config
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import SPANS, Dataset, build_dataset
from nextbar.errors import DataError

TICKERS = ("a", "b", "c", "d")


class Market(NamedTuple):
    config: ExperimentConfig
    bars: list[Bars]


@st.composite
def markets(draw: st.DrawFn, calendar: str = "24/7") -> Market:
    """Unequal histories with holes; some tickers only trained, some only scored."""
    tickers = TICKERS[: draw(st.integers(1, 4))]
    trained = draw(st.lists(st.sampled_from(tickers), min_size=1, unique=True))
    scored = draw(st.none() | st.lists(st.sampled_from(tickers), min_size=1, unique=True))
    resolutions = draw(st.lists(st.sampled_from(["30m", "1h", "4h", "1d"]), min_size=1, max_size=3, unique=True))
    config = make_config(
        tickers=trained,
        test_tickers=scored,
        resolution=resolutions,
        seq_len=draw(st.integers(2, 6)),
        horizon=draw(st.integers(1, 5)),
        test_split=draw(st.integers(5, 60)) / 100,
        validation_split=draw(st.integers(5, 60)) / 100,
        norm_mode=draw(st.sampled_from(["window_minmax", "global_meanstd"])),
        indicators=draw(st.none() | st.just(["ema_3"])),
        calendar=calendar,
    )
    bars = []
    for resolution in resolutions:
        for ticker in dict.fromkeys((*trained, *config.scored_tickers)):
            n = draw(st.integers(30, 120))
            first = draw(st.integers(0, n // 2))
            holes = draw(st.sets(st.integers(first + 1, n - 2), max_size=4))
            seed = draw(st.integers(0, 99))
            bars.append(make_bars(ticker, resolution, n, seed, holes={*range(first), *holes}))
    return Market(config, bars)


def built(market: Market) -> Dataset:
    """The dataset; a market with too few bars for a window of each kind is passed over."""
    try:
        return build_dataset(*market)
    except DataError:
        assume(False)
        raise


def span_of(close_times: list[int], dataset: Dataset) -> str | None:
    """The one span that holds all of the labels' closing times."""
    found = {
        "training" if t < dataset.cuts.validation else "validation" if t < dataset.cuts.test else "test"
        for t in close_times
    }
    return found.pop() if len(found) == 1 else None


law = settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


@law
@given(markets())
def test_each_span_holds_exactly_its_windows(market: Market) -> None:
    dataset, config = built(market), market.config
    length, horizon = config.dataset_config.seq_len, config.dataset_config.horizon
    first_valid = 2 if config.dataset_config.indicators else 0  # the third bar has the first ema of 3
    expected: dict[str, list[int]] = {span: [] for span in SPANS}
    history, start = [], 0
    fitted: dict[str, list[int]] = {span: [] for span in SPANS}
    own: dict[str, list[tuple[int, int]]] = {span: [] for span in SPANS}
    for s, bars in enumerate(market.bars):
        opens = bars.time_N.tolist()
        moves = []
        for origin in range(len(opens)):
            rows = range(origin - length + 1, origin + horizon + 1)
            if rows[-1] >= len(opens):
                continue
            spans_hole = {row for row in rows[:-1] if row >= 0 and opens[row + 1] - opens[row] != bars.step}
            span = span_of([opens[row] + bars.step for row in rows[length:]], dataset)
            if not spans_hole & set(rows[length - 1 :]):
                moves.append(start + origin)  # with a context or without
                history += moves[-1:] if span == "training" else []
            if rows[0] < first_valid or spans_hole:
                continue
            wanted = config.dataset_config.tickers if span == "training" else config.scored_tickers
            if span is not None and bars.ticker in wanted:
                expected[span].append(start + origin)
        for span in SPANS[1:]:
            origins = [row for row in expected[span] if row >= start]
            if origins and not any(row >= start for row in expected["training"]):
                own[span].append((s, origins[0] - start + 1))
                fitted[span] += [row for row in moves if row + horizon <= origins[0]]
            else:
                fitted[span] += [row for row in history if row >= start]
        start += len(opens)
    for span in SPANS:
        assert dataset.origins[span].tolist() == expected[span], span
    assert dataset.history_N.tolist() == history
    for span in SPANS[1:]:  # a series without training windows is known by its own bars up to its first origin
        rows_N, closes = dataset.baseline_history(span)
        assert rows_N.tolist() == fitted[span]
        before = dict(enumerate(map(len, dataset.training_closes()))) | dict(own[span])
        assert [close_N.tolist() for close_N in closes] == [
            b.columns["close"][: before[s]].tolist() for s, b in enumerate(market.bars)
        ]


@law
@given(markets(calendar="auto"))
def test_no_label_is_seen_too_early(market: Market) -> None:
    dataset = built(market)
    horizon = market.config.dataset_config.horizon
    label_times = {
        span: dataset.panel.close_time_R[rows[:, None] + np.arange(1, horizon + 1)]
        for span, rows in dataset.origins.items()
    }
    assert label_times["training"].max() < dataset.cuts.validation
    assert label_times["validation"].min() >= dataset.cuts.validation
    assert label_times["validation"].max() < dataset.cuts.test
    assert label_times["test"].min() >= dataset.cuts.test
    for span, rows in dataset.origins.items():
        ends = (
            dataset.panel.series_R[rows - market.config.dataset_config.seq_len + 1],
            dataset.panel.series_R[rows + horizon],
        )
        assert (ends[0] == ends[1]).all(), f"a window of {span} holds two series"
        assert len(set(rows.tolist())) == len(rows)


@law
@given(markets())
def test_statistics_know_only_bars_before_the_first_cut(market: Market) -> None:
    dataset = built(market)
    trained_times = []
    for bars, fit in zip(market.bars, dataset.preparation.series, strict=True):
        known = [row for row in range(len(bars)) if bars.time_N[row] + bars.step < dataset.cuts.validation]
        if bars.ticker in market.config.dataset_config.tickers:
            trained_times += [int(bars.time_N[row]) + bars.step for row in known]
        if known:
            highest = max(bars.columns["high"][row] for row in known)
            np.testing.assert_allclose(fit.statistics[0].maximum, highest, rtol=1e-15)
            mean = sum(bars.columns["volume"][row] for row in known) / len(known)
            np.testing.assert_allclose(fit.statistics[1].mean, mean, rtol=1e-12)
    assert (dataset.preparation.first_time, dataset.preparation.last_time) == (
        min(trained_times),
        max(trained_times),
    )


@law
@given(st.integers(1, 4), st.sets(st.integers(0, 399), max_size=3), st.integers(0, 23))
def test_a_window_never_spans_a_hole_of_a_market_with_sessions(horizon: int, lost: set[int], opens_at: int) -> None:
    """Open eight hours on weekdays: nights and weekends are no holes, a missing bar within a day is one."""
    every = make_bars(n=24 * 7 * 10)
    hour_N = (every.time_N // 3600 - opens_at) % 24
    # the night may cross midnight: the day is that of the session's opening
    day_N = ((every.time_N - 3600 * opens_at) // 86_400 + 3) % 7
    open_rows = np.flatnonzero((day_N < 5) & (hour_N < 8))
    inside = {int(open_rows[k]) for k in lost if k < len(open_rows) and 0 < hour_N[open_rows[k]] < 7}
    bars = make_bars(n=len(every), holes={*np.flatnonzero((day_N >= 5) | (hour_N >= 8)).tolist(), *inside})
    dataset = build_dataset(make_config(horizon=horizon), [bars])
    assert dataset.calendars[0].kind == "sessions"
    lost_times = np.array(sorted(every.time_N[row] for row in inside))
    rows = np.concatenate(list(dataset.origins.values()))
    first, last = bars.time_N[rows - 5], bars.time_N[rows + horizon]
    spanned = np.searchsorted(lost_times, last) - np.searchsorted(lost_times, first)
    assert (spanned == 0).all()
    everywhere = len(bars) - 5 - horizon
    assert len(rows) >= everywhere - 2 * (horizon - 1) - len(inside) * (5 + horizon), "nights cost no windows"
