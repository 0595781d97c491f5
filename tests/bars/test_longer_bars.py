"""Which rows make up a longer bar, and what it lacks; ``test_resampling.py`` holds whole series against pandas."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from markets import MARKETS, opening_times

from nextbar.bars.calendar import Calendar
from nextbar.bars.longer_bars import AGGREGATES, LongerBars
from nextbar.bars.weekly_template import learn_template

HOUR, DAY = 3_600, 86_400
MONDAY = 1_577_836_800 + 5 * DAY
ALWAYS = Calendar.always(HOUR)


def hours(*numbers: int) -> np.ndarray:
    return MONDAY + HOUR * np.array(numbers, np.int64)


def test_rows_belong_to_the_bar_that_they_open_in() -> None:
    longer = LongerBars.of(hours(2, 3, 4, 5, 6, 7, 12), HOUR, ALWAYS, 4 * HOUR)
    assert longer.first_M.tolist() == [0, 2, 6] and longer.last_M.tolist() == [1, 5, 6]
    assert ((longer.begin_M - MONDAY) // HOUR).tolist() == [0, 4, 12]
    assert ((longer.end_M - MONDAY) // HOUR).tolist() == [4, 8, 16]
    assert longer.lacking_M.tolist() == [2, 0, 3]
    later = LongerBars.of(hours(2, 3, 4, 5, 6, 7, 12), HOUR, ALWAYS, 4 * HOUR, offset=2 * HOUR)
    assert later.first_M.tolist() == [0, 4, 6] and later.lacking_M.tolist() == [0, 2, 1 + 2]


def test_holes_count_in_the_bars_that_they_lie_in() -> None:
    longer = LongerBars.of(hours(0, 2, 3, 6, 7, 8, 9, 10, 11), HOUR, ALWAYS, 4 * HOUR)
    assert longer.lacking_M.tolist() == [1, 2, 0]


def test_nights_and_weekends_lack_nothing() -> None:
    time_N = opening_times(MARKETS["New York"], HOUR // 2, dt.date(2020, 3, 2), 28)
    calendar = learn_template(time_N, HOUR // 2)
    days, weeks = (LongerBars.of(time_N, HOUR // 2, calendar, n * DAY) for n in (1, 7))
    assert not days.lacking_M.any() and not weeks.lacking_M.any()
    assert days.count_M.tolist() == [13] * 20 and weeks.count_M.tolist() == [65] * 4
    assert sorted({int(end % DAY) // HOUR for end in days.end_M}) == [4, 5]  # midnight, before and after 8 March


def test_what_follows_a_bar_that_is_over_says_nothing_of_it() -> None:
    """Its rows, and the one after it, decide; a second one after it changes nothing."""
    rng = np.random.default_rng(0)
    time_N = hours(*np.flatnonzero(rng.random(400) > 0.05).tolist())
    whole = LongerBars.of(time_N, HOUR, ALWAYS, 6 * HOUR)
    assert 0 < np.count_nonzero(whole.lacking_M) < len(whole.lacking_M)
    for n in range(1, len(time_N), 7):
        part = LongerBars.of(time_N[:n], HOUR, ALWAYS, 6 * HOUR)
        over = part.end_M <= time_N[n - 1] + HOUR
        np.testing.assert_array_equal(part.lacking_M[over], whole.lacking_M[: over.sum()])


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_a_column_is_aggregated_without_its_empty_values(aggregate: str, whole: bool) -> None:
    value_N = np.array([1.0, 5.0, np.nan, 3.0, np.nan, np.nan, np.nan, np.nan, 2.0])
    longer = LongerBars.of(hours(*range(9)), HOUR, ALWAYS, 4 * HOUR)
    first = {"last": 3, "first": 1, "sum": 9, "mean": 3, "min": 1, "max": 5}[aggregate]
    wanted = [np.nan if whole else first, np.nan, 2.0]
    np.testing.assert_array_equal(longer.aggregated(value_N, aggregate, whole=whole), wanted)
