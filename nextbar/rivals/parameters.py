"""A model of a library by its name and parameters, as they are written on a command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from nextbar.errors import ConfigError, first_line, nearest

Maker = Callable[..., Any]


def model_class(module: ModuleType, name: str, where: str, method: str) -> Maker:
    """What makes the model ``name`` of a library's module, with errors for people.

    Args:
        module: of the library.
        name: of a class in it.
        where: the module in messages.
        method: that its models have.

    Raises:
        ConfigError: there is no such class. Called: parameters that it does not take.
    """
    names = sorted({*dir(module), *getattr(module, "__all__", ())})  # darts imports its models when they are named
    model = getattr(module, name, None) if name in names and not name.startswith("_") else None
    if not inspect.isclass(model) or not callable(getattr(model, method, None)):
        raise ConfigError(
            f"{where} has no model {name!r}{nearest(name, [title for title in names if title[:1].isupper()])}"
        )

    def make(**parameters: Any) -> Any:
        try:
            return model(**parameters)
        except Exception as error:  # whatever a library's initialiser raises
            given = written(parameters)
            raise ConfigError(f"{where}.{name}({given}): {type(error).__name__}, {first_line(error)}") from error

    return make


def written(parameters: Mapping[str, Any]) -> str:
    """Parameters as Python has them."""
    return ", ".join(f"{name}={value!r}" for name, value in parameters.items())
