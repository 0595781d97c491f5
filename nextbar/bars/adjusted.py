"""An adjusted close beside the close: which of the two is read, and prices that are scaled with it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nextbar.bars.columns import PRICES
from nextbar.bars.numbers import floats
from nextbar.bars.table import Table

ALIKE = 1e-6
"""relative difference up to which the two are the same, written with fewer digits"""


def by_adjusted(columns: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The prices with the adjusted close as close, and open, high and low by the same factor, float64 (N,).

    The adjusted close stays where it is, so that bars that are read again are scaled by 1.

    Args:
        columns: prices above 0, high and low the highest and the lowest of each bar.
        name: of the adjusted close among them.
    """
    adjusted_N = columns[name]
    with np.errstate(divide="ignore", invalid="ignore"):  # a series that is no market has no other price
        factor_N = adjusted_N / columns["close"]
    scaled = {price: columns[price] * factor_N for price in PRICES if price in columns} | {"close": adjusted_N}
    others = np.stack(list(scaled.values()))
    for edge, farthest in (("high", np.max), ("low", np.min)):  # a last digit may have been rounded the other way
        if edge in scaled:
            scaled[edge] = farthest(others, axis=0)
    return scaled


def told_apart(table: Table, positions: Mapping[str, int], name: str, at: int) -> list[str]:
    """A notice that the close is read and the adjusted one is not, where they differ.

    Args:
        table: as read.
        positions: of its columns by standard name.
        name: of the adjusted close.
        at: its position.
    """
    if "close" not in positions:
        return []
    close_N, adjusted_N = (floats(table.frame.iloc[:, place]) for place in (positions["close"], at))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart_N = np.abs(adjusted_N / close_N - 1)
    apart_N = np.where(np.isfinite(apart_N), apart_N, 0.0)
    n = int((apart_N > ALIKE).sum())
    if not n:
        return []
    return [
        f"close is read, and {name} is not, which differs from it in {n:,} of {len(table):,} rows, by up to "
        f"{100 * apart_N.max():.3g} %: price adjusted reads it instead"
    ]
