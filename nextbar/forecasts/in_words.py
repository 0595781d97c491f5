"""An outlook in sentences that take no statistics to read: all figures are the law's, rounded for reading."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nextbar.display.fan import moment
from nextbar.forecasts.outlook import ALMOST, MOSTLY, Outlook

TWO_IN_THREE, NINETEEN_IN_TWENTY = "two times in three", "nineteen times in twenty"


def in_words(outlook: Outlook) -> tuple[str, ...]:
    """When the forecast is made, what is expected of the next bar, and of the last one where H is above 1."""
    past, step = outlook.past, outlook.past.step
    opens = moment(outlook.time_H[0], step)
    made = (
        f"{outlook.name} stood at {amount(outlook.last_close)} after the bar of {moment(past.time_N[-1], step)} UTC; "
        f"the next one opens {opens}."
    )
    steps = [0] if len(outlook.time_H) == 1 else [0, len(outlook.time_H) - 1]
    say = _bins if outlook.probs_HK is not None else _law if outlook.rise_H is not None else _point
    return (made, *(sentence for h in steps for sentence in say(outlook, h)))


def _law(outlook: Outlook, h: int) -> Sequence[str]:
    """Of a law: how far from the last close, between which prices, and how likely a rise."""
    assert outlook.close_H is not None and outlook.reach_H is not None and outlook.rise_H is not None
    low_H, high_H = outlook.bands[ALMOST]
    return (
        f"{TWO_IN_THREE.capitalize()} {_which(h)} lies within ±{distance(outlook, outlook.reach_H[h])} of "
        f"{amount(outlook.last_close)}.",
        f"{NINETEEN_IN_TWENTY.capitalize()} it lies between {amount(low_H[h])} and {amount(high_H[h])}, and it is "
        f"higher than now {chances(outlook.rise_H[h])}.",
    )


def _point(outlook: Outlook, h: int) -> Sequence[str]:
    """Of a point forecast: the close, and how far such forecasts have been off."""
    assert outlook.close_H is not None
    move = outlook.close_H[h] - outlook.last_close
    expected = f"{_which(h).capitalize()} is expected at {amount(outlook.close_H[h])} ({_move(outlook, move)})."
    if outlook.reach_H is None or outlook.errors is None:
        return expected, "The model says one number and no range."
    span, count = outlook.errors.span, outlook.errors.count(outlook.name)
    return (
        expected,
        f"The model says no range; on the {span} span {TWO_IN_THREE} it came within "
        f"±{distance(outlook, outlook.reach_H[h])} of such a forecast ({count:,} forecasts).",
    )


def _bins(outlook: Outlook, h: int) -> Sequence[str]:
    """Of bins: the likeliest, the narrowest range that holds two of three, and a rise where an edge is zero."""
    assert outlook.probs_HK is not None
    probs_K, edges = outlook.probs_HK[h], outlook.task.edges
    best = int(probs_K.argmax())
    a, b = narrowest(probs_K, MOSTLY)
    parts = [f"{move_range(edges, best, best)}, {chances(probs_K[best])}"]
    if (a, b) not in ((best, best), (0, len(probs_K) - 1)):
        parts.append(f"{move_range(edges, a, b)}, {chances(probs_K[a : b + 1].sum())}")
    if outlook.rise_H is not None and 0.0 not in (edges[a], edges[best]):
        parts.append(f"no fall, {chances(outlook.rise_H[h])}")
    return (f"Likeliest for {_which(h)}: {'; '.join(parts)}.",)


def _which(h: int) -> str:
    return "the next close" if h == 0 else f"the close after {h + 1} bars"


def narrowest(probs_K: np.ndarray, share: float) -> tuple[int, int]:
    """First and last of the fewest neighbouring bins that hold a share together; of as few the most probable."""
    below = np.concatenate([[0.0], np.cumsum(probs_K)])
    for size in range(1, len(probs_K)):
        mass = below[size:] - below[:-size]
        if mass.max() >= share:
            first = int(mass.argmax())
            return first, first + size - 1
    return 0, len(probs_K) - 1


def move_range(edges: Sequence[float], first: int, last: int) -> str:
    """The moves of neighbouring bins: ``a fall of more than 1 %``, ``a move from −1 to 0.5 %``.

    The lower edge of a bin belongs to it, the upper one does not, and the outermost bins reach on.
    """
    low = None if first == 0 else edges[first]
    high = None if last == len(edges) - 2 else edges[last + 1]
    if low is None and high is None:
        return "any move"
    if low is None:
        assert high is not None
        return "a fall" if high == 0 else f"a fall of more than {-high:g} %" if high < 0 else f"a move below {high:g} %"
    if high is None:
        rise = f"a rise of {low:g} % or more" if low > 0 else f"a move from {_signed(low)} % up"
        return "no fall" if low == 0 else rise
    return f"a move from {_signed(low)} to {_signed(high)} %"


def distance(outlook: Outlook, prices: float) -> str:
    """A distance in percent of the last close; in prices where percents say nothing."""
    if not outlook.is_relative:
        return amount(prices, 2)
    return f"{amount(100 * prices / outlook.last_close, 2)} %"


def _move(outlook: Outlook, prices: float) -> str:
    return ("−" if prices < 0 else "+") + distance(outlook, abs(prices))


def chances(share: float) -> str:
    """How often in 100, as a whole number; never none and never all, since no forecast is sure."""
    percent = round(100 * float(share))
    if percent <= 1:
        return "once in 100" if percent else "less than once in 100"
    return f"{percent} times in 100" if percent < 100 else "more than 99 times in 100"


def amount(value: float, digits: int = 5) -> str:
    """A number to so many digits, its whole part never cut, without an exponent and with a typographic minus."""
    value = float(value)
    if not math.isfinite(value):
        return "beyond all numbers"
    first = math.floor(math.log10(abs(value))) if value else 0
    decimals = min(max(digits - 1 - first, 0), 12)
    return f"{value:,.{decimals}f}".replace("-", "−")


def _signed(edge: float) -> str:
    return f"{edge:g}".replace("-", "−")
