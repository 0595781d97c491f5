"""A space as people write it: ``base`` and ``search``, in a YAML file or a mapping, read into its parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nextbar.config import ExperimentConfig
from nextbar.config.check import field_names, is_whole, plain
from nextbar.config.yaml_file import override
from nextbar.errors import ConfigError, listed, short
from nextbar.searching.space.dimensions import Choices, Dimension, Range
from nextbar.searching.space.expression import Expression
from nextbar.searching.space.fields import SECTIONS, field_of, flat, refuse_fixed

KEYS = ("base", "search")

_BARE = re.compile(rb"^([ \t]*[\w.]+:[ \t]+)(\[[^\]\n]*\][ \t]*[-+*/][^#\n]*?)([ \t]*(?:#.*)?)$", re.MULTILINE)


def quoted(content: bytes) -> bytes:
    """Expressions that begin with a list in quotes, which YAML wants around them and people leave out."""
    return _BARE.sub(rb"\1'\2'\3", content)


def read_base(given: Mapping[Any, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """The fixed experiment, with overrides put in.

    Raises:
        ConfigError: no experiment, or overrides that cannot be put in.
    """
    strange = [str(key) for key in given if key not in KEYS]
    if strange or set(KEYS) - set(given):
        found = f"found {listed(given) or 'nothing'}"
        raise ConfigError(f"a space has the keys base (an experiment) and search (fields to vary); {found}")
    for key in KEYS:
        if not isinstance(given[key], Mapping):
            raise ConfigError(f"{key}: found {short(given[key])}, should be a mapping of fields")
    for section in SECTIONS:
        # fields may be drawn into a section that is not there, not into something that is none
        if section in given["base"] and not isinstance(given["base"][section], Mapping):
            raise ConfigError(f"base: {section}: found {short(given['base'][section])}, should be a mapping of fields")
    return override(given["base"], overrides, field_names(ExperimentConfig))


def read_search(
    given: Mapping[Any, Any], overrides: Iterable[str]
) -> tuple[dict[str, Dimension], dict[str, Expression]]:
    """What is drawn and what follows from it, by dotted field.

    Args:
        given: what stands under ``search``.
        overrides: fields of the base that are changed; none of those that are varied may be.

    Raises:
        ConfigError: an unknown field, one that may not be varied, choices that are none.
    """
    names = _by_field(given)
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


def _by_field(given: Mapping[Any, Any]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for written, value in flat(given):
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
        return Choices.of(tuple(_listed(one) for one in value)), None
    if isinstance(value, Mapping):
        return Range.of({key: plain(one) for key, one in value.items()}, is_whole(ExperimentConfig, name)), None
    if not isinstance(value, str):
        raise ConfigError(
            f"found {short(value)}, should be a list of choices, a range such as {{low: 1e-5, high: 1e-3, log: true}}, "
            "or an expression such as '[2, 4] * d_model'"
        )
    expression = Expression.parse(value)
    for other in expression.names:
        field_of(other)
    return Choices.of(expression.choices) if expression.choices else None, expression


def _listed(value: Any) -> Any:
    """Lists, as they were written, for what the configuration reads as tuples."""
    return [_listed(one) for one in value] if isinstance(value, tuple) else value
