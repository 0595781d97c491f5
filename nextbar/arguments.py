"""Refuses keyword arguments that a public callable does not have, and names the nearest that it has."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar, get_args, get_type_hints

from nextbar.errors import ArgumentError, nearest

T = TypeVar("T", bound=Callable[..., Any])


def strict_arguments(target: T) -> T:
    """Make a public function, or the initialiser and all public methods of a class, refuse unknown keyword arguments.

    ``**names: Unpack[SomeTypedDict]`` takes the keys of that dictionary and no others.

    Raises (the decorated callable):
        ArgumentError: an argument that the callable does not have; the nearest is named, or all there are.
    """
    if not isinstance(target, type):
        return _strict(target)
    for name, member in list(vars(target).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(member, classmethod | staticmethod):
            setattr(target, name, type(member)(_strict(member.__func__)))
        elif inspect.isfunction(member):
            setattr(target, name, _strict(member))
    return target


def _strict(function: Any) -> Any:
    """The function, refusing unknown keyword arguments."""

    @cache  # at the first call, since annotations may name classes further down in a module
    def names() -> tuple[str, ...]:
        parameters = list(inspect.signature(function).parameters.values())
        keywords = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        for p in parameters:
            if p.kind is p.VAR_KEYWORD:
                (dictionary,) = get_args(get_type_hints(function)[p.name])
                keywords += dictionary.__annotations__
        return tuple(name for name in keywords if name not in ("self", "cls"))

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if unknown := [name for name in kwargs if name not in names()]:
            raise ArgumentError(_refusal(function, unknown, names()))
        return function(*args, **kwargs)

    return call


def _refusal(function: Any, unknown: list[str], names: tuple[str, ...]) -> str:
    """The message about unknown arguments of a function."""
    title = function.__qualname__.removesuffix(".__init__")
    if not names:
        return f"{title}: found {', '.join(unknown)}, but it takes no arguments by name; leave them out"
    return f"{title}: " + "\n  ".join(f"no argument {name!r}{nearest(name, names)}" for name in unknown)
