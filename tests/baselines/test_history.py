"""The closes of series, out of a frame and into moves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from nextbar.baselines.history import History, histories
from nextbar.errors import DataError


def history(close: list[float], time: list[int] | None = None, resolution: str | None = "1h") -> History:
    return History(
        "a", resolution, np.array(time if time is not None else 3600 * np.arange(len(close))), np.array(close)
    )


def frame(**columns: Any) -> pd.DataFrame:
    dates = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"], utc=True)
    return pd.DataFrame({"ticker": "a", "date": dates, "close": [1, 2, 3]} | columns)


def test_moves_are_log_returns_or_changes() -> None:
    close = [100.0, 110.0, 99.0]
    np.testing.assert_allclose(history(close).moves(True, 50.0), [0, *np.diff(np.log(close))], rtol=1e-14)
    np.testing.assert_array_equal(history(close).moves(False, 50.0), [0, 10, -11])
    assert history([7.0]).moves(True, 7.0).tolist() == history([7.0]).moves(False, 7.0).tolist() == [0]


def test_moves_of_a_close_below_one_are_log_returns_too() -> None:
    np.testing.assert_allclose(history([2.0, 0.5, 0.25, 1.0]).moves(True, 9.0), np.log([1, 0.25, 0.5, 4]), rtol=1e-15)


def test_a_close_without_a_logarithm_moves_in_units_of_the_mean() -> None:
    """Into it and out of it, zero and below, without a warning."""
    found = history([8.0, 4.0, 0.0, 2.0, -2.0, -6.0, 4.0, 8.0]).moves(True, 4.0)
    np.testing.assert_allclose(found, [0, -np.log(2), -1, 0.5, -1, -1, 2.5, np.log(2)], rtol=1e-15)


def test_the_step_is_the_resolutions_or_the_commonest_distance() -> None:
    assert history([1.0, 1.0], [0, 86_400], "4h").step == 4 * 3600
    assert history([1.0] * 6, [0, 60, 120, 500, 560, 900], None).step == 60
    assert history([1.0, 1.0], [0, 900], None).step == 900
    assert history([1.0], [5], None).step == history([], [], None).step == 1


def test_a_series_is_told_by_ticker_and_resolution() -> None:
    assert (history([1.0]).key, history([1.0]).name) == (("a", "1h"), "a_1h")
    assert (history([1.0], resolution=None).key, history([1.0], resolution=None).name) == (("a", None), "a")


def test_series_stand_in_the_order_of_the_frame() -> None:
    mixed = pd.concat([frame(ticker="b", resolution="1d"), frame(resolution="1h"), frame(resolution="1d")])
    found = histories(mixed.iloc[[0, 3, 6, 1, 4, 7, 2, 5, 8]])
    assert [series.key for series in found] == [("b", "1d"), ("a", "1h"), ("a", "1d")]
    day = 86_400
    first = int(pd.Timestamp("2024-01-01", tz="UTC").timestamp())
    for series in found:
        assert series.time_N.tolist() == [first, first + day, first + 2 * day] and series.time_N.dtype == np.int64
        assert series.close_N.tolist() == [1, 2, 3] and series.close_N.dtype == np.float64
    (alone,) = histories(
        frame(ticker=7, date=["2024-01-01T01:00+01:00", "2024-01-02T00:00+00:00", "2024-01-03T02:00+02:00"])
    )
    assert alone.key == ("7", None) and alone.time_N.tolist() == found[0].time_N.tolist()


def test_bars_a_second_apart_ascend() -> None:
    dates = pd.to_datetime([1_700_000_000, 1_700_000_001, 1_700_000_002], unit="s", utc=True)
    (series,) = histories(frame(date=dates))
    assert series.step == 1 and series.time_N.tolist() == [1_700_000_000, 1_700_000_001, 1_700_000_002]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (frame().drop(columns=["ticker", "close"]), "no column ticker, close in the frame of bars; it needs ticker"),
        (frame().iloc[:0], "no rows in the frame of bars; it needs ticker, date and close, and a row for each bar"),
        (frame(close=["1", "x", "3"]), "the bars: date must hold dates and prices numbers (could not convert"),
        (frame(close=[1.0, np.inf, np.nan]), "a: a close is inf"),
        (frame(date=frame()["date"].iloc[[0, 0, 1]].to_numpy()), "a: the dates do not ascend; sort the bars, and"),
        (frame()[::-1], "a: the dates do not ascend"),
        ([1, 2], "found list, should be a data frame of bars"),
    ],
    ids=["columns", "rows", "text", "infinite", "twice", "backwards", "list"],
)  # fmt: skip
def test_what_is_no_frame_of_bars(bad: Any, words: str) -> None:
    with pytest.raises(DataError) as told:
        histories(bad)
    assert str(told.value).startswith(words)
