"""Why trials of an experiment cannot be ranked: no series that is scored has a baseline to be held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import build_dataset
from nextbar.metrics.reference import missing_baseline
from nextbar.metrics.task import Task
from nextbar.train.scored_spans import reference_of


def no_yardstick(config: ExperimentConfig, bars: Sequence[Bars]) -> str:
    """Why validation has no ranking score whatever is trained, in words; empty where it can have one.

    Args:
        config: the experiment.
        bars: its series.

    Raises:
        NextbarError: bars that cannot be windowed.
    """
    dataset, task = build_dataset(config, bars), Task.of(config)
    scored = np.unique(dataset.panel.series_R[dataset.origins["validation"]]).tolist()
    reference = reference_of(dataset, "validation", task)
    return _unless_one_has([missing_baseline(reference, s, dataset.names[s], task) for s in scored])


def no_yardstick_in(report: Mapping[str, Any]) -> str:
    """The same, of a report on validation."""
    return _unless_one_has([node.get("no_baseline") for node in report["by_ticker"].values()])


def _unless_one_has(reasons: Sequence[str | None]) -> str:
    lacking = [reason for reason in reasons if reason]
    if not lacking or len(lacking) < len(reasons):
        return ""
    return f"it cannot be ranked: {'; '.join(lacking)}. Score a series with more bars before validation"
