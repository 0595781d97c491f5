"""Expressions for fields that follow from others, such as ``[2, 4] * d_model``: parsed, never run as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nextbar.errors import ConfigError, short

LONGEST = 300
ALLOWED = "numbers, names of fields, at most one [list] of numbers, + - * / // and parentheses"

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as it was written.
        tree: its parts, which are ``ALLOWED``.
        choices: the numbers of its list, one of which is drawn; empty where it has none.
    """

    text: str
    tree: ast.expr = field(compare=False)
    choices: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read an expression.

        Raises:
            ConfigError: the text is no expression.
        """
        if len(text) > LONGEST:
            raise ConfigError(f"an expression of {len(text)} characters, should be at most {LONGEST}")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
            lists = list(_lists(tree))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = f": {error}" if isinstance(error, _Foreign) else ""
            raise ConfigError(f"{short(text)} is no expression{reason}; allowed are {ALLOWED}") from None
        if len(lists) > 1:
            raise ConfigError(f"{text!r} has {len(lists)} lists; allowed are {ALLOWED}")
        return cls(text, tree, lists[0] if lists else ())

    @property
    def names(self) -> tuple[str, ...]:
        """The fields in it, as they are written."""
        return tuple(dict.fromkeys(_names(self.tree)))

    def value(self, value_of: Callable[[str], Any], choice: float | None = None) -> Any:
        """The value of the expression.

        Args:
            value_of: gives the value of a field, by the name as written.
            choice: the number drawn from its list.

        Raises:
            ConfigError: a field that is no number, or a division by zero.
        """
        if isinstance(self.tree, ast.Name | ast.Attribute):
            return value_of(ast.unparse(self.tree))  # of whatever kind

        def number(node: ast.expr) -> Any:
            if isinstance(node, ast.Constant):
                return node.value
            if isinstance(node, ast.List):
                return choice
            if isinstance(node, ast.BinOp):
                return _OPERATORS[type(node.op)](number(node.left), number(node.right))
            if isinstance(node, ast.UnaryOp):
                return _OPERATORS[type(node.op)](number(node.operand))
            name = ast.unparse(node)
            field_value = value_of(name)
            if isinstance(field_value, bool) or not isinstance(field_value, int | float):
                raise ConfigError(f"{self.text!r}: {name} is {field_value!r}, should be a number")
            return field_value

        try:
            return number(self.tree)
        except (ZeroDivisionError, OverflowError) as error:
            raise ConfigError(f"{self.text!r} cannot be worked out: {error}") from None


class _Foreign(ValueError):
    """A part that an expression may not have."""


def _lists(node: ast.expr) -> Iterator[tuple[float, ...]]:
    """The lists in a tree; raises ``_Foreign`` for a part that is not allowed."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield from _lists(node.left)
        yield from _lists(node.right)
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        yield from _lists(node.operand)
    elif isinstance(node, ast.List) and node.elts:
        yield tuple(_constant(item) for item in node.elts)
    elif isinstance(node, ast.Constant):
        _constant(node)
    elif not (isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node))):
        raise _Foreign(f"{ast.unparse(node)!r} cannot stand there")


def _constant(node: ast.expr) -> float:
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_constant(node.operand)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Foreign(f"{ast.unparse(node)!r} is no number")
    return value


def _is_dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node.value))


def _names(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Name | ast.Attribute):
        yield ast.unparse(node)
    else:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from _names(child)
