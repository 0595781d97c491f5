"""From bars to spans: who is trained, who is scored, what is fitted, what is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import MONDAY, make_bars, make_config, make_frame, with_columns
from experiments import series

from nextbar.bars.bars import Bars, fingerprint, frame_bars
from nextbar.bars.columns import TableNeeds
from nextbar.bars.series import read_series, series_tickers
from nextbar.data.dataset import build_dataset
from nextbar.data.splits import Cuts
from nextbar.errors import DataError


def write(folder: Path, bars: Bars) -> None:
    path = folder / bars.resolution / f"{bars.name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    make_frame(bars).drop(columns=["ticker", "resolution"]).to_csv(path, index=False)


def test_every_window_is_in_one_span_but_the_purged() -> None:
    dataset = build_dataset(make_config(horizon=3), [make_bars(n=200)])
    counts = {span: len(rows) for span, rows in dataset.origins.items()}
    # 40 test, 32 validation, 128 training bars; H = 3 labels each, L = 6 bars before
    assert counts == {"training": 128 - 6 - 2, "validation": 32 - 2, "test": 40 - 2}
    np.testing.assert_array_equal(dataset.history_N, np.arange(128 - 3))  # whatever the context


def test_scored_but_never_trained() -> None:
    bars = [
        make_bars("eth", n=200, seed=1),
        make_bars("btc", n=150, seed=2, start=MONDAY + dt.timedelta(hours=20)),
    ]
    config = make_config(tickers="eth", test_tickers=["btc"], norm_mode="global_minmax")
    assert series_tickers(config) == ("eth", "btc")
    dataset = build_dataset(config, bars)
    assert dataset.trained == (True, False)
    assert dataset.scored == (False, True)
    assert set(dataset.panel.series_R[dataset.origins["training"]]) == {0}
    assert set(dataset.panel.series_R[dataset.origins["validation"]]) == {1}
    assert set(dataset.panel.series_R[dataset.origins["test"]]) == {1}
    assert set(dataset.panel.series_R[dataset.history_N]) == {0, 1}
    # btc's 150 bars alone make the cuts: 30 test, 24 validation
    btc = bars[1]
    assert dataset.cuts.test == btc.close_time_N[120]
    assert dataset.cuts.validation == btc.close_time_N[96]
    assert dataset.preparation.series[1].statistics[1].maximum == btc.columns["volume"][:96].max()
    eth = bars[0].close_time_N
    assert dataset.preparation.first_time == eth[0]
    assert dataset.preparation.last_time == eth[eth < dataset.cuts.validation][-1]
    np.testing.assert_array_equal(dataset.training_closes()[1], btc.columns["close"][:96])


def test_reports_name_the_resolution_only_where_there_are_several() -> None:
    assert build_dataset(make_config(), [make_bars()]).names == ("made_up",)
    several = build_dataset(make_config(resolution=["1h", "4h"]), [make_bars(), make_bars(resolution="4h", n=60)])
    assert several.names == ("made_up_1h", "made_up_4h")


def test_outcomes_are_what_the_bars_say() -> None:
    bars = [make_bars("a", n=200), make_bars("b", n=180, seed=1, price=7)]
    dataset = build_dataset(make_config(tickers=["a", "b"], horizon=2), bars)
    got = dataset.outcomes("test")
    assert got.names == ("a", "b")
    assert set(got.series_N) == {0, 1}
    for s, b in enumerate(bars):
        mine = got.series_N == s
        at = np.searchsorted(b.close_time_N, got.origin_time_N[mine])
        np.testing.assert_array_equal(b.close_time_N[at], got.origin_time_N[mine])
        np.testing.assert_array_equal(b.columns["close"][at], got.last_close_N[mine])
        np.testing.assert_array_equal(b.columns["close"][at[:, None] + [1, 2]], got.close_NH[mine])


def test_dates_outside_are_dropped_before_anything_is_fitted() -> None:
    bars = make_bars(resolution="1d", n=200)
    config = make_config(resolution="1d", initial_date="2020-02-01", final_date="2020-06-30")
    dataset = build_dataset(config, [bars])
    (kept,) = dataset.bars
    assert np.datetime64(int(kept.time_N[0]), "s") == np.datetime64("2020-02-01")
    assert np.datetime64(int(kept.time_N[-1]), "s") == np.datetime64("2020-06-30")
    assert dataset.preparation.first_time == kept.close_time_N[0]


def test_windows_wait_for_their_indicators() -> None:
    dataset = build_dataset(make_config(indicators=["bb_upper", "ema_30", "rsi"]), [make_bars(n=200)])
    assert dataset.origins["training"][0] == 29 + 5  # row 29 is the first with an ema of 30, 6 of them make a window


def test_windows_keep_away_from_holes() -> None:
    dataset = build_dataset(make_config(calendar="24/7", horizon=2), [make_bars(n=200, holes=[50, 51])])
    rows = dataset.origins["training"]
    assert not set(range(48, 55)) & set(rows)  # rows 50 on follow the hole
    assert {47, 55} <= set(rows)


def test_a_series_that_begins_after_the_cut_keeps_the_hours_of_its_market() -> None:
    day_N = (make_bars(resolution="1d", n=700).time_N // 86_400 + 3) % 7
    weekends = set(np.flatnonzero(day_N >= 5).tolist())
    old, new = (make_bars(t, "1d", 700, holes=weekends | set(range(first))) for t, first in (("old", 0), ("new", 550)))
    config = make_config(resolution="1d", tickers=["old"], test_tickers=["old", "new"])
    dataset = build_dataset(config, [old, new])
    assert new.close_time_N[0] > dataset.cuts.validation
    assert [len(c.open_slots) for c in dataset.calendars] == [5, 5]
    assert dataset.describe()["series"][1]["holes"] == 0


def test_nothing_is_fitted_on_bars_of_the_embargo() -> None:
    """Bars between the end of the training labels and the cut change no statistic, no calendar and no window."""
    config = make_config(norm_mode="global_meanstd")
    bars = series(config)[0]
    close_N = bars.close_time_N
    cuts = Cuts(int(close_N[90]), int(close_N[120]), (int(close_N[80]), int(close_N[110])))
    changed = {
        name: np.where((np.arange(150) >= 80) & (np.arange(150) < 90), 3 * v, v) for name, v in bars.columns.items()
    }
    first, second = (build_dataset(config, [b], cuts) for b in (bars, dataclasses.replace(bars, columns=changed)))
    assert first.preparation == second.preparation
    np.testing.assert_array_equal(first.training_closes(), second.training_closes())
    last_label_N = close_N[first.origins["training"] + config.dataset_config.horizon]
    assert last_label_N.max() < cuts.training_end
    assert close_N[first.origins["validation"] + config.dataset_config.horizon].max() < cuts.validation_end


def test_cuts_after_the_last_bar_leave_everything_to_training() -> None:
    config = make_config()
    bars = series(config)
    end = int(bars[0].close_time_N[-1]) + 1
    dataset = build_dataset(config, bars, Cuts(end, end))
    assert {span: len(rows) for span, rows in dataset.origins.items()} == {
        "training": 150 - config.dataset_config.seq_len,
        "validation": 0,
        "test": 0,
    }


def test_the_scored_bars_are_told_apart_by_what_is_scored_alone() -> None:
    """Runs may be ranked together whatever they see of the bars before, and only if they are scored on the same."""
    config = make_config()
    bars = series(config)[0]

    def digest(factor: float, first: int, last: int, **overrides: Any) -> str:
        row = np.arange(150)
        columns = {k: np.where((row >= first) & (row < last), factor * v, v) for k, v in bars.columns.items()}
        return build_dataset(make_config(**overrides), [dataclasses.replace(bars, columns=columns)]).scored_digest()

    plain = digest(1, 0, 0)
    assert len(plain) == 10 and int(plain, 16)
    assert digest(2, 0, 50) == plain
    assert digest(1, 0, 0, seq_len=5, max_seq_len=5) == plain
    assert digest(2, 149, 150) != plain
    assert digest(1, 0, 0, test_split=0.3) != plain
    renamed = build_dataset(make_config(tickers="other"), [dataclasses.replace(bars, ticker="other")])
    assert renamed.scored_digest() != plain, "of another ticker"
    dataset = build_dataset(config, [bars])
    first = int(np.searchsorted(bars.close_time_N, dataset.cuts.validation))
    late = Bars(bars.ticker, "1h", bars.time_N[first:], {"close": bars.columns["close"][first:]})
    text = f"Cuts(validation={dataset.cuts.validation}, test={dataset.cuts.test}, embargo=0) {fingerprint([late])}"
    assert plain == hashlib.sha256(text.encode()).hexdigest()[:10], "as every version has it"
    assert digest(2, first, first + 1) != plain, "the bar that closes at the cut is scored"
    assert digest(2, first - 1, first) == plain


def test_the_baselines_of_a_series_that_was_not_trained_learn_until_its_first_origin() -> None:
    """In a span; of one that was trained, whatever is in the training span."""
    late = make_bars("late", n=60, seed=3, start=MONDAY + dt.timedelta(hours=150), holes=[7])
    bars = [make_bars("a", n=200), late, make_bars("only_scored", n=200, seed=4)]
    config = make_config(tickers=["a"], test_tickers=["a", "late", "only_scored"], horizon=2, calendar="24/7")
    dataset = build_dataset(config, bars)
    assert dataset.learnt == (True, False, False)
    for span in ("validation", "test"):
        row_N, closes = dataset.baseline_history(span)
        starts = np.cumsum([0, *map(len, bars)])
        expected = [dataset.history_N[dataset.history_N < 200]]
        for s in (1, 2):
            own_N = dataset.origins[span][dataset.panel.series_R[dataset.origins[span]] == s]
            if not len(own_N):
                expected.append(dataset.history_N[dataset.panel.series_R[dataset.history_N] == s])
                continue
            origin, time_N = int(own_N.min() - starts[s]), bars[s].time_N
            whole = [i for i in range(origin - 1) if time_N[i + 2] - time_N[i] == 2 * 3600]
            expected.append(np.array(whole, int) + starts[s])
            np.testing.assert_array_equal(closes[s], bars[s].columns["close"][: origin + 1])
        np.testing.assert_array_equal(row_N, np.concatenate(expected))
        np.testing.assert_array_equal(closes[0], dataset.training_closes()[0])


def test_the_description_is_plain_and_complete() -> None:
    bars = [make_bars("a", n=200, holes=[30]), make_bars("b", n=200, volume=False)]
    dataset = build_dataset(make_config(tickers="a", test_tickers=["a", "b"]), bars)
    facts = json.loads(json.dumps(dataset.describe()))
    assert [s["name"] for s in facts["series"]] == ["a", "b"]
    assert [s["holes"] for s in facts["series"]] == [1, 0]
    assert [s["trained"] for s in facts["series"]] == [True, False]
    assert facts["series"][0]["bars"] == 199
    assert facts["series"][0]["first"] == "2020-01-06T00:00:00Z"
    assert (facts["series"][0]["calendar"], facts["series"][0]["timezone"]) == ("24/7", "UTC")
    assert facts["dropped_features"] == {"volume": ["b_1h"]}
    assert facts["windows"] == {span: len(rows) for span, rows in dataset.origins.items()}
    assert facts["validation_from"] < facts["test_from"]


def test_nothing_is_called_dropped_that_was_not_asked_for() -> None:
    bars = [make_bars("a"), make_bars("b", volume=False)]
    assert build_dataset(make_config(tickers=["a", "b"], features="ohlc"), bars).describe()["dropped_features"] == {}


def test_series_come_from_files_with_their_tickers_and_resolutions(tmp_path: Path) -> None:
    written = [make_bars(t, r, n=60, seed=7) for r in ("1h", "4h") for t in ("eth", "btc")]
    for bars in written:
        write(tmp_path, bars)
    config = make_config(datapath=str(tmp_path), tickers="eth", test_tickers=["btc"], resolution=["1h", "4h"])
    read = read_series(config)
    assert [b.name for b in read] == ["eth_1h", "btc_1h", "eth_4h", "btc_4h"]
    for one, other in zip(read, written, strict=True):
        np.testing.assert_array_equal(one.time_N, other.time_N)
        np.testing.assert_allclose(one.columns["close"], other.columns["close"], rtol=1e-15)


def test_no_bars_in_the_dates_is_said_with_the_dates_there_are() -> None:
    with pytest.raises(DataError, match=r"made_up_1h: no bars within initial_date 2031-01-01; the series runs"):
        build_dataset(make_config(initial_date="2031-01-01"), [make_bars()])


def test_a_trained_series_after_the_cut_is_refused_by_global_modes_only() -> None:
    late = make_bars("late", n=50, start=MONDAY + dt.timedelta(hours=180))
    fields = {"tickers": ["made_up", "late"], "test_tickers": ["made_up"]}
    with pytest.raises(DataError, match=r"late_1h: .*global_meanstd.*window mode"):
        build_dataset(make_config(norm_mode="global_meanstd", **fields), [make_bars(n=200), late])
    dataset = build_dataset(make_config(**fields), [make_bars(n=200), late])
    assert set(dataset.panel.series_R[dataset.origins["training"]]) == {0}


def test_nothing_to_train_on_is_said() -> None:
    late = make_bars("late", n=50, start=MONDAY + dt.timedelta(hours=180))
    config = make_config(tickers="late", test_tickers=["made_up"])
    with pytest.raises(DataError, match=r"late.*nothing is left to train on"):
        build_dataset(config, [make_bars(n=200), late])


def test_a_scored_ticker_without_test_windows_is_named() -> None:
    short = make_bars("short", n=60)
    with pytest.raises(DataError, match="no test windows of short"):
        build_dataset(make_config(tickers=["made_up", "short"]), [make_bars(n=200), short])


def test_a_volume_that_is_empty_in_the_training_span_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    bars = make_bars(n=200)
    bars.columns["volume"][:150] = np.nan  # the training span ends after 128 bars
    with caplog.at_level("WARNING", "nextbar"):
        dataset = build_dataset(make_config(), [bars])
    assert dataset.preparation.spec.volumes == ()
    late = make_bars("late", n=72, start=MONDAY + dt.timedelta(hours=128))
    both = build_dataset(make_config(test_tickers=["made_up", "late"], validation_split=0.45), [bars, late])
    assert both.dropped == {}, "late has no bars in the training span, and no say"
    facts = dataset.describe()
    assert facts["series"][0]["notices"] == ["volume is empty in the training span and left out"]
    assert facts["dropped_features"] == {}, "no other series has it"
    assert "volume is empty in the training span" in caplog.text
    assert build_dataset(make_config(initial_date="2020-01-10"), [bars]).preparation.spec.volumes == ("volume",)


@pytest.mark.parametrize("norm_mode", ["window_minmax", "global_minmax"])
def test_what_one_series_lacks_in_training_none_has(norm_mode: str) -> None:
    bars = [make_bars("a", n=200), make_bars("b", n=200)]
    bars[1].columns["volume"][:150] = np.nan
    for fields in ({"tickers": ["a", "b"]}, {"tickers": ["a"], "test_tickers": ["a", "b"]}):
        dataset = build_dataset(make_config(norm_mode=norm_mode, **fields), bars)
        assert dataset.preparation.spec.volumes == ()
        assert dataset.describe()["dropped_features"] == {"volume": ["b_1h"]}


def test_a_series_after_the_training_span_has_no_say_in_the_features() -> None:
    late = make_bars("late", n=72, start=MONDAY + dt.timedelta(hours=128), volume=False)
    fields = {"tickers": ["made_up"], "test_tickers": ["made_up", "late"], "validation_split": 0.45}
    with pytest.raises(DataError, match=r"no test windows of late(.|\n)*volume is empty in 72 of 72 bars of late_1h"):
        build_dataset(make_config(**fields), [make_bars(n=200), late])
    late.columns["volume"] = np.where(np.arange(72) < 40, np.nan, 1.0)
    dataset = build_dataset(make_config(**fields), [make_bars(n=200), late])
    assert dataset.preparation.spec.volumes == ("volume",)
    assert late.close_time_N[0] >= dataset.cuts.validation


def test_an_own_indicator_counts_as_there_though_it_is_empty() -> None:
    """Else values that come after the training span would decide whether it is computed."""
    for first in (150, 200):
        own = with_columns(make_bars(n=200), rsi=np.where(np.arange(200) < first, np.nan, 0.5))
        with pytest.raises(DataError, match=r"no training windows(.|\n)*rsi is empty in \d+ of 200 bars"):
            build_dataset(
                make_config(indicators=["rsi"]), frame_bars(make_frame(own), "1h", TableNeeds(indicators=("rsi",)))
            )


def test_a_trained_ticker_that_begins_too_late_has_no_training_windows() -> None:
    bars = [make_bars("a", n=200), make_bars("b", n=30, start=MONDAY + dt.timedelta(hours=170))]
    facts = build_dataset(make_config(tickers=["a", "b"], test_tickers=["a"]), bars).describe()
    assert [s["training_windows"] for s in facts["series"]] == [facts["windows"]["training"], 0]
