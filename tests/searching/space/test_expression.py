"""Expressions in a space: arithmetic over other fields, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbar.errors import ConfigError
from nextbar.searching.space.expression import LONGEST, Expression

FIELDS = {"d_model": 16, "model_config.d_model": 16, "seq_len": 6, "dropout": 0.25, "lr_mode": "cosine", "clock": True}


def value(text: str, choice: float | None = None) -> Any:
    return Expression.parse(text).value(FIELDS.__getitem__, choice)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 * d_model", 32),
        ("model_config.d_model // 3", 5),
        ("d_model / 32", 0.5),
        ("-(seq_len - 10) + +1", 5),
        ("(seq_len + 2) * (d_model - 1)", 120),
        ("7", 7),
        ("1e-3 * seq_len", 0.006),
    ],
)
def test_arithmetic(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected, rel=1e-15)
    assert type(value(text)) is type(expected)


@pytest.mark.parametrize(("name", "expected"), list(FIELDS.items()))
def test_a_name_alone_is_the_field_whatever_its_kind(name: str, expected: Any) -> None:
    assert value(name) is expected


def test_one_of_a_list_is_drawn() -> None:
    found = Expression.parse("[2, 4, -1, 0.5] * d_model + 1")
    assert found.choices == (2, 4, -1, 0.5)
    assert [found.value(FIELDS.__getitem__, choice) for choice in found.choices] == [33, 65, -15, 9.0]
    assert Expression.parse("[8, 16]").value(FIELDS.__getitem__, 8) == 8


def test_the_names_are_those_that_are_written_once_each() -> None:
    assert Expression.parse("d_model * (seq_len + d_model) - a.b").names == ("d_model", "seq_len", "a.b")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "d_model.__class__()",
        "[x for x in (1,)]",
        "(lambda: 1)()",
        "d_model ** 9",
        "d_model % 3",
        "1 if clock else 2",
        "d_model[0]",
        "'a' * 9",
        "f'{d_model}'",
        "d_model == 16",
        "not clock",
        "True",
        "None",
        "1j",
        "[d_model, 2]",
        "[[1], 2]",
        "[]",
        "{2, 4}",
        "(2, 4)",
        "d_model; seq_len",
        "d_model = 3",
        "(a := 3)",
        "d_model(2)",
        "...",
        "",
        "  ",
        "2 *",
        "[1, 2",
        "\0",
    ],
)
def test_nothing_else_is_an_expression(text: str) -> None:
    with pytest.raises(ConfigError, match="is no expression"):
        Expression.parse(text)


def test_a_name_is_looked_up_among_fields_alone() -> None:
    with pytest.raises(KeyError):
        value("open")


def test_two_lists_and_a_novel_are_refused() -> None:
    with pytest.raises(ConfigError, match="has 2 lists"):
        Expression.parse("[1, 2] * [3, 4]")
    with pytest.raises(ConfigError, match=f"should be at most {LONGEST}"):
        Expression.parse("1" + " + 1" * LONGEST)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / (seq_len - 6)", "cannot be worked out: division by zero"),
        ("d_model // 0", "cannot be worked out"),
        ("2 * lr_mode", "lr_mode is 'cosine', should be a number"),
        ("clock + 1", "clock is True, should be a number"),
    ],
)
def test_what_cannot_be_worked_out(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        value(text)


numbers = st.integers(-50, 50).map(str) | st.just("d_model") | st.just("seq_len")
trees = st.recursive(
    numbers, lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})")
)


@given(trees.filter(lambda text: len(text) <= LONGEST))
def test_it_comes_to_what_python_says(text: str) -> None:
    assert value(text) == eval(text, {"__builtins__": {}}, {"d_model": 16, "seq_len": 6})


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_refused_in_words(text: str) -> None:
    try:
        found = Expression.parse(text)
    except ConfigError:
        return
    assert isinstance(found.names, tuple)
