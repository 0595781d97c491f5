"""Patience."""

from __future__ import annotations

import dataclasses
import math

from hypothesis import given
from hypothesis import strategies as st

from nextbar.train.early_stopper import EarlyStopper

losses = st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.0, math.nan, math.inf]), max_size=20)


@given(losses, st.integers(1, 5))
def test_stops_after_as_many_epochs_as_asked_since_the_last_new_minimum(values: list[float], patience: int) -> None:
    stopper = EarlyStopper(patience)
    for n in range(1, len(values) + 1):
        seen = values[:n]
        best = [i for i in range(n) if all(not seen[i] >= other for other in seen[:i]) and seen[i] < 1e9]
        since = n - 1 - best[-1] if best else n
        assert stopper(seen[-1]) == (since >= patience)
        assert stopper.n_epochs == since


@given(losses, st.integers(1, 5), st.integers(0, 20))
def test_a_restored_stopper_goes_on_where_it_stood(values: list[float], patience: int, at: int) -> None:
    whole, first = EarlyStopper(patience), EarlyStopper(patience)
    expected = [whole(value) for value in values]
    found = [first(value) for value in values[:at]]
    second = EarlyStopper(**dataclasses.asdict(first))
    assert found + [second(value) for value in values[at:]] == expected


def test_an_equal_value_and_nan_are_no_improvement() -> None:
    stopper = EarlyStopper(2)
    assert [stopper(value) for value in (1.0, 1.0, 0.9, math.nan, 0.9)] == [False, False, False, False, True]


def test_a_first_value_must_be_below_the_one_it_starts_from() -> None:
    assert EarlyStopper(1, optim_value=0.5)(0.5)
    assert EarlyStopper(max_epochs=3, n_epochs=2, optim_value=1e9)(1e9)
