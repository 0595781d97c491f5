"""The pieces a report is made of: escaping, packing, thinning, grouping."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, with_columns
from hypothesis import given
from hypothesis import strategies as st
from made_up_spans import make_scorer, random_forecast
from markets import local_clock
from page_text import KINDS, Text, unpacked

from nextbar.bars.columns import PRICES
from nextbar.display.fan import fan_figure
from nextbar.display.figure import packed, script_json
from nextbar.display.folds import fold_figure
from nextbar.display.markup import element, join, table
from nextbar.forecasts.in_words import in_words
from nextbar.forecasts.outlook import outlook
from nextbar.forecasts.table import Keys
from nextbar.metrics.task import Task
from nextbar.move_bins import bin_labels
from nextbar.report.breakdown import parts
from nextbar.report.explorer import MAX_BARS, Explorer, captions
from nextbar.report.groupings import Grouping, groupings, quintile, volatility
from nextbar.report.page import Section, page
from nextbar.report.price import price_figure, spans, thinned
from nextbar.report.scores import number, signed
from nextbar.report.tracks import Step, Track, placed
from nextbar.types import Forecast

HOSTILE = '<img src=x onerror=alert(1)> & "quoted" </script> ${title} é'


@given(st.text())
def test_text_reads_back_as_it_was_and_never_becomes_a_tag(text):
    parsed = Text(element("p", text, title=text))
    assert parsed.tags == ["p"]
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    assert parsed.said.replace("\r\n", "\n").replace("\r", "\n") == plain
    assert parsed.values == [text]


def test_markup_is_not_escaped_twice_and_none_is_left_out():
    inner = element("b", "a & b")
    assert element("p", inner, None, 3, class_="note", id=None) == '<p class="note"><b>a &amp; b</b>3</p>'
    assert join(("a", None, inner), "|") == "a|<b>a &amp; b</b>"


def test_a_table_names_its_rows_and_columns():
    made = table(("name", "n"), [("a<b", "1")], caption="c")
    assert '<th scope="row">a&lt;b</th><td class="number">1</td>' in made
    assert '<th scope="col">name</th><th scope="col" class="number">n</th>' in made


@given(st.recursive(st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=9))
def test_json_in_a_script_reads_back_and_cannot_end_the_script(value):
    written = script_json(value)
    assert json.loads(written) == value
    assert not set("<>&") & set(written)


@pytest.mark.parametrize("dtype", KINDS)
def test_packed_numbers_read_back_little_endian(dtype):
    values = np.array([0, 1, 200, 3])
    np.testing.assert_array_equal(unpacked(packed(values, dtype)), values)


def test_a_gap_stays_a_gap():
    np.testing.assert_array_equal(unpacked(packed([1.5, np.nan])), np.array([1.5, np.nan], np.float32))


@given(st.integers(1, 3000), st.integers(4, 600), st.integers(0, 9))
def test_a_thinned_line_keeps_its_ends_and_extremes(n, limit, seed):
    values = np.random.default_rng(seed).normal(size=n).cumsum()
    kept = thinned(values, limit)
    assert len(kept) <= max(limit, 2) and (np.diff(kept) > 0).all()
    assert {0, n - 1, int(values.argmin()), int(values.argmax())} <= set(kept.tolist())


def test_spans_meet_and_reach_from_the_first_close_to_the_last():
    bars = make_bars(n=100)
    validation, test = (int(bars.close_time_N[i]) for i in (60, 80))
    found = spans(bars, validation, test, True)
    assert [b.label for b in found] == ["training", "validation", "test"]
    assert [b.end for b in found[:-1]] == [b.begin for b in found[1:]] == [validation, test]
    assert (found[0].begin, found[-1].end) == (bars.close_time_N[0], bars.close_time_N[-1])


def test_a_span_without_time_is_not_drawn():
    bars = make_bars(n=100)
    later = int(bars.close_time_N[-1]) + 1
    assert [b.label for b in spans(bars, later, later, True)] == ["training"]
    assert [b.label for b in spans(bars, 0, 0, True)] == ["test"]


@given(st.integers(-5, 105), st.integers(0, 20))
def test_no_bar_is_training_of_a_series_that_was_not_learnt_from(at, n):
    bars = make_bars(n=100)
    validation = int(bars.close_time_N[0]) + 3600 * at
    known, strange = (spans(bars, validation, validation + 3600 * n, learnt) for learnt in (True, False))
    assert strange == [band for band in known if band.label != "training"]


@pytest.mark.parametrize("mode", ["mean", "distribution", "discrete_grid"])
def test_a_caption_is_true_by_day_and_by_night(mode):
    assert not re.search("dark|light|black|white", captions(mode, 0.8, conformal=True))


def test_the_model_comes_first_in_the_legend_and_lies_in_front():
    figure = fold_figure("key", "title", "%", {"<model>": [1.0, None], "a": [2.0, 3.0], "b": [4.0, 5.0]}, "")
    assert re.findall(r"<button.*?</svg>(.*?)</button>", figure.html()) == ["&lt;model&gt;", "a", "b"]
    model, *rivals = figure.drawings[""].data
    assert all(model["zorder"] > rival["zorder"] for rival in rivals)


def test_volatility_is_pandas_rolling_root_mean_square_within_each_series():
    rising, other = make_bars(n=60), make_bars(n=50, seed=1)
    around_zero = with_columns(other, close=other.columns["close"] - 100.0)
    expected = []
    for level in (np.log(rising.columns["close"]), around_zero.columns["close"]):
        squared = pd.Series(np.diff(level) ** 2)
        expected.append(np.r_[0.0, np.sqrt(squared.rolling(20, min_periods=1).mean())])
    np.testing.assert_allclose(volatility([rising, around_zero]), np.concatenate(expected), rtol=1e-9)


def test_quintiles_are_pandas_qcut_within_each_series():
    rng = np.random.default_rng(0)
    values, series = rng.lognormal(size=400), rng.integers(0, 3, 400)
    found = quintile(values, series)
    for s in range(3):
        expected = pd.qcut(values[series == s], 5, labels=False)
        np.testing.assert_array_equal(found[series == s], expected)


def test_hours_and_weekdays_are_those_of_the_market():
    """Monday 00:00 UTC on; Sunday evening in New York, in Tokyo nine hours later."""
    bars = [make_bars("dear", n=100), make_bars("cheap", n=100)]
    scorer = make_scorer(1, output_mode="distribution")
    origin_N = np.arange(len(scorer.outcomes.series_N)) % 199
    for zones, clock in (
        (("America/New_York", "America/New_York"), "America/New_York"),
        (("UTC", "Asia/Tokyo"), "time of each market"),
    ):
        found = {grouping.key: grouping for grouping in groupings(bars, zones, origin_N, scorer)}
        assert found["by-hour"].axis == f"hour ({clock})" and found["by-weekday"].axis == f"weekday ({clock})"
        series_N = (origin_N + 1) // 100
        time_N = np.concatenate([b.time_N for b in bars])[origin_N + 1]
        local = [local_clock([time], zones[s])[0] for time, s in zip(time_N, series_N, strict=True)]
        np.testing.assert_array_equal(found["by-hour"].group_N, [hour for hour, _ in local])
        np.testing.assert_array_equal(found["by-weekday"].group_N, [weekday for _, weekday in local])


def test_parts_weighted_by_their_windows_give_the_whole():
    scorer = make_scorer(2, output_mode="distribution")
    forecast = random_forecast(scorer)
    one = np.flatnonzero(scorer.outcomes.series_N == 0)
    hour_N = np.full(len(scorer.outcomes.series_N), -1)
    hour_N[one] = np.arange(len(one)) % 5
    found = parts(Grouping("h", "h", "h", tuple("abcdef"), hour_N), scorer, forecast, "nll")
    assert [part.label for part in found] == list("abcde")
    assert sum(part.windows for part in found) == len(one)
    for ours, whole in (("model", scorer.score(forecast)), ("rival", scorer.baseline)):
        mean = np.average([getattr(part, ours) for part in found], weights=[part.windows for part in found])
        np.testing.assert_allclose(mean, whole.by_ticker["dear"].pooled["nll"], rtol=1e-12)


def test_bins_are_named_by_what_falls_into_them():
    assert bin_labels(()) == []
    assert bin_labels((-1, 1)) == ["any"]
    assert bin_labels((-np.inf, -1, 0.5, 9)) == ["below −1 %", "−1 to 0.5 %", "above 0.5 %"]


def test_numbers_have_five_digits_and_skills_a_sign():
    assert [number(v) for v in (0.000123456, -2.0, None)] == ["0.00012346", "−2", ""]
    assert signed(0.01234) == '<span class="good">+0.0123</span>'
    assert signed(-0.01234) == '<span class="bad">−0.0123</span>'
    assert signed(0.0) == "<span>+0.0000</span>"


def test_forecasts_stand_at_the_bars_they_are_about():
    found = placed(4, np.array([3, 1]), np.array([30.0, 10.0]))
    np.testing.assert_array_equal(found, [np.nan, 10.0, np.nan, 30.0])


def test_times_read_back_whatever_the_gaps_between_bars():
    time_N = 1_600_000_000 + 60 * np.array([0, 1, 2, 700, 701, 3000, 90_000])
    plain = _track(time_N).plain()
    read = plain["begin"] + plain["unit"] * np.cumsum(unpacked(plain["gaps"]).astype(np.int64))
    np.testing.assert_array_equal(read, time_N)


def test_the_weekend_is_left_out_where_no_bar_opens_in_it():
    monday = 1_578_268_800
    days = monday + 86_400 * np.arange(14)
    assert _track(days).plain()["breaks"] == []
    assert _track(days[np.arange(14) % 7 < 5]).plain()["breaks"] == [{"bounds": ["sat", "mon"]}]


@pytest.mark.parametrize("ahead", [(1,), (1, 96)])
@pytest.mark.parametrize("n_series", [1, 7])
def test_twenty_thousand_bars_stay_below_six_megabytes(ahead, n_series):
    tracks = [_track(1_600_000_000 + 1800 * np.arange(20_000 // n_series), ahead, PRICES) for _ in range(n_series)]
    explorer = Explorer.of(tracks, 0.8)
    kept = sum(len(track.time_N) for track in explorer.tracks)
    made = page("a", [], [Section("s", "s", [explorer])], "")
    assert len(made.encode()) < 5_750_000  # the rest of a page takes up to 0.2 MB
    if len(ahead) == 1:
        assert kept == 20_000 // n_series * n_series and "of 20,000 bars" not in explorer.caption
    else:
        assert "The latest" in explorer.caption


@pytest.mark.parametrize("horizon", [1, 96, 1000])
def test_a_page_of_fifty_series_stays_below_eight_megabytes(horizon):
    """Of everything that grows with the series as much as a page has at most."""
    names = [f"ticker_{i:02d}" for i in range(50)]
    bars = [make_bars(name, n=1000) for name in names]
    task = Task(output_mode="distribution", horizon=horizon)
    law = Forecast(np.zeros((1, horizon)), np.ones((1, horizon)))
    tracks = [_track(60 * np.arange(3000), (1, horizon) if horizon > 1 else (1,), PRICES, b.name) for b in bars]
    fans = []
    for b in bars:
        keys = Keys(np.array([b.ticker]), None, b.time_N[-1:], b.time_N[-1] + 3600 * np.arange(1, horizon + 1)[None],
                    b.columns["close"][-1:])  # fmt: skip
        found = outlook(b.name, b, keys, law, task)
        fans.append(found.fan(in_words(found)))
    bands = [spans(b, int(b.time_N[600]), int(b.time_N[800]), True) for b in bars]
    rows = [(name, *["1.2345678"] * 8) for name in names * 2]
    made = page("a", [fan_figure(fans), table(["n"] * 9, rows)], [
        Section("e", "e", [Explorer.of(tracks, 0.8)]), Section("p", "p", [price_figure(names, bars, bands, "")]),
        Section("t", "t", [table(["n"] * 9, rows), table(["n"] * 9, rows)]),
    ], "")  # fmt: skip
    assert 4_000_000 < len(made.encode()) < 8_000_000 - 400_000  # learning curves, parts and calibration take less


def test_of_more_bars_the_latest_are_kept_and_that_is_said():
    track = _track(60 * np.arange(MAX_BARS + 500))
    explorer = Explorer.of([track], 0.8)
    np.testing.assert_array_equal(explorer.tracks[0].time_N, track.time_N[-MAX_BARS:])
    np.testing.assert_array_equal(explorer.tracks[0].steps[0].point_N, track.steps[0].point_N[-MAX_BARS:])
    assert explorer.caption == "The latest 20,000 of 20,500 bars are here."


def test_a_page_escapes_its_title_and_its_data():
    explorer = Explorer.of([_track(60 * np.arange(9), name=HOSTILE)] * 2, 0.8)
    made = page(HOSTILE, [HOSTILE], [Section("s", HOSTILE, [HOSTILE, explorer])], HOSTILE)
    parsed = Text(made)
    assert "img" not in parsed.tags and parsed.tags.count("script") == 3
    # title, first heading, opening, link, heading, text, two options, footer
    assert parsed.said.count(HOSTILE) == 9


def _track(
    time_N: np.ndarray, ahead: tuple[int, ...] = (1,), columns: tuple[str, ...] = ("close",), name: str = "a"
) -> Track:
    rng = np.random.default_rng(0)
    steps = tuple(Step(h, *rng.normal(size=(3, len(time_N)))) for h in ahead)
    return Track(name, 60, time_N, {column: rng.normal(size=len(time_N)) for column in columns}, steps)
