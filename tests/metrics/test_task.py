"""The question put to a model, as its configuration asks it."""

from __future__ import annotations

import math

import pytest
from builders import make_config

from nextbar.metrics.task import Task

LEVELS = [-math.inf, 0.0, math.inf]


def test_a_configuration_asks_for_mode_horizon_target_and_bins() -> None:
    assert Task.of(make_config()) == Task(output_mode="mean", horizon=1, target="close", edges=())
    law = make_config(output_mode="distribution", horizon=4, target="log_return")
    assert Task.of(law) == Task(output_mode="distribution", horizon=4, target="log_return", edges=())
    bins = make_config(output_mode="discrete_grid", horizon=2, discrete_grid_levels=LEVELS)
    assert Task.of(bins) == Task(output_mode="discrete_grid", horizon=2, edges=tuple(LEVELS))


@pytest.mark.parametrize(
    ("mode", "target", "leading", "positive"),
    [
        ("mean", "close", "mae", False),
        ("mean", "log_return", "mae", True),
        ("distribution", "close", "nll", False),
        ("distribution", "log_return", "nll", True),
        ("discrete_grid", "close", "log_loss", True),
    ],
)
def test_what_is_ranked_by_and_which_prices_there_must_be(mode: str, target: str, leading: str, positive: bool) -> None:
    task = Task(output_mode=mode, target=target)
    assert task.leading == leading and task.needs_positive_prices is positive


def test_the_same_question_is_answered_by_closes_or_quantiles() -> None:
    bins = Task(output_mode="discrete_grid", horizon=2, target="log_return", edges=tuple(LEVELS))
    assert bins.of_closes == Task(output_mode="mean", horizon=2, target="log_return")
    law = Task(output_mode="distribution", horizon=2)
    assert law.of_quantiles((0.1, 0.9)) == Task(output_mode="quantiles", horizon=2, shares=(0.1, 0.9))
