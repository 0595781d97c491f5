"""``Checked``, the base of configurations, and what they consist of: fields by name and type, plain values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin

import numpy as np
from pydantic import field_validator, model_validator
from pydantic_core import PydanticCustomError

from nextbar.arguments import strict_arguments

T = TypeVar("T")


class Checked:
    """Base of the configurations: plain Python values in, plain values out, pairs of fields checked last."""

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return plain(value)

    @model_validator(mode="after")
    def _consistent(self: T) -> T:
        self._complete()  # type: ignore[attr-defined]
        if conflicts := list(self._conflicts()):  # type: ignore[attr-defined]
            raise PydanticCustomError("conflicts", "fields at odds", {"conflicts": conflicts})
        return self

    def _complete(self) -> None:
        """Put what follows from other fields where nothing was given."""

    def _conflicts(self) -> Iterator[str]:
        """Problems between fields that are each right on their own."""
        yield from ()

    @strict_arguments
    def to_dict(self) -> dict[str, Any]:
        """Mappings, lists and scalars only, ready for YAML and JSON."""
        return written({name: getattr(self, name) for name in self.__dataclass_fields__})  # type: ignore[attr-defined]


def plain(value: Any) -> Any:
    """NumPy scalars and 0-d arrays as Python's, also inside lists; lists, tuples and arrays as tuples."""
    if isinstance(value, np.ndarray):
        return plain(value[()]) if value.ndim == 0 else tuple(plain(item) for item in value)
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        return value.item()
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return value


def written(value: Any) -> Any:
    """A value as it is written: mappings, lists and scalars only."""
    if isinstance(value, Checked):
        return value.to_dict()
    if isinstance(value, tuple):
        return [written(item) for item in value]
    return {key: written(item) for key, item in value.items()} if isinstance(value, dict) else value


def is_config(annotation: Any) -> bool:
    """Whether a type is that of a configuration, which has fields of its own."""
    return isinstance(annotation, type) and issubclass(annotation, Checked)


def field_names(cls: Any, prefix: str = "") -> tuple[str, ...]:
    """Dotted names of all fields of a configuration and of those inside it."""
    names: list[str] = []
    for name, field in cls.__pydantic_fields__.items():
        names.append(prefix + name)
        if is_config(field.annotation):
            names.extend(field_names(field.annotation, f"{prefix}{name}."))
    return tuple(names)


def is_whole(cls: Any, name: str) -> bool:
    """Whether a field, named with dots, takes whole numbers only."""
    return bare(type_at(cls, name.split("."))[0]) is int


def type_at(cls: Any, path: Sequence[str | int]) -> tuple[Any, Sequence[Any]]:
    """Annotation and constraints of the value at ``path`` inside configuration ``cls``."""
    annotation, metadata = cls, ()
    for step in path:
        if isinstance(step, int):
            kinds = map(bare, (annotation, *get_args(annotation)))  # a tuple, or one among None and others
            annotation = next(get_args(kind)[0] for kind in kinds if get_origin(kind) is tuple)
            metadata = ()
        else:
            field = annotation.__pydantic_fields__[step]
            annotation, metadata = field.annotation, tuple(field.metadata)
    return annotation, metadata


def parts(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type, and the metadata of its annotation."""
    return (
        (get_args(annotation)[0], get_args(annotation)[1:]) if get_origin(annotation) is Annotated else (annotation, ())
    )


def bare(annotation: Any) -> Any:
    """A type without its metadata."""
    return parts(annotation)[0]
