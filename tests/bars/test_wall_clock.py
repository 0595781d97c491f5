"""Files on a local clock, in either order, are read to the bars that were written, also where the clock is set back."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from nextbar.bars.bars import Bars
from nextbar.bars.importing import ImportOptions, read_files
from nextbar.bars.wall_clock import instants
from nextbar.errors import DataError

SET_BACK = {
    "America/New_York": 1_730_613_600,
    "Europe/London": 1_729_990_800,
    "Europe/Berlin": 1_729_990_800,
    "Australia/Sydney": 1_712_419_200,
    "Australia/Lord_Howe": 1_712_415_600,
}
"""Zone: an instant at which its clock is set back."""
STEPS = {"1h": 3_600, "30m": 1_800, "15m": 900, "5m": 300}
HALF = 20_000
"""Seconds of bars before and after that instant."""


def clock(time_N: np.ndarray, zone: str) -> list[str]:
    """Local times without an offset, by ``zoneinfo``."""
    return [str(pd.Timestamp(int(time), unit="s", tz="UTC").tz_convert(ZoneInfo(zone)))[:19] for time in time_N]


def written(path: Path, dates: list[str], close_N: np.ndarray) -> Path:
    prices = {name: close_N for name in ("open", "high", "low", "close")}
    pd.DataFrame({"date": dates, **prices}).to_csv(path, index=False)
    return path


def read(path: Path, resolution: str, zone: str, label: str = "open") -> tuple[Bars, str]:
    ((bars, lines),) = read_files([path], ImportOptions("aaa", resolution, timezone=zone, label=label))
    return bars, "\n".join(lines)


def times(zone: str, step: int, hour: str) -> np.ndarray:
    """Bars around the change; of the hour that comes twice both, the first or the second are there, or neither."""
    at = SET_BACK[zone]
    time_N = np.arange(at - HALF - (at - HALF) % step, at + HALF, step)
    twice = 1_800 if zone == "Australia/Lord_Howe" else 3_600
    first_N, second_N = (time_N < at) & (time_N >= at - twice), (time_N >= at) & (time_N < at + twice)
    return time_N[~({"both": second_N & ~second_N, "first": second_N, "second": first_N}.get(hour, first_N | second_N))]


@pytest.mark.parametrize("zone", SET_BACK)
@pytest.mark.parametrize("resolution", STEPS)
def test_bars_on_a_local_clock_are_those_written(tmp_path: Path, zone: str, resolution: str) -> None:
    """Oldest first and newest first; where the second hour is missing, and where both are; by either label."""
    step = STEPS[resolution]
    for hour in ("both", "first", "neither"):
        time_N = times(zone, step, hour)
        close_N = 100.0 + np.arange(len(time_N))
        for label in ("open", "close"):
            dates = clock(time_N if label == "open" else time_N + step, zone)
            lines = []
            for order in (slice(None), slice(None, None, -1)):
                path = written(tmp_path / "aaa.csv", dates[order], close_N[order])
                bars, text = read(path, resolution, zone, label)
                np.testing.assert_array_equal(bars.time_N, time_N, f"{hour}, {label}, {order}")
                np.testing.assert_array_equal(bars.columns["close"], close_N, f"{hour}, {label}, {order}")
                lines.append(text)
            repeated = [date for date in dates if is_repeated(date, zone)]
            for text in lines:
                assert ("hour that this clock shows twice" in text) == bool(repeated)
                assert all(date in repeated for date in dates if f", {date}): " in text)
                if len(set(repeated)) < len(repeated):
                    assert "told apart by the rows around them" in text and "cannot be told" not in text


def is_repeated(date: str, zone: str) -> bool:
    """Whether a clock shows a time twice, by ``zoneinfo``."""
    first = pd.Timestamp(date).to_pydatetime().replace(tzinfo=ZoneInfo(zone), fold=0)
    second = first.replace(fold=1)
    back = first.astimezone(ZoneInfo("UTC")).astimezone(ZoneInfo(zone))
    return bool(first.utcoffset() != second.utcoffset() and back.replace(tzinfo=None) == first.replace(tzinfo=None))


@pytest.mark.parametrize("zone", SET_BACK)
@pytest.mark.parametrize("resolution", STEPS)
def test_an_hour_that_cannot_be_told_is_never_silent(tmp_path: Path, zone: str, resolution: str) -> None:
    """Where only the second of the two hours was written the file looks as if it were the first."""
    time_N = times(zone, STEPS[resolution], "second")
    close_N = 100.0 + np.arange(len(time_N))
    for order in (slice(None), slice(None, None, -1)):
        path = written(tmp_path / "aaa.csv", clock(time_N, zone)[order], close_N[order])
        bars, text = read(path, resolution, zone)
        if not np.array_equal(bars.time_N, time_N):
            assert "which of the two cannot be told, read as the first" in text


def test_a_bar_that_only_fits_after_the_change_is_put_there() -> None:
    """Hours of UTC on Lord Howe's clock, which is set back by half an hour: 01:30 is 90 minutes after 00:30 there."""
    zone = "Australia/Lord_Howe"
    time_N = times(zone, 3_600, "both")
    local_N = np.array([int(pd.Timestamp(date).timestamp()) for date in clock(time_N, zone)])
    result = instants(local_N, zone, 3_600)
    np.testing.assert_array_equal(result.utc_N, time_N)
    assert result.repeated_N.sum() == 1 and not result.guessed_N.any()


def test_rows_that_are_not_sorted_around_the_change_are_refused(tmp_path: Path) -> None:
    zone, step = "America/New_York", 1_800
    time_N = times(zone, step, "both")
    dates = np.array(clock(time_N, zone))
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(len(dates))
        path = written(tmp_path / "aaa.csv", dates[order].tolist(), 100.0 + order)
        with pytest.raises(DataError, match=r"line \d+ has a time, 2024-11-03 01:\d0:00, that the clock of America/Ne"):
            read(path, "30m", zone)


@pytest.mark.parametrize("zone", [*SET_BACK, "America/Sao_Paulo", "Africa/Casablanca", "Europe/Dublin", "Asia/Tokyo"])
def test_every_half_hour_of_years_agrees_with_zoneinfo(zone: str) -> None:
    time_N = np.arange(1_420_070_400, 1_546_300_800, 1_800)
    local = pd.to_datetime(time_N, unit="s", utc=True).tz_convert(ZoneInfo(zone)).tz_localize(None)
    local_N = local.as_unit("s").asi8
    for order in (slice(None), slice(None, None, -1)):
        result = instants(local_N[order], zone, 1_800)
        np.testing.assert_array_equal(result.utc_N[order], time_N)
        assert not (result.skipped_N | result.unsorted_N | result.guessed_N).any()
    every_N = np.arange(local_N[0], local_N[-1], 1_800)
    skipped = np.setdiff1d(every_N, local_N)
    np.testing.assert_array_equal(every_N[instants(every_N, zone, 1_800).skipped_N], skipped)
