"""Choices of a field: names that stand for one definition each, and may be added to.

``NORM_MODES["my_mode"] = "my_package.my_module:MY_MODE"`` adds one: configurations accept the name, and the definition
is imported when it is first used.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class Choices(dict[str, Any]):
    """Definitions by name: the object itself, or ``"module:attribute"``, where it is defined."""

    def load(self, name: str) -> Any:
        """The definition that a name stands for."""
        return defined(self[name])


def defined(home: Any) -> Any:
    """The object itself, which may be given as ``"module:attribute"``."""
    if not isinstance(home, str):
        return home
    module, _, attribute = home.partition(":")
    return getattr(import_module(module), attribute)


class OneOf:
    """Annotation of a text field whose value is a name of ``choices``, as they are when the field is checked."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def check(value: Any) -> str:
            if not isinstance(value, str) or value not in self.choices:
                raise PydanticCustomError("one_of", "not one of the choices")
            return value

        return core_schema.no_info_plain_validator_function(check)

    @property
    def allowed(self) -> str:
        """The names, for a message."""
        return "one of " + ", ".join(map(repr, self.choices))

    def hint(self, value: Any) -> str:
        """The nearest name, for a message."""
        close = difflib.get_close_matches(value, self.choices, n=1) if isinstance(value, str) else []
        return f"; did you mean {close[0]!r}?" if close else ""


NORM_MODES = Choices(
    {
        name: f"nextbar.data.scaling:{name.upper()}"
        for name in ("window_minmax", "window_meanstd", "window_mean", "global_minmax", "global_meanstd", "none")
    }
)
"""normalisations; their order gives each the number by which compiled code selects it"""


class Output(NamedTuple):
    """Definition of an output mode."""

    head: Any
    """class of its head, or ``"module:attribute"``"""
    kind: str
    """what its forecasts consist of, which decides metrics and baselines: a value (``mean``), a law (``distribution``),
    probabilities of bins (``discrete_grid``)"""
    from_law: bool = False
    """whether its head can start at the law of a range HAR, see ``Head.begin``"""


OUTPUT_MODES = Choices(
    {
        "mean": Output("nextbar.model.heads:MeanHead", kind="mean"),
        "distribution": Output("nextbar.model.heads:DistributionHead", kind="distribution", from_law=True),
        "discrete_grid": Output("nextbar.model.heads:GridHead", kind="discrete_grid", from_law=True),
    }
)
"""what is predicted"""
