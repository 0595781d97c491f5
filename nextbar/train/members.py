"""Members of an ensemble as one training: their states side by side, their mixture in place of their forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from nextbar.engine.results import SpanOutput, TrainedEpoch
from nextbar.forecasts.mixture import mixture
from nextbar.model.heads import Head
from nextbar.types import Forecast


def joined(trees: Sequence[Any]) -> Any:
    """The trees of several members as one with an axis M in front, on the host; that of a single one as it is."""
    if len(trees) == 1:
        return trees[0]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *jax.device_get(list(trees)))


def parted(tree: Any, members: int) -> list[Any]:
    """Inverse of ``joined``."""
    if members == 1:
        return [tree]
    return [jax.tree.map(lambda leaf, m=m: leaf[m], tree) for m in range(members)]


def epoch_of(members: Sequence[TrainedEpoch]) -> TrainedEpoch:
    """An epoch of all members: the mean of their losses, and the mixture of the forecasts made on the way.

    Members see the windows in orders of their own; forecasts are in the order of the span.
    """
    if len(members) == 1:
        return members[0]
    loss_T = np.mean([member.loss_T for member in members], axis=0)
    sound = all(member.first_bad_step is None for member in members)
    forecast = mixture([member.forecast for member in members]) if sound else Forecast()
    return TrainedEpoch(loss_T, members[0].learning_rate_T, forecast)


def output_of(members: Sequence[SpanOutput], head: Head) -> SpanOutput:
    """Loss and forecast of the mixture of all members in a span."""
    if len(members) == 1:
        return members[0]
    outputs = {name: np.stack([m.outputs[name] for m in members]) for name in members[0].outputs}
    loss_NH = head.mixture_loss(outputs, members[0].label_NH)
    return SpanOutput(np.asarray(loss_NH).mean(axis=1), mixture([member.forecast for member in members]))
