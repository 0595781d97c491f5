"""Splits against a plain reading of their definition."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from nextbar.bars.bars import Bars
from nextbar.data.splits import Cuts, find_cuts, require_length, require_windows, spans, whole_windows
from nextbar.errors import DataError

SPANS = ("training", "validation", "test")
HOUR = 3600


@st.composite
def markets(draw: st.DrawFn) -> list[np.ndarray]:
    """Closing times of any number of series: resolutions, beginnings and ends differ, bars are missing."""
    series = []
    for _ in range(draw(st.integers(1, 5))):
        step = draw(st.sampled_from([1, 4, 24])) * HOUR
        slots = draw(st.lists(st.integers(0, 60), unique=True, max_size=40))
        start = draw(st.integers(0, 40)) * HOUR
        series.append(start + step * (1 + np.sort(np.array(slots, np.int64))))
    return series


shares = st.integers(1, 99).map(lambda percent: percent / 100)


def slow_cuts(series: list[np.ndarray], test_split: float, validation_split: float) -> tuple[int, int] | None:
    times = sorted(int(time) for one in series for time in one)
    if not times:
        return None
    test = times[-math.ceil(Fraction(round(test_split * 100), 100) * len(times))]
    rest = [time for time in times if time < test]
    if not rest:
        return None
    return rest[-math.ceil(Fraction(round(validation_split * 100), 100) * len(rest))], test


def slow_span(label_times: list[int], cuts: Cuts) -> str | None:
    limits = {
        "training": (-math.inf, cuts.training_end),
        "validation": (cuts.validation, cuts.validation_end),
        "test": (cuts.test, math.inf),
    }
    sides = [name for name, (begin, end) in limits.items() if all(begin <= t < end for t in label_times)]
    return sides[0] if sides else None


@given(markets(), shares, shares)
@example([np.arange(100) * HOUR], 0.07, 0.29)  # 0.07 x 100 and 0.29 x 93 are not what they seem in floats
def test_cuts_are_where_the_last_shares_of_the_pool_begin(
    series: list[np.ndarray], test_split: float, validation_split: float
) -> None:
    expected = slow_cuts(series, test_split, validation_split)
    if expected is None:
        with pytest.raises(DataError):
            find_cuts(series, test_split, validation_split)
    else:
        assert find_cuts(series, test_split, validation_split) == Cuts(*expected)


@given(st.integers(3, 400), st.integers(3, 97).map(lambda percent: percent / 100))
def test_one_series_of_distinct_times_has_exactly_its_share(n: int, share: float) -> None:
    time_N = HOUR * np.arange(n)
    assume(math.ceil(round(share * 100) * n / 100) < n)
    cuts = find_cuts([time_N], share, 0.5)
    assert (time_N >= cuts.test).sum() == math.ceil(round(share * 100) * n / 100)
    before = int((time_N < cuts.test).sum())
    assert ((time_N >= cuts.validation) & (time_N < cuts.test)).sum() == math.ceil(before / 2)


@given(markets(), st.permutations(range(5)), shares, shares)
def test_the_order_of_the_series_does_not_matter(
    series: list[np.ndarray], order: list[int], test_split: float, validation_split: float
) -> None:
    assume(slow_cuts(series, test_split, validation_split) is not None)
    shuffled = [series[i] for i in order if i < len(series)]
    assert find_cuts(shuffled, test_split, validation_split) == find_cuts(series, test_split, validation_split)


@given(markets(), st.integers(1, 4), st.integers(1, 5), shares, shares, st.integers(0, 30), st.randoms())
def test_windows_go_where_all_their_labels_are(
    series: list[np.ndarray],
    seq_len: int,
    horizon: int,
    test_split: float,
    validation_split: float,
    embargo: int,
    random: object,
) -> None:
    scored = series[: max(1, len(series) - 1)]  # the last one is trained on only: the cuts do not know it
    assume(slow_cuts(scored, test_split, validation_split) is not None)
    cuts = find_cuts(scored, test_split, validation_split)
    cuts = replace(cuts, ends=(cuts.validation - embargo * HOUR, cuts.test - embargo * HOUR))
    for time_N in series:
        hole_N = np.array([random.random() < 0.1 for _ in time_N], bool)  # type: ignore[attr-defined]
        valid_N = np.array([random.random() < 0.9 for _ in time_N], bool)  # type: ignore[attr-defined]
        whole_N = whole_windows(hole_N, seq_len, horizon, valid_N)
        assert whole_N.dtype == bool
        found = spans(time_N, whole_N, horizon, cuts)
        expected: dict[str | None, list[int]] = {name: [] for name in (*SPANS, None)}
        for origin in range(len(time_N)):
            context = range(origin - seq_len + 1, origin + 1)
            labels = range(origin + 1, origin + horizon + 1)
            if context[0] < 0 or labels[-1] >= len(time_N) or not all(valid_N[row] for row in context):
                continue
            if any(hole_N[row] for row in (*context[1:], *labels)):
                continue
            expected[slow_span([int(time_N[row]) for row in labels], cuts)].append(origin)
        assert list(found) == list(SPANS)
        for name in SPANS:
            assert found[name].tolist() == expected[name]


def test_cuts_are_read_as_this_and_earlier_versions_wrote_them() -> None:
    for cuts in (Cuts(7, 9), Cuts(7, 9, (4, 8))):
        assert Cuts.from_dict(json.loads(json.dumps(asdict(cuts)))) == cuts
    assert Cuts.from_dict({"validation": 70, "test": 90, "embargo": 0}) == Cuts(70, 90)
    assert Cuts.from_dict({"validation": 70, "test": 90, "embargo": 3}) == Cuts(70, 90, (67, 87))
    assert Cuts(7, 9, (4, 8)).without_validation() == Cuts(9, 9, (8, 8))
    assert Cuts(7, 9).without_validation() == Cuts(9, 9)
    # folders of refits and folds are called by this text, and were by earlier versions
    assert repr(Cuts(7, 9)) == "Cuts(validation=7, test=9, embargo=0)"
    assert repr(Cuts(7, 9, (4, 8))) == "Cuts(validation=7, test=9, embargo=(4, 8))"


@given(markets(), st.integers(1, 5), shares, shares)
def test_no_label_is_known_after_its_cut(
    series: list[np.ndarray], horizon: int, test_split: float, validation_split: float
) -> None:
    assume(slow_cuts(series, test_split, validation_split) is not None)
    cuts = find_cuts(series, test_split, validation_split)
    assert cuts.validation < cuts.test
    for time_N in series:
        found = spans(time_N, np.ones(len(time_N), bool), horizon, cuts)
        for origin in found["training"]:
            assert time_N[origin + horizon] < cuts.validation
        for origin in found["validation"]:
            assert cuts.validation <= time_N[origin + 1] and time_N[origin + horizon] < cuts.test
        for origin in found["test"]:
            assert time_N[origin + 1] >= cuts.test
        everywhere = np.concatenate([found[name] for name in SPANS])
        assert len(np.unique(everywhere)) == len(everywhere)


def test_a_label_closing_at_the_cut_belongs_to_the_later_span() -> None:
    time_N = HOUR * np.arange(1, 11)
    found = spans(time_N, np.ones(10, bool), 2, Cuts(validation=5 * HOUR, test=8 * HOUR))
    # labels of origin i close at hours i+2 and i+3
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "training": [0, 1], "validation": [3, 4], "test": [6, 7],
    }  # fmt: skip


def bars(ticker: str, n: int, first: int = 0, resolution: str = "1h") -> Bars:
    time_N = HOUR * (first + np.arange(n, dtype=np.int64))
    return Bars(ticker, resolution, time_N, {"close": np.ones(n)})


def check(
    series: list[Bars],
    cuts: Cuts,
    trained: list[bool],
    scored: list[bool],
    seq_len: int = 4,
    horizon: int = 2,
) -> None:
    windows = [
        spans(b.close_time_N, whole_windows(np.zeros(len(b), bool), seq_len, horizon), horizon, cuts) for b in series
    ]
    require_windows(series, windows, cuts, trained=trained, scored=scored, seq_len=seq_len, horizon=horizon)


def test_a_scored_ticker_without_labels_is_named_with_its_counts() -> None:
    ended, whole, learner = bars("eth_usd", 60), bars("btc_usd", 100), bars("sol_usd", 50)
    cuts = Cuts(validation=60 * HOUR, test=80 * HOUR)
    check([whole], cuts, [True], [True])
    check([whole, learner], cuts, [True, True], [True, False])  # what is only trained on needs no other windows
    with pytest.raises(DataError) as told:
        check([whole, ended], cuts, [True, False], [True, True])
    text = str(told.value)
    assert "btc_usd" not in text and "no training" not in text
    assert "validation" not in text  # the other ticker has some
    assert "no test windows of eth_usd" in text and "60 bars, 0 in the test span (from 1970-01-04T08:00:00Z)" in text
    assert "a window is 6 bars without a hole or an empty value (seq_len 4 + horizon 2)" in text


def test_nothing_to_choose_by_is_told() -> None:
    told = r"no validation windows\n  btc_usd_1h: 100 bars, 1 in the validation span .*, 2 needed"
    with pytest.raises(DataError, match=told):
        check([bars("btc_usd", 100)], Cuts(validation=60 * HOUR, test=61 * HOUR), [True], [True])


def test_nothing_to_train_on_is_told() -> None:
    early, late = bars("btc_usd", 100), bars("eth_usd", 30, first=70)
    told = r"no training windows\n  eth_usd_1h: 30 bars, 0 in the training span .*, 6 needed"
    with pytest.raises(DataError, match=told):
        check([early, late], Cuts(validation=60 * HOUR, test=80 * HOUR), [False, True], [True, False])


def test_fewer_bars_than_one_window() -> None:
    with pytest.raises(DataError, match="5 bars"):
        check([bars("btc_usd", 5)], Cuts(validation=3 * HOUR, test=4 * HOUR), [True], [True])


def test_one_series_as_long_as_a_window_is_enough_and_one_bar_less_is_not() -> None:
    require_length([bars("a", 5), bars("b", 6)], seq_len=4, horizon=2)
    with pytest.raises(DataError) as told:
        require_length([bars("a", 3), bars("b", 5)], seq_len=4, horizon=2)
    assert str(told.value) == (
        "fewer bars than one window, which is 6 (seq_len 4 + horizon 2): a_1h has 3, b_1h has 5; "
        "use more bars, or a shorter seq_len or horizon"
    )


def test_a_test_is_asked_for_as_soon_as_a_bar_closes_at_its_cut() -> None:
    """One bar is no window of two labels; while all close earlier, nothing is to be tested."""
    cuts = Cuts(validation=60 * HOUR, test=80 * HOUR)
    check([bars("btc_usd", 79)], cuts, [True], [True])
    with pytest.raises(DataError, match="no test windows of btc_usd"):
        check([bars("btc_usd", 80)], cuts, [True], [True])


def test_each_span_is_told_with_its_ends() -> None:
    with pytest.raises(DataError) as told:
        check([bars("btc_usd", 5)], Cuts(validation=3 * HOUR, test=4 * HOUR), [True], [True])
    assert str(told.value).splitlines()[:6] == [
        "no training windows",
        "  btc_usd_1h: 5 bars, 2 in the training span (before 1970-01-01T03:00:00Z), 6 needed",
        "no validation windows",
        "  btc_usd_1h: 5 bars, 1 in the validation span (from 1970-01-01T03:00:00Z and before 1970-01-01T04:00:00Z), "
        "2 needed",
        "no test windows of btc_usd",
        "  btc_usd_1h: 5 bars, 2 in the test span (from 1970-01-01T04:00:00Z), 2 needed; and seq_len 4 bars of context "
        "before them, but there are 3: use a shorter seq_len",
    ]


def test_one_resolution_of_a_ticker_is_enough() -> None:
    fine, coarse = bars("btc_usd", 100), bars("btc_usd", 3, resolution="1d")
    check([fine, coarse], Cuts(validation=60 * HOUR, test=80 * HOUR), [True, True], [True, True])


@pytest.mark.parametrize(
    ("series", "said"),
    [
        ([], "the scored tickers have no bars, so there is nothing to split"),
        ([np.empty(0, np.int64)], "the scored tickers have no bars, so there is nothing to split"),
        ([np.array([HOUR])], "the scored tickers have 1 bars and all are test with test_split 0.15; at least one is "
         "needed before the test span begins"),
    ],
)  # fmt: skip
def test_too_few_bars_to_split(series: list[np.ndarray], said: str) -> None:
    with pytest.raises(DataError) as told:
        find_cuts(series, 0.15, 0.1)
    assert str(told.value) == said


def test_the_context_that_is_missing_is_counted_up_to_the_last_origin_of_the_span() -> None:
    """A window of 4 bars and 2 labels: with 5 bars before the end it lacks one of context, with 6 none."""
    for test, before in ((5, 2), (6, 3)):
        with pytest.raises(DataError) as told:
            check([bars("a", 20)], Cuts(validation=2 * HOUR, test=test * HOUR), [True], [True], seq_len=before + 1)
        assert (
            f"\n  a_1h: 20 bars, {test - 2} in the validation span (from 1970-01-01T02:00:00Z and before "
            f"1970-01-01T0{test}:00:00Z), 2 needed; and seq_len {before + 1} bars of context before them, but there "
            f"are {before}: use a shorter seq_len\n"
        ) in str(told.value)
    nothing = {name: np.empty(0, np.int64) for name in SPANS}
    with pytest.raises(DataError) as told:
        require_windows(
            [bars("a", 20)], [nothing], Cuts(15 * HOUR, 17 * HOUR), trained=[True], scored=[False], seq_len=8, horizon=2
        )
    assert str(told.value).splitlines()[:2] == [
        "no training windows",
        "  a_1h: 20 bars, 14 in the training span (before 1970-01-01T15:00:00Z), 10 needed",
    ], "it has no context before it"
