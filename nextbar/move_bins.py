"""Bins of moves: which one a move in percent falls into, the same for labels, metrics and baselines; their names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

EDGE_TOLERANCE = 2e-15
"""of 100 % and the edge together: a move that falls short of an edge by less has reached it. Two decimal prices in
float64 are off by half a unit in the last place each, which moves their percentage by up to 5.6e-16 (100 + |move|)."""


def bin_index(last_close: np.ndarray, close: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Bin of each simple move 100 (close - last_close) / last_close, percent; int64 in 0 ... K-1, the common shape.

    The lower edge belongs to a bin, the upper to the next; a move outside all edges falls into the outermost bin.
    Moves of decimal prices fall where exact arithmetic puts them, as long as price / tick x the edge's denominator
    stays below 5e12 (a price of 1e6 in hundredths, edges of four decimals).

    Args:
        last_close: above zero.
        close: as many, or of a shape that broadcasts.
        edges: K+1, ascending, in percent.
    """
    inner = np.asarray(edges, np.float64)[1:-1]
    reached = inner - EDGE_TOLERANCE * (100 + np.abs(inner))
    with np.errstate(divide="ignore", invalid="ignore"):  # prices that are not above zero are refused elsewhere
        return np.searchsorted(reached, 100 * (close - last_close) / last_close, side="right")


def bin_labels(edges: Sequence[float]) -> list[str]:
    """``below −1 %``, ``−1 to 1 %``, ``above 1 %``; nothing without bins. The outermost take the moves outside."""
    inner = [f"{edge:g}".replace("-", "−") for edge in edges[1:-1]]
    if not inner:
        return ["any"] if edges else []
    between = [f"{a} to {b} %" for a, b in pairwise(inner)]
    return [f"below {inner[0]} %", *between, f"above {inner[-1]} %"]
