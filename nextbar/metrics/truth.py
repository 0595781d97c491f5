"""Outcomes of windows of one series, in the forms that losses need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.metrics.task import Task
from nextbar.types import Outcomes


class Truth(NamedTuple):
    """Outcomes of N windows of one series; float64, on the host."""

    last_close_N1: np.ndarray
    close_NH: np.ndarray
    change_NH: np.ndarray
    """close - last close, price units"""
    log_return_NH: np.ndarray | None
    """ln(close / last close); None where the series has a price that is not above zero"""
    mean_close: float
    """of the whole span: sums of squares are taken around it, which keeps their digits"""

    @classmethod
    def of(cls, last_close_N: np.ndarray, close_NH: np.ndarray, positive: bool, mean_close: float) -> Truth:
        """Outcomes from closes; ``positive``: all prices of the series are above zero, so that log returns exist."""
        last_close_N1 = np.asarray(last_close_N, np.float64)[:, None]
        close_NH = np.asarray(close_NH, np.float64)
        log_return_NH = np.log(close_NH / last_close_N1) if positive else None
        return cls(last_close_N1, close_NH, close_NH - last_close_N1, log_return_NH, mean_close)


def hit(sign_NH: np.ndarray, change_NH: np.ndarray) -> dict[str, np.ndarray]:
    """Elements of ``acc_dir`` from the sign (-1, 0, 1) of the predicted move.

    1 for the right sign, 0 for the wrong one, one half for a flat forecast; true moves of zero count nowhere.
    """
    moved_NH = change_NH != 0
    return {"hit": 0.5 * (1 + sign_NH * np.sign(change_NH)) * moved_NH, "move": moved_NH}


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator; NaN, which is read as "undefined", where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator != 0)


def target_change(outcomes: Outcomes, task: Task) -> np.ndarray:
    """Outcomes in the unit of a forecast's location, float64 (N, H): log returns for that target, else price changes.

    NaN or infinite for log returns of prices that are not above zero.
    """
    last_close_N1 = np.asarray(outcomes.last_close_N, np.float64)[:, None]
    if task.target == "log_return":
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(outcomes.close_NH / last_close_N1)
    return outcomes.close_NH - last_close_N1
