"""Times on a local clock as instants: the rows' order settles the times that a clock shows twice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.bars.zone import offsets


class Instants(NamedTuple):
    """Instants of N local times, and masks of the times that need a word."""

    utc_N: np.ndarray
    """int64 (N,): seconds since the epoch; of no meaning where the time is skipped"""
    skipped_N: np.ndarray
    """bool (N,): times that the clock never shows, because it is set forward over them"""
    repeated_N: np.ndarray
    """bool (N,): times that the clock shows twice"""
    guessed_N: np.ndarray
    """bool (N,): repeated times that the rows show once, on either side alike; read as the first of the two"""
    unsorted_N: np.ndarray
    """bool (N,): repeated times among rows that are not in order of time; read as the first of the two"""


def instants(local_N: np.ndarray, zone: str, step: int) -> Instants:
    """The instants of times on the clock of a zone, for rows that are sorted oldest first or newest first.

    Where the clock is set back, an hour comes twice. In rows oldest first the second one begins where the time does
    not increase. Where the hour is there once, it is the one that is a whole number of bars from its neighbours.

    Args:
        local_N: seconds since 1970-01-01 00:00 on that clock, int64, in the order of the rows.
        zone: IANA name.
        step: seconds of a bar.
    """
    if newest_first(local_N):
        return Instants(*(part[::-1] for part in _oldest_first(local_N[::-1], zone, step)))
    return _oldest_first(local_N, zone, step)


def newest_first(time_N: np.ndarray) -> bool:
    """Whether more times are before than after the time of the row above."""
    return bool((np.diff(time_N) < 0).sum() > (np.diff(time_N) > 0).sum())


def _oldest_first(local_N: np.ndarray, zone: str, step: int) -> Instants:
    change_K, offset_K = offsets(zone)
    before_K, after_K = offset_K[:-1], offset_K[1:]
    part_N = np.searchsorted(change_K + np.maximum(before_K, after_K), local_N, side="right")
    begin_K = np.append(change_K + np.minimum(before_K, after_K), np.iinfo(np.int64).max)
    back_K = np.append(before_K > after_K, False)
    changed_N = local_N >= begin_K[part_N]
    out = Instants(
        local_N - offset_K[part_N],
        changed_N & ~back_K[part_N],
        changed_N & back_K[part_N],
        *np.zeros((2, len(local_N)), bool),
    )
    for part in np.unique(part_N[out.repeated_N]):
        later = int(before_K[part] - after_K[part])
        _settle(out, local_N, np.flatnonzero(out.repeated_N & (part_N == part)), later, step)
    return out


def _settle(out: Instants, local_N: np.ndarray, rows: np.ndarray, later: int, step: int) -> None:
    """Move the rows of one repeated hour that are in its second half by ``later`` seconds, or mark them."""
    again = np.flatnonzero(np.diff(local_N[rows]) <= 0)
    outer = np.arange(rows[0] - 1, rows[-1] + 2, rows[-1] - rows[0] + 2)
    before, after = (int(row) if 0 <= row < len(local_N) else None for row in outer)
    first, last = rows[0], rows[-1]
    if len(again):
        in_order = (before is None or local_N[before] < local_N[first]) and (
            after is None or local_N[last] < local_N[after]
        )
        if len(again) > 1 or last - first >= len(rows) or not in_order:
            out.unsorted_N[rows] = True
            return
        out.utc_N[rows[again[0] + 1 :]] += later
        return
    for gap in (
        None if before is None else out.utc_N[first] - out.utc_N[before],
        None if after is None else out.utc_N[last] - out.utc_N[after],
    ):
        if gap is not None and (gap % step == 0) != ((gap + later) % step == 0):
            out.utc_N[rows] += later if gap % step else 0
            return
    out.guessed_N[rows] = True
