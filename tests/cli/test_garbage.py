"""Garbage: looked for seldom while a command begins, and as Python does from then on."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from nextbar.cli.exits import immediate_interrupt
from nextbar.cli.garbage import SELDOM, look_seldom


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_a_command_that_has_begun_looks_for_garbage_as_usual_but_not_among_modules(usual: tuple[int, int, int]) -> None:
    look_seldom()
    assert gc.get_threshold() == (SELDOM, *usual[1:])
    frozen = gc.get_freeze_count()
    with immediate_interrupt():
        made = [[]]
        made[0].append(made)
        assert gc.get_threshold()[0] == SELDOM
    assert gc.get_threshold() == usual and gc.get_freeze_count() > frozen


def test_where_it_was_never_looked_for_seldom_nothing_changes(usual: tuple[int, int, int]) -> None:
    frozen = gc.get_freeze_count()
    with immediate_interrupt():
        pass
    assert gc.get_threshold() == usual and gc.get_freeze_count() <= frozen
