"""Options of positions: what is refused, and what a person reads of them."""

from __future__ import annotations

from typing import Any

import pytest

from nextbar.errors import ConfigError
from nextbar.metrics.task import Task
from nextbar.positions.options import PositionOptions


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rule": "signs"}, "rule: found 'signs', should be one of 'sign', 'kelly', 'volatility', 'none'; did"),
        ({"cost_bps": -1}, "cost_bps: found -1, should be a finite number >= 0 and < 10000"),
        ({"cost_bps": float("nan")}, "cost_bps: found nan"),
        ({"cap": 0}, "cap: found 0, should be a finite number > 0"),
        ({"trials": 0}, "trials: found 0, should be a whole number >= 1 or None"),
        ({"fraction": 0.5}, "fraction: found 0.5, should be None with rule 'sign': 'kelly' has it"),
        ({"rule": "kelly", "volatility": 0.1}, "volatility: found 0.1, should be None with rule 'kelly'"),
        ({"trials": 1, "sharpe_variance": 0.5}, "sharpe_variance: found 0.5, should be None with trials 1"),
    ],
)  # fmt: skip
def test_an_impossible_option_is_told(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        PositionOptions(**fields)
    assert words in str(error.value)


@pytest.mark.parametrize("mode", ["mean", "discrete_grid"])
@pytest.mark.parametrize("rule", ["kelly", "volatility"])
def test_a_rule_that_goes_by_a_standard_deviation_needs_one(mode: str, rule: Any) -> None:
    with pytest.raises(ConfigError, match=rf"positions.rule: found '{rule}', .* output_mode '{mode}' have none"):
        PositionOptions(rule=rule).require(Task(output_mode=mode))
    PositionOptions(rule=rule).require(Task(output_mode="distribution"))
    PositionOptions().require(Task(output_mode=mode))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "1 times the equity, long or short by the sign of the predicted move; a trade costs 5 basis points"),
        ({"short": False, "cap": 0.5}, "0.5 times the equity, long or none by the sign"),
        ({"rule": "kelly", "fraction": 0.5}, "0.5 of the predicted move over its variance (Kelly), at most 1 times"),
        (
            {"rule": "volatility", "short": False},
            "scaled to vary by 15 % a year, at most 1 times the equity, never short;",
        ),
    ],
)
def test_the_rule_is_told_in_words(fields: dict[str, Any], words: str) -> None:
    assert words in PositionOptions(**fields).in_words


def test_a_basis_point_is_a_hundredth_of_a_percent() -> None:
    assert PositionOptions(cost_bps=5).cost == pytest.approx(0.0005)
