"""Answers of services: the array of bars in them."""

from __future__ import annotations

import pytest

from nextbar.bars.services import unwrapped

BAR = {"t": 1, "c": 2.0}


@pytest.mark.parametrize(
    ("content", "records"),
    [
        ({"bars": [BAR]}, [BAR]),
        ({"results": [BAR], "ticker": "AAA"}, [{"ticker": "AAA", **BAR}]),
        ({"symbol": "AAA", "data": [[1, 2]]}, [[1, 2]]),
        ({"bars": {"AAA": [BAR], "BBB": [BAR]}}, [{"ticker": "AAA", **BAR}, {"ticker": "BBB", **BAR}]),
        ({"columns": ["a", 2], "data": [[1, 2], [3, 4]]}, [{"a": 1, "2": 2}, {"a": 3, "2": 4}]),
    ],
)
def test_the_bars_in_an_answer(content: object, records: list[object]) -> None:
    assert unwrapped(content)[0] == records


@pytest.mark.parametrize("content", [[BAR], [], 1, None, {}, {"bars": []}, {"bars": {}}, {"bars": {"AAA": 1}}, BAR])
def test_anything_else_stays(content: object) -> None:
    assert unwrapped(content) == (content, ())


def test_that_there_is_more_is_told() -> None:
    assert unwrapped({"bars": [BAR], "next_page_token": None})[1] == ("read from 'bars' of an answer",)
    assert "one page of several" in unwrapped({"results": [BAR], "next_url": "x"})[1][1]
