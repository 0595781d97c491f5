"""Which trials of a storage count, and in which order."""

from __future__ import annotations

from typing import Any

from optuna.trial import FrozenTrial, create_trial

from nextbar.searching.trials import CONFIGURATION, TAKEN_OVER, WITHDRAWN, counted, first_number, rank, standing


def trial(number: int, experiment: str | None = "a", first: int | None = None, withdrawn: bool = False) -> FrozenTrial:
    attributes: dict[str, Any] = {} if experiment is None else {CONFIGURATION: experiment}
    if first is not None:
        attributes[TAKEN_OVER] = {"first": first, "times": 1, "epochs": 0}
    if withdrawn:
        attributes[WITHDRAWN] = "another worker has the same experiment"
    made = create_trial(value=0.0, user_attrs=attributes)
    made.number = number
    return made


def test_a_trial_keeps_its_place_when_it_is_taken_over() -> None:
    drawn, again = trial(3), trial(7, first=3)
    assert first_number(drawn) == first_number(again) == 3 and first_number(trial(7)) == 7
    assert rank(drawn) == (3, 3) < rank(again) == (3, 7) < rank(trial(4)) == (4, 4)
    without = trial(5)
    without.user_attrs[TAKEN_OVER] = {}
    assert rank(without) == (5, 5)


def test_what_was_withdrawn_or_put_there_by_others_does_not_stand() -> None:
    made = [trial(0), trial(1, withdrawn=True), trial(2, experiment=None), trial(3, None, withdrawn=True), trial(4)]
    assert [one.number for one in standing(made)] == [0, 4]


def test_one_of_each_experiment_counts_and_has_its_place_as_number() -> None:
    made = [trial(9, "b", first=1), trial(0, "c", withdrawn=True), trial(5, "a"), trial(4, "b"), trial(2, "d"),
            trial(6, "a", first=3), trial(0, "e")]  # fmt: skip
    found = counted(made)
    assert [(one.number, one.user_attrs[CONFIGURATION]) for one in found] == [(0, "e"), (1, "b"), (2, "d"), (3, "a")]
    assert [one.number for one in made] == [9, 0, 5, 4, 2, 6, 0], "they are not changed"
    assert found[0] is made[-1], "no copy where the number is right"
    assert TAKEN_OVER in found[1].user_attrs and TAKEN_OVER in found[3].user_attrs
    assert counted([]) == []
