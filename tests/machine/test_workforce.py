"""The workers of a cluster: those that come one by one, and none."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest

from nextbar.errors import RunError
from nextbar.machine import workforce
from nextbar.machine.workforce import Workforce


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds that pass in pauses alone."""
    now = [0.0]
    monkeypatch.setattr(workforce, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(workforce, "pause", lambda seconds: now.__setitem__(0, now[0] + seconds))
    yield now


def counts(numbers: Sequence[int]) -> Workforce:
    """One number a look, the last again and again."""
    coming = itertools.chain(numbers, itertools.repeat(numbers[-1]))
    return Workforce("dask://lead:1", lambda: next(coming), "start one")


@pytest.mark.parametrize("numbers", [[16], [1, 1, 3, 16], [0] * 200 + [4, 4, 16], [17, 16]])
def test_workers_are_counted_when_none_has_come_or_gone_for_a_while(numbers: list[int]) -> None:
    assert counts(numbers).settled() == 16


def test_the_first_is_waited_for_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "nextbar"):
        assert counts([0, 0, 0, 2]).settled() == 2
    assert [record.getMessage() for record in caplog.records] == ["dask://lead:1 has no worker yet: waiting for one"]


def test_without_any_for_long_it_says_what_to_start(clock: list[float]) -> None:
    with pytest.raises(RunError, match=r"^dask://lead:1 has had no worker for 300 s; start some \(start one\), "):
        counts([0]).settled()
    assert 300 < clock[0] < 310
    workers = counts([1, 0, 1, 0])
    for seconds in (0, 299, 299, 299):  # some came between
        clock[0] += seconds
        workers.present()
