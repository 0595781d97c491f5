"""Reads the parts of a space from a mapping with ``base`` and ``search``, as people write it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nextbar.config import ExperimentConfig
from nextbar.config.base import field_names, is_whole, plain
from nextbar.config.yaml_file import override
from nextbar.errors import ConfigError, listed, short
from nextbar.searching.space.dimensions import Categorical, Dimension, Range
from nextbar.searching.space.expression import Expression
from nextbar.searching.space.fields import SECTIONS, field_of, flat, refuse_fixed

KEYS = ("base", "search")

_BARE = re.compile(
    rb"^([ \t]*[\w.]+:[ \t]+)(\[[^\]\n]*\][ \t]*[-+*/][^#\n]{0,300}?)(?<![ \t])([ \t]*(?:#.*)?)$", re.MULTILINE
)


def quoted(content: bytes) -> bytes:
    """YAML with quotes around expressions that begin with a list, which YAML requires and people leave out."""
    return _BARE.sub(rb"\1'\2'\3", content)


def read_base(space: Mapping[Any, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """The base with overrides.

    Args:
        space: a mapping with ``base`` and ``search``.
        overrides: fields to change, such as ``"num_epochs=3"``.

    Raises:
        ConfigError: no base that is a mapping, or overrides that cannot be used.
    """
    strange = [str(key) for key in space if key not in KEYS]
    if strange or set(KEYS) - set(space):
        keys = listed(space) or "nothing"
        raise ConfigError(f"a space has the keys base (an experiment) and search (fields to vary); found {keys}")
    for key in KEYS:
        if not isinstance(space[key], Mapping):
            raise ConfigError(f"{key}: found {short(space[key])}, should be a mapping of fields")
    for section in SECTIONS:
        # fields may be drawn into a section that is missing, but not into a value that is no section
        if section in space["base"] and not isinstance(space["base"][section], Mapping):
            raise ConfigError(f"base: {section}: found {short(space['base'][section])}, should be a mapping of fields")
    return override(space["base"], overrides, field_names(ExperimentConfig))


def read_search(
    search: Mapping[Any, Any], overrides: Iterable[str]
) -> tuple[dict[str, Dimension], dict[str, Expression]]:
    """Dimensions and expressions, by dotted field.

    Args:
        search: the mapping under ``search``.
        overrides: fields of the base to change, which may not be varied.

    Raises:
        ConfigError: an unknown field, one that may not be varied, a dimension that cannot be used.
    """
    names = _by_field(search)
    for text in overrides:
        if (name := text.partition("=")[0].strip()) in names:
            raise ConfigError(f"{text!r}: {name} is varied by the search; take it out of there to fix it")
    dimensions: dict[str, Dimension] = {}
    expressions: dict[str, Expression] = {}
    for name, value in names.items():
        try:
            refuse_fixed(name)
            dimension, expression = _read(name, plain(value))
        except ConfigError as error:
            raise ConfigError(f"search: {name}: {error}") from None
        if dimension is not None:
            dimensions[name] = dimension
        if expression is not None:
            expressions[name] = expression
    return dimensions, expressions


def _by_field(search: Mapping[Any, Any]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for written, value in flat(search):
        try:
            name = field_of(written)
        except ConfigError as error:
            raise ConfigError(f"search: {error}") from None
        if name in names:
            raise ConfigError(f"search: {name} is given twice")
        names[name] = value
    if not names:
        raise ConfigError("search: there is no field to vary")
    return names


def _read(name: str, value: Any) -> tuple[Dimension | None, Expression | None]:
    if isinstance(value, tuple):
        return Categorical.of(tuple(_listed(choice) for choice in value)), None
    if isinstance(value, Mapping):
        return Range.of({key: plain(item) for key, item in value.items()}, is_whole(ExperimentConfig, name)), None
    if not isinstance(value, str):
        raise ConfigError(
            f"found {short(value)}, should be a list of choices, a range such as {{low: 1e-5, high: 1e-3, log: true}}, "
            "or an expression such as '[2, 4] * d_model'"
        )
    expression = Expression.parse(value)
    for other in expression.names:
        field_of(other)
    return Categorical.of(expression.choices) if expression.choices else None, expression


def _listed(value: Any) -> Any:
    """A choice with lists, as they were written, in place of the configuration's tuples."""
    return [_listed(item) for item in value] if isinstance(value, tuple) else value
