"""Which trainings are computed side by side, also after a kill between the ends of some of them."""

from __future__ import annotations

from typing import Any

import pytest

from nextbar.train.cohort import _computed_on, _worth_computing


class One:
    """A training that did so many epochs."""

    def __init__(self, epochs: int) -> None:
        self.summary = {"epochs": epochs}


@pytest.mark.parametrize(
    "ends", [[9, 9, 9], [3, 9, 9], [3, 5, 9], [2, 2, 9], [1, 2, 3, 4, 5, 6, 7, 9], [9, 4, 4, 4, 9], [4, 9]]
)
def test_a_resumed_cohort_computes_what_an_undisturbed_one_does(ends: list[int]) -> None:
    """Trainings of these last epochs, killed after each."""
    trainings: list[Any] = [One(end) for end in ends]
    undisturbed = trainings
    for done in range(max(ends)):
        live = [training for training, end in zip(trainings, ends, strict=True) if end > done]
        if any(end == done for end in ends):
            undisturbed = _worth_computing(undisturbed, [training for training in undisturbed if training in live])
        ended = [training for training in trainings if training not in live]
        assert _computed_on(trainings, ended, done) == undisturbed


def test_what_ended_later_was_not_trained_beside_them() -> None:
    trainings: list[Any] = [One(30), One(0), One(0)]
    assert _computed_on(trainings, trainings[:1], 4) == trainings[1:]
