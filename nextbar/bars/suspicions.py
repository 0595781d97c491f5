"""What looks wrong in bars that can be read: a sentence each, for their owner to judge. All linear in the bars."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from nextbar.bars.columns import PRICES
from nextbar.bars.dates import iso
from nextbar.bars.slots import DAY

JUMP = np.log(1.8)
"""least log return that may be a split or another unit"""
SPIKE = 0.02
"""least log return that may be a spike"""
UNUSUAL = 30
"""times the median absolute log return: what spikes and jumps exceed"""
RETURNS = 0.1
"""how much of a spike the next bar may leave"""
FACTORS = (2, 3, 4, 5, 8, 10, 20, 25, 50, 100, 1_000, 10_000)
NEAR = 0.04
"""log distance at which a move counts as one of the factors"""
LONG = 10
"""bars that a stretch has at least"""
UNLIKELY = 1e-6
"""expected number of stretches as long as one that is reported, were bars alike at random"""

BLOCK = 20
"""different bars that a repeated block has at least"""
_MIX = np.uint64(0x9E3779B97F4A7C15)
"""odd, so that no two hashes become one by it"""


def suspicions(time_N: np.ndarray, columns: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Sentences about what looks wrong.

    Args:
        time_N: opening times in seconds UTC, increasing.
        columns: float64 (N,) by name; prices finite.
    """
    return tuple(sentence for look in LOOKS for sentence in look(time_N, columns))


def _moves(time_N: np.ndarray, columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Closes that leap and stay, as by a split or another unit, and closes that leap and come back."""
    close_N = columns["close"]
    if len(close_N) < LONG or (close_N <= 0).any():
        return
    move_N = np.diff(np.log(close_N))
    if np.abs(move_N).max() <= SPIKE:
        return
    moved = np.abs(move_N[move_N != 0])
    least = UNUSUAL * np.median(moved) if len(moved) else np.inf
    back_N = np.append(np.abs(move_N[:-1] + move_N[1:]), np.inf) < RETURNS * np.abs(move_N)
    spike_N = (np.abs(move_N) > max(SPIKE, least)) & back_N
    after_N = np.insert(spike_N[:-1], 0, False)
    jump_N = (np.abs(move_N) > max(JUMP, least)) & ~spike_N & ~after_N
    if spike_N.any():
        first = int(np.argmax(spike_N))
        yield (
            f"{_times(spike_N)} the close leaps and is back a bar later (first at {iso(time_N[first + 1])}: "
            f"{close_N[first]:.6g}, {close_N[first + 1]:.6g}, {close_N[first + 2]:.6g}): are these faults?"
        )
    if jump_N.any():
        first = int(np.argmax(jump_N))
        yield (
            f"{_times(jump_N)} the close leaps and stays (first at {iso(time_N[first + 1])}: from {close_N[first]:.6g} "
            f"to {close_N[first + 1]:.6g}{_factor(move_N[first])}): is it a split, or another unit?"
        )


def _factor(move: float) -> str:
    """A move as ``, times 10`` or ``, 1 to 4`` where it is near such a factor."""
    for factor in FACTORS:
        if abs(abs(move) - np.log(factor)) < NEAR:
            return f", times {factor}" if move > 0 else f", 1 to {factor}"
    return ""


def _frozen(time_N: np.ndarray, columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Prices that stand still for longer than chance explains."""
    prices = [columns[name] for name in PRICES if name in columns]
    same_N = np.arange(len(time_N)) > 0
    for price_N in prices:
        same_N[1:] &= price_N[1:] == price_N[:-1]
    for start, length in _stretch(same_N):
        yield f"prices stand still for {length + 1} bars, from {iso(time_N[start - 1])} on: was the feed cut?"


def _no_volume(time_N: np.ndarray, columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Volume that is zero for longer than chance explains."""
    for name in ("volume", "trades"):
        if name not in columns:
            continue
        zero_N = columns[name] == 0
        if zero_N.all():
            yield f"{name} is 0 in all bars"
            continue
        for start, length in _stretch(zero_N):
            yield f"{name} is 0 in {length} bars, from {iso(time_N[start])} on: is it missing?"


def _stretch(is_N: np.ndarray) -> Iterator[tuple[int, int]]:
    """Start and length of the longest stretch of True, where it is longer than so many of them at random make."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_N, [False]])))
    lengths = edges[1::2] - edges[::2]
    if not len(lengths) or lengths.max() < LONG:
        return
    longest = int(np.argmax(lengths))
    length, others = int(lengths[longest]), len(is_N) - int(lengths[longest])
    share = (int(is_N.sum()) - length + 1) / (others + 2)
    if len(is_N) * share**length < UNLIKELY:
        yield int(edges[::2][longest]), length


def _repeated(time_N: np.ndarray, columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    """A block of bars that holds the very prices of an earlier block."""
    bar_N = np.zeros(len(time_N), np.uint64)  # a hash of the prices
    for name in (name for name in PRICES if name in columns):
        bar_N = (bar_N ^ (columns[name] + 0.0).view(np.uint64)) * _MIX
        bar_N ^= bar_N >> np.uint64(32)
    if not _any_twice(bar_N):
        return
    order = np.argsort(bar_N, kind="stable")
    again = np.flatnonzero(np.diff(bar_N[order]) == 0)
    back_N = np.zeros(len(bar_N), np.int64)
    back_N[order[again + 1]] = order[again + 1] - order[again]
    edges = np.concatenate([[0], np.flatnonzero(np.diff(back_N)) + 1, [len(back_N)]])
    for at in np.argsort(np.diff(edges), kind="stable")[::-1]:
        start, end = int(edges[at]), int(edges[at + 1])
        if end - start < BLOCK:
            return
        if back_N[start] > 1 and len(np.unique(bar_N[start:end])) >= BLOCK:
            source = time_N[start - back_N[start]]
            yield f"the {end - start} bars from {iso(time_N[start])} on hold the prices of those from {iso(source)} on"
            return


def _any_twice(bar_N: np.ndarray) -> bool:
    """Whether two stretches of ``BLOCK`` bars may be the same, by hashes of hashes; sorting alone tells."""
    block_N, length = bar_N, 1
    while length < BLOCK:
        further = min(length, BLOCK - length)
        block_N = (block_N[:-further] ^ (block_N[:-further] >> np.uint64(32))) * _MIX ^ block_N[further:]
        length += further
    block_N = np.sort(block_N)
    return bool((block_N[1:] == block_N[:-1]).any())


def _swapped(time_N: np.ndarray, columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Opens that follow the open before rather than the close, as where the two columns are swapped."""
    if "open" not in columns or len(time_N) < 10 * LONG:
        return
    open_N, close_N = columns["open"], columns["close"]
    as_named, swapped = np.abs(open_N[1:] - close_N[:-1]).mean(), np.abs(close_N[1:] - open_N[:-1]).mean()
    if swapped < as_named / 3:
        yield "each bar's close is nearer to the open before than its open to the close before: are the two swapped?"


def _future(time_N: np.ndarray, columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Dates that have not come yet; a day is left for clocks and zones."""
    late = len(time_N) - int(np.searchsorted(time_N, time.time() + DAY, side="right"))
    if late:
        yield f"{late:,} dates are in the future, up to {iso(time_N[-1])}"


def _last_seconds(time_N: np.ndarray, columns: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Dates of the form 23:59:59, which are when a bar closes."""
    if len(time_N) > 1 and (np.diff(time_N) % 60 == 0).all() and (time_N % 60 == 59).all():
        yield (
            f"all dates are the last second of a minute (first {iso(time_N[0])}): if the bars close then, import the "
            "file with nextbar data import --label close"
        )


def _times(is_N: np.ndarray) -> str:
    count = int(is_N.sum())
    return "once" if count == 1 else f"{count:,} times"


LOOKS: tuple[Callable[[np.ndarray, Mapping[str, np.ndarray]], Iterator[str]], ...] = (
    _moves, _frozen, _no_volume, _repeated, _swapped, _future, _last_seconds,
)  # fmt: skip
"""functions of times and columns that yield sentences"""
