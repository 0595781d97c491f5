"""Results of compiled code on the host: those of an epoch of training, and of a span's windows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nextbar.engine.order import Order
from nextbar.types import Forecast


class SpanOutput(NamedTuple):
    """Losses and forecasts of a span's windows, in the order of its origins."""

    loss_N: np.ndarray
    forecast: Forecast
    outputs: Any = None
    """of the head, arrays (N, H, ...) by name; and their labels: only where they were asked for"""
    label_NH: np.ndarray | None = None

    @classmethod
    def of(cls, parts: list[Any], order: Order) -> SpanOutput:
        """Join the results of its calls."""
        span = order.collect(parts)
        return cls(span["loss"], Forecast(**span["forecast"]), span.get("outputs"), span.get("label"))


class TrainedEpoch(NamedTuple):
    """Results of one epoch of training, beside the state."""

    loss_T: np.ndarray
    learning_rate_T: np.ndarray
    forecast: Forecast

    @classmethod
    def of(cls, parts: list[Any], order: Order) -> TrainedEpoch:
        """Join the results of its calls; no forecast where a loss is not finite."""
        loss_T, rate_T = (np.concatenate([part[k] for part in parts])[: len(order)] for k in ("loss", "learning_rate"))
        if not np.isfinite(loss_T).all():
            return cls(loss_T, rate_T, Forecast())
        return cls(loss_T, rate_T, Forecast(**order.collect([part["forecast"] for part in parts])))

    def mean_loss(self, n_windows: int, batch_size: int) -> float:
        """Mean over all windows; the last step may have had fewer."""
        weight_T = np.full(len(self.loss_T), batch_size)
        weight_T[-1] -= batch_size * len(self.loss_T) - n_windows
        return float(np.average(self.loss_T.astype(np.float64), weights=weight_T))

    @property
    def first_bad_step(self) -> int | None:
        """Step of the epoch, from 0, whose loss is not finite."""
        bad = np.flatnonzero(~np.isfinite(self.loss_T))
        return int(bad[0]) if bad.size else None
