"""Checks configurations, and reports all problems of one in a single ``ConfigError``."""

from __future__ import annotations

import difflib
import functools
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from nextbar.arguments import strict_arguments
from nextbar.config.base import field_names, is_config, parts, plain, type_at, written
from nextbar.config.choices import OneOf
from nextbar.errors import MOST, ConfigError, cut, nearest, short

_RULES = ConfigDict(extra="forbid", allow_inf_nan=False)
_WORDS = {
    int: "a whole number",
    float: "a finite number",
    str: "text, not empty",
    bool: "True or False",
    type(None): "None",
}
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}

T = TypeVar("T")


class Unrepeated(ValueError):
    """A problem whose value holds a secret, so that the message must not repeat it."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def checked(cls: type[T]) -> type[T]:
    """Make ``cls`` a frozen, keyword-only dataclass, checked when built, that raises only ``ConfigError``."""
    built: Any = dataclass(config=_RULES, frozen=True, kw_only=True)(cls)
    build = built.__init__

    @functools.wraps(build)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            build(self, *args, **kwargs)
        except ValidationError as error:
            items = _one_each(built, error)
            problems = [problem for item in items[:MOST] for problem in _problems(built, item)]
            problems += [text for text in _hidden_conflicts(built, kwargs, items) if text not in problems]
            more = len(items[MOST:])
            title = ":" if len(problems) == 1 else f" has {len(problems) + more:,} problems:\n "
            listing = [*problems, f"and {more:,} more"] if more else problems
            raise ConfigError(f"{cls.__name__}{title} " + "\n  ".join(listing)) from None

    strict_arguments(built)
    built.__init__ = __init__  # which tells unknown fields among all other problems
    return built


def _one_each(cls: Any, error: ValidationError) -> list[dict[str, Any]]:
    """The errors of pydantic, one for each value; it tells one for each member of a union, under the member's name."""
    found: dict[tuple[str | int, ...], dict[str, Any]] = {}
    for item in error.errors():
        path: tuple[str | int, ...] = ()
        for step in item["loc"]:
            if isinstance(step, str) and not is_config(type_at(cls, path)[0]):
                break
            path = *path, step
        found.setdefault(path, {**item, "loc": path})
    return list(found.values())


def _problems(cls: Any, error: Mapping[str, Any]) -> Iterator[str]:
    """Lines for one pydantic error: where, what was found, what is allowed."""
    path, kind = error["loc"], error["type"]
    where = _dotted(path)
    if kind == "conflicts":
        yield from (f"{where}.{text}" if where else text for text in error["ctx"]["conflicts"])
    elif kind == "unexpected_positional_argument":
        yield f"found {_short(error['input'])} without a name; fields are given by keyword, in any order"
    elif kind in ("unexpected_keyword_argument", "invalid_key"):
        where = cut(".".join(map(str, path)))
        yield f"{where}: no such field{nearest(where, field_names(cls))}"
    elif kind == "missing":
        yield f"{where}: must be given, should be {allowed_in_words(*type_at(cls, path))}"
    elif kind == "value_error" and isinstance(error["ctx"]["error"], Unrepeated):
        yield f"{where}: {error['ctx']['error']}"
    elif kind == "value_error":
        yield f"{where}: found {_short(error['input'])}, {error['ctx']['error']}"
    else:
        annotation, metadata = type_at(cls, path)
        hint = _hint(kind, annotation, metadata, error["input"])
        yield f"{where}: found {_short(error['input'])}, should be {allowed_in_words(annotation, metadata)}{hint}"


def _hidden_conflicts(cls: Any, given: Mapping[str, Any], errors: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Conflicts that pydantic does not come to look for, because some other field is wrong; none about such a field."""
    wrong = [_dotted(item["loc"][:2]) for item in errors if item["type"] != "conflicts"]
    return _conflicts_of(cls, given, wrong)


def _conflicts_of(cls: Any, given: Any, wrong: Sequence[str], prefix: str = "") -> Iterator[str]:
    """Conflicts between fields that are right; ``wrong`` names the others, with dots."""
    if prefix.rstrip(".") in wrong:
        return
    for name, field in cls.__pydantic_fields__.items():
        if is_config(field.annotation):
            yield from _conflicts_of(field.annotation, _inside(given, name), wrong, f"{prefix}{name}.")
    unsure = [name.removeprefix(prefix) for name in wrong if name.startswith(prefix)]
    try:
        for text in _stand_in(cls, given)._conflicts():
            if not any(re.search(rf"(?<![\w.]){re.escape(name)}\b", text) for name in unsure):
                yield prefix + text
    except (TypeError, ValueError, AttributeError):  # a field without a default that is missing
        return


def _stand_in(cls: Any, given: Any) -> Any:
    """A configuration whose fields are those given, and their defaults where they are missing or wrong."""
    stand_in = object.__new__(cls)
    for name, field in cls.__pydantic_fields__.items():
        value = _inside(given, name)
        if is_config(field.annotation):
            value = _stand_in(field.annotation, value)
        else:
            try:
                value = _field_alone(cls, name).validate_python(plain(value))
            except ValidationError:
                value = None if field.is_required() else field.default
        object.__setattr__(stand_in, name, value)
    return stand_in


@functools.cache
def _field_alone(cls: Any, name: str) -> TypeAdapter[Any]:
    field = cls.__pydantic_fields__[name]
    kind: Any = Annotated[field.annotation, *field.metadata, Field()]
    return TypeAdapter(kind)


def _inside(given: Any, name: str) -> Any:
    """A field's value of a mapping or a configuration; one that is not there fits no type."""
    return given.get(name, PydanticUndefined) if isinstance(given, Mapping) else getattr(given, name, PydanticUndefined)


def allowed_in_words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """What a field of this type and these constraints may hold, in words."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return allowed_in_words(args[0], args[1:])
    if origin in (Union, types.UnionType):
        return " or ".join(allowed_in_words(kind) for kind in args)
    if origin is tuple:
        return f"a list, each item {allowed_in_words(args[0])}"
    if origin is Literal:
        return "one of " + ", ".join(map(repr, args))
    if is_config(annotation):
        return f"a mapping of {annotation.__name__}'s fields"
    if choices := _choices(metadata):
        return choices.allowed
    limits = {}
    for item in metadata:
        for part in item.metadata if isinstance(item, FieldInfo) else [item]:
            limits.update({key: getattr(part, key) for key in (*_SIGNS, "allow_inf_nan") if hasattr(part, key)})
    words = "a number" if limits.pop("allow_inf_nan", False) else _WORDS[annotation]
    return " ".join([words, " and ".join(f"{_SIGNS[key]} {limit}" for key, limit in limits.items())]).strip()


def _hint(kind: str, annotation: Any, metadata: Sequence[Any], value: Any) -> str:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(filter(None, (_hint(kind, *parts(member), value) for member in get_args(annotation))), "")
    if choices := _choices(metadata):
        return choices.hint(value)
    if kind == "literal_error" and isinstance(value, str):
        close = difflib.get_close_matches(value, get_args(annotation), n=1)
        return f"; did you mean {close[0]!r}?" if close else ""
    if kind == "string_type" and isinstance(value, bool | int | float):
        return "; YAML needs quotes around text that reads as a number or as true or false"
    return ""


def _choices(metadata: Sequence[Any]) -> OneOf | None:
    return next((item for item in metadata if isinstance(item, OneOf)), None)


def _dotted(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _short(value: Any) -> str:
    return short(written(value))  # lists as they were written
