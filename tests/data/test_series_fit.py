"""What is fitted on one series: what is unknown, what is refused, and the calendars of those that begin late."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pytest
from builders import MONDAY, make_bars, make_config, with_columns

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.data.features import empty_features
from nextbar.data.series_fit import SeriesFit, fit_series, spreads_of, training_calendars
from nextbar.data.statistics import Statistics
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import DataError

HOUR, DAY = 3600, 86_400
ALWAYS = Calendar.always(HOUR)


def spec_of(bars: Bars, **fields: Any) -> WindowSpec:
    config = make_config(**fields).dataset_config
    return WindowSpec.of(config, [bars], empty_features(config, [bars], [len(bars)]))


def test_a_series_without_training_has_its_calendar_alone() -> None:
    bars = make_bars(trades=True)
    spec = spec_of(bars, target="log_return")
    fit = SeriesFit.without_training(bars, spec, ALWAYS)
    assert (fit.ticker, fit.resolution, fit.calendar) == ("made_up", "1h", ALWAYS)
    np.testing.assert_array_equal(fit.statistics, np.full((3, 4), np.nan))
    np.testing.assert_array_equal(fit.spreads, [np.nan] * 3)
    assert np.isnan(fit.return_std)
    assert fit.unknown_statistics(spec) == ["price", "volume", "trades", "return"]
    again = SeriesFit.from_dict(fit.to_dict(), 3)
    assert again.to_dict() == fit.to_dict() and fit.to_dict()["return_std"] is None


def test_a_return_is_unknown_only_where_its_unit_is_needed() -> None:
    bars = make_bars(volume=False)
    known = Statistics(0.0, 1.0, 0.5, 0.1)
    for fields, needed in (({}, []), ({"target": "log_return"}, ["return"]), ({"features": "returns"}, ["return"])):
        spec = dataclasses.replace(spec_of(bars, **fields), volumes=("volume",))
        fit = SeriesFit("made_up", "1h", ALWAYS, (known, Statistics(*[np.nan] * 4)), np.nan, (np.nan,) * 2)
        assert fit.unknown_statistics(spec) == ["volume", *needed]
        assert dataclasses.replace(fit, return_std=0.1).unknown_statistics(spec) == ["volume"]
        assert dataclasses.replace(fit, statistics=(known, known)).unknown_statistics(spec) == needed


@pytest.mark.filterwarnings("error")
def test_two_bars_are_the_fewest_with_a_return() -> None:
    bars = make_bars(n=50)
    fits = [SeriesFit.fit(bars, n, spec_of(bars), ALWAYS) for n in (1, 2, 3)]
    assert [np.isnan(fit.return_std) for fit in fits] == [True, False, False]
    assert fits[1].return_std == 0 < fits[2].return_std
    cheap = make_bars(n=50, price=0.01)
    assert SeriesFit.fit(cheap, 3, spec_of(cheap), ALWAYS).return_std == pytest.approx(fits[2].return_std, rel=1e-9)
    apart = make_bars(n=4, holes=[1, 2])
    assert np.isnan(SeriesFit.fit(apart, 2, spec_of(apart), ALWAYS).return_std), "across a hole"


@pytest.mark.filterwarnings("error")
def test_a_price_of_zero_has_no_return() -> None:
    bars = Bars("made_up", "1h", make_bars(n=50).time_N, {"close": np.arange(50.0)})
    spec = spec_of(bars, features="close")
    assert np.isnan(SeriesFit.fit(bars, 40, spec, ALWAYS).return_std)


def test_the_middle_spread_is_that_of_whole_training_windows() -> None:
    bars = make_bars(n=60, holes=[20])
    spec = spec_of(bars)
    fit = SeriesFit.fit(bars, 40, spec, ALWAYS)
    rows = np.array([i for i in range(40) if 5 <= i < 20 or i >= 25])  # 6 bars without a hole up to each
    np.testing.assert_array_equal(fit.spreads, np.median(spreads_of(bars, spec)[:, rows], axis=1))


def test_earlier_runs_saved_no_spreads() -> None:
    bars = make_bars(n=50)
    plain = SeriesFit.fit(bars, 40, spec_of(bars), ALWAYS).to_dict()
    assert len(plain.pop("spreads")) == 2
    np.testing.assert_array_equal(SeriesFit.from_dict(plain, 2).spreads, [np.nan, np.nan])


@pytest.mark.parametrize(
    ("n_train", "fields", "what"),
    [
        (0, {}, "0 bars are known"),
        (1, {}, "1 bars are known"),
        (2, {}, "no volume is known"),
        (30, {"target": "log_return"}, "no volume and no return is known"),
        (30, {"features": "returns"}, "no volume and no return is known"),
    ],
)
def test_a_global_mode_says_what_is_not_known_in_training(n_train: int, fields: dict[str, Any], what: str) -> None:
    bars = make_bars("late", n=50)
    unknown = with_columns(bars, volume=np.full(50, np.nan), close=-bars.columns["close"])
    spec = spec_of(bars, **fields)
    for mode in ("global_minmax", "global_meanstd"):
        with pytest.raises(DataError) as error:
            fit_series([make_bars(), unknown], [100, n_train], [ALWAYS] * 2, spec, mode)
        assert str(error.value) == (
            f"late_1h: {what} before the validation span begins, but norm_mode {mode} fits its statistics there, on "
            "at least 2 bars; use a window mode or leave the series out"
        )
    for mode in ("window_minmax", "none"):
        fits, spread_SGN = fit_series([make_bars(), unknown], [100, n_train], [ALWAYS] * 2, spec, mode)
        assert len(fits) == 2 and [spread_GN.shape[1] for spread_GN in spread_SGN] == [200, 50]


def test_two_bars_are_enough_for_a_global_mode() -> None:
    bars = make_bars(n=50)
    (fit,), _ = fit_series([bars], [2], [ALWAYS], spec_of(bars, target="log_return"), "global_meanstd")
    assert fit.to_dict() == SeriesFit.fit(bars, 2, spec_of(bars), ALWAYS).to_dict()


def test_a_series_that_begins_late_has_the_first_calendar_of_its_resolution() -> None:
    def weekdays(ticker: str, hours: tuple[int, int], resolution: str = "1h") -> Bars:
        bars = make_bars(ticker, resolution, n=40 * 24)
        hour = bars.time_N // HOUR
        open_N = (hour % 24 >= hours[0]) & (hour % 24 < hours[1]) & ((hour // 24 + 3) % 7 < 5)
        return Bars(ticker, resolution, bars.time_N[open_N], {"close": bars.columns["close"][open_N]})

    first, second = weekdays("first", (9, 17)), weekdays("second", (3, 6))
    late, other = make_bars("late", n=30), make_bars("other", "4h", n=30, start=MONDAY + dt.timedelta(hours=1))
    found = training_calendars([late, first, second, other], [0, len(first), len(second), 0], "auto", "auto")
    assert [len(calendar.open_slots) for calendar in found[:3]] == [40, 40, 15]
    assert found[0] == found[1] and found[0].kind == "sessions"
    assert found[3] == Calendar.always(4 * HOUR), "of another resolution nothing is known"
    (alone,) = training_calendars([late], [0], "auto", "America/New_York")
    assert alone == Calendar.always(HOUR, timezone="America/New_York")
    (daily,) = training_calendars([make_bars(n=20, resolution="1d")], [20], "24/7", "UTC")
    assert daily == Calendar.always(DAY, phase=0)
