"""Splits: two cuts in wall-clock time, and the windows that lie on one side of each.

The time of a bar is its close. A window belongs to the span that holds the closes of all its labels; one
whose labels straddle a cut belongs to none (purge), so that no label of training is known later than the
validation cut. Contexts may reach back over a cut: what lies before an origin is known there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.dates import iso
from nextbar.errors import DataError


@dataclass(frozen=True, repr=False)
class Cuts:
    """Where validation and test begin, seconds since the epoch, UTC; the same for all series.

    A label belongs to training when it closes before ``validation``, to validation when before ``test``, else
    to test. With an embargo the labels of the earlier span end sooner, and nothing is fitted on what lies between.
    """

    validation: int
    test: int
    ends: tuple[int, int] | None = None
    """where training and validation end before an embargo; None: there is none"""

    def __repr__(self) -> str:
        """Text that stays, since run folders are called by it and compared by it."""
        return f"Cuts(validation={self.validation}, test={self.test}, embargo={self.ends or 0})"

    @property
    def training_end(self) -> int:
        """Before this every training label has closed."""
        return self.validation if self.ends is None else self.ends[0]

    @property
    def validation_end(self) -> int:
        """Before this every label of validation has closed."""
        return self.test if self.ends is None else self.ends[1]

    def without_validation(self) -> Cuts:
        """The same test, with training up to the end of validation."""
        return Cuts(self.test, self.test, None if self.ends is None else (self.ends[1], self.ends[1]))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Cuts:
        """Those that a run has written down; earlier versions wrote an embargo in seconds."""
        validation, test, ends = plain["validation"], plain["test"], plain.get("ends")
        if seconds := plain.get("embargo", 0):
            ends = validation - seconds, test - seconds
        return cls(validation, test, None if ends is None else (ends[0], ends[1]))


def find_cuts(scored: Sequence[np.ndarray], test_split: float, validation_split: float) -> Cuts:
    """The cuts from the closing times of the scored series, each int64 (N,), ascending, of any length and resolution.

    All their bars are pooled by time. The test cut is the close of the first of the last ceil(test_split × n)
    bars; the validation cut is found the same way from the pooled bars before the test cut. Bars that close
    together stay together, on the later side.

    Raises:
        DataError: no bars are left for validation.
    """
    n = sum(map(len, scored))
    if n == 0:
        raise DataError("the scored tickers have no bars, so there is nothing to split")
    test = _nth(scored, n - _count_of(test_split, n))
    before = [time_N[: np.searchsorted(time_N, test)] for time_N in scored]
    n_before = sum(map(len, before))
    if n_before == 0:
        raise DataError(
            f"the scored tickers have {n} bars and all are test with test_split {test_split}; "
            "at least one is needed before the test span begins"
        )
    return Cuts(_nth(before, n_before - _count_of(validation_split, n_before)), test)


def start_of_last(time_N: np.ndarray, share: float) -> int:
    """First of the last ceil(share × n) of ascending times; the share is the decimal printed."""
    return int(time_N[len(time_N) - _count_of(share, len(time_N))])


def _count_of(share: float, n: int) -> int:
    return math.ceil(Fraction(str(float(share))) * n)  # in floats 0.07 × 100 is above 7


def _nth(times: Sequence[np.ndarray], n: int) -> int:
    """The time with so many before it in the order of all; each array ascends, and none is copied."""
    low = min(int(time_N[0]) for time_N in times if len(time_N))
    high = max(int(time_N[-1]) for time_N in times if len(time_N))
    while low < high:
        middle = (low + high) // 2
        if sum(int(np.searchsorted(time_N, middle, side="right")) for time_N in times) > n:
            high = middle
        else:
            low = middle + 1
    return low


def require_length(bars: Sequence[Bars], seq_len: int, horizon: int) -> None:
    """Check that one series at least is as long as a window.

    Raises:
        DataError: all are shorter; the message says how long they are.
    """
    if all(len(b) < seq_len + horizon for b in bars):
        raise DataError(
            f"fewer bars than one window, which is {seq_len + horizon} (seq_len {seq_len} + horizon {horizon}): "
            f"{', '.join(f'{b.name} has {len(b)}' for b in bars)}; use more bars, or a shorter seq_len or horizon"
        )


def spans(close_time_N: np.ndarray, usable_origin_N: np.ndarray, horizon: int, cuts: Cuts) -> dict[str, np.ndarray]:
    """Origins of one series by span (``training``, ``validation``, ``test``): int64 rows, ascending.

    ``close_time_N`` int64 (N,), strictly increasing; ``usable_origin_N`` bool (N,), see ``whole_windows``.
    """
    origin_W = np.flatnonzero(usable_origin_N[: max(len(close_time_N) - horizon, 0)])

    def before(time: int, ahead: int) -> int:
        """How many have their label so many bars ahead closed before a time."""
        return int(np.searchsorted(origin_W, np.searchsorted(close_time_N, time) - ahead))

    return {
        "training": origin_W[: before(cuts.training_end, horizon)],
        "validation": origin_W[before(cuts.validation, 1) : before(cuts.validation_end, horizon)],
        "test": origin_W[before(cuts.test, 1) :],
    }


def whole_windows(
    hole_before_N: np.ndarray, seq_len: int, horizon: int, valid_N: np.ndarray | None = None
) -> np.ndarray:
    """bool (N,), True at origins whose window is whole.

    The window of origin i is rows i-L+1 to i+H. All of them exist, no hole lies between two of them
    (``hole_before_N`` bool (N,): a hole precedes the row), and the rows of the context are valid (``valid_N``
    bool (N,): nothing the model sees is missing; None: all are).
    """
    n = len(hole_before_N)
    whole_N = np.zeros(n, bool)
    first, after = seq_len - 1, n - horizon
    if first < after:
        holes = _running_count(hole_before_N)
        whole_N[first:after] = holes[seq_len + horizon :] == holes[1 : after - first + 1]
        if valid_N is not None:
            gaps = _running_count(~valid_N)
            whole_N[first:after] &= gaps[seq_len : after + 1] == gaps[: after - first]
    return whole_N


def require_windows(
    bars: Sequence[Bars],
    windows: Sequence[Mapping[str, np.ndarray]],
    cuts: Cuts,
    *,
    trained: Sequence[bool],
    scored: Sequence[bool],
    seq_len: int,
    horizon: int,
    columns: Sequence[str] = (),
) -> None:
    """Check that there is something to train on, something to choose by, and a test for each scored ticker.

    ``windows`` are the ``spans`` of each of the ``bars``; ``trained`` and ``scored`` say which series are used for
    what; where none is scored, only training is checked, no validation where its cut is that of the test, and no test
    where all bars close before its cut. A ticker with several resolutions is scored if one of them has windows.
    ``columns`` are those the model sees; where one is empty there are no windows.

    Raises:
        DataError: a span without windows; the message names the ticker, its bars in the span and how many it needs.
    """
    learners = [(b, origins) for b, origins, used in zip(bars, windows, trained, strict=True) if used]
    scorers = [(b, origins) for b, origins, used in zip(bars, windows, scored, strict=True) if used]
    needs = [("training", "", learners, seq_len + horizon)]
    if scorers and cuts.validation < cuts.test:
        needs.append(("validation", "", scorers, horizon))
    if any(b.close_time_N[-1] >= cuts.test for b, _ in scorers):
        for ticker in dict.fromkeys(b.ticker for b, _ in scorers):
            own = [(b, origins) for b, origins in scorers if b.ticker == ticker]
            needs.append(("test", f" of {ticker}", own, horizon))
    problems: list[str] = []
    for span, whose, pairs, needed in needs:
        if not any(len(origins[span]) for _, origins in pairs):
            problems.append(f"no {span} windows{whose}")
            problems += [f"  {text}" for text in _counts([b for b, _ in pairs], span, cuts, needed, seq_len)]
    if problems:
        empty = [
            f"  {name} is empty in {np.isnan(b.columns[name]).sum()} of {len(b)} bars of {b.name}"
            for b in bars
            for name in columns
            if np.isnan(b.columns[name]).any()
        ]
        problems += [
            f"a window is {seq_len + horizon} bars without a hole or an empty value (seq_len {seq_len} + horizon "
            f"{horizon}), the last {horizon} in the span: use more bars, other splits, or a shorter seq_len or horizon",
            *empty,
        ]
        raise DataError("\n".join(problems))


def _counts(bars: Sequence[Bars], span: str, cuts: Cuts, needed: int, seq_len: int) -> Iterator[str]:
    """For each series, its bars, those of them in the span, and the fewest that make a window there."""
    begin = {"training": -math.inf, "validation": cuts.validation, "test": cuts.test}[span]
    end = {"training": cuts.validation, "validation": cuts.test, "test": math.inf}[span]
    between = " and ".join(
        f"{word} {iso(int(at))}" for word, at in (("from", begin), ("before", end)) if math.isfinite(at)
    )
    for b in bars:
        inside = int(np.count_nonzero((b.close_time_N >= begin) & (b.close_time_N < end)))
        text = f"{b.name}: {len(b)} bars, {inside} in the {span} span ({between}), {needed} needed"
        before = int(np.count_nonzero(b.close_time_N < end)) - needed  # known at the last origin of the span
        if span != "training" and inside >= needed and before < seq_len:
            text += (
                f"; and seq_len {seq_len} bars of context before them, but there are {before}: use a shorter seq_len"
            )
        yield text


def _running_count(flag_N: np.ndarray) -> np.ndarray:
    """int32 (N + 1,): how many flags are set before each row."""
    count = np.zeros(len(flag_N) + 1, np.int32)
    np.cumsum(flag_N, dtype=np.int32, out=count[1:])
    return count
