"""Configuration files: YAML read so that ``1e-4`` is a float, and written so that nothing is lost."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from nextbar.errors import ConfigError, first_line, nearest, short
from nextbar.files import LEVELS, read_bytes, write_whole

LARGEST = 10**6
"""bytes of a file"""
MOST_ALIASES = 100
MOST_VALUES = 200_000
"""scalars, lists and mappings, those that aliases stand for counted each time: nine levels of nine aliases are a short
file and 400 million values"""

# PyYAML follows YAML 1.1, where 1e-4 (no dot, or no sign in the exponent) is text; YAML 1.2 reads a number.
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
# Python's and JSON's spellings, which YAML reads as text.
_INFINITE = re.compile(r"[-+]?(?:inf|Infinity)$")
_NONE = re.compile("None$")
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Safe, with YAML 1.2 floats, ``inf`` and ``None``; dates stay text; a key given twice is an error.

    Plain values only: no tags, and within bounds, also where aliases stand for much.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own class attribute
        first: [(tag, form) for tag, form in forms if tag != _TIMESTAMP]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth = self._aliases = self._values = 0
        self._sizes: dict[int, int] = {}  # values in a node that has been read to its end

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(super().compose_node(parent, index), event)
        if getattr(event, "tag", None) is not None:
            raise _refused("a tag (!); only plain values are read, without tags", event)
        if self._depth == LEVELS:
            raise _refused(f"nested too deeply, at most {LEVELS} levels are read", event)
        before = self._values
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        self._count(1, event)
        self._sizes[id(node)] = self._values - before
        return node

    def _aliased(self, node: yaml.Node | None, event: yaml.Event) -> yaml.Node | None:
        self._aliases += 1
        if self._aliases > MOST_ALIASES:
            raise _refused(f"more than {MOST_ALIASES} aliases (*)", event)
        if id(node) not in self._sizes:
            raise _refused("an alias (*) stands inside the very value that it names", event)
        self._count(self._sizes[id(node)], event)
        return node

    def _count(self, values: int, event: yaml.Event) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise _refused(
                f"more than {MOST_VALUES:,} values, those that aliases (*) stand for counted each time", event
            )

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{short(key.value)} is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refused(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    mark: Any = event.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


class _Dumper(yaml.SafeDumper):
    """Quotes text that the loader, or any YAML 1.1 loader, would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Unicode's line breaks are escaped: PyYAML would write them as they are and read them back as spaces."""
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)

for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", _INFINITE, list("-+iI"))
    _kind.add_implicit_resolver("tag:yaml.org,2002:null", _NONE, ["N"])


def read_yaml(path: str | os.PathLike[str], mend: Callable[[bytes], bytes] = bytes) -> dict[str, Any]:
    """The mapping in a YAML file.

    Args:
        path: the file.
        mend: makes YAML of what is written in it.

    Raises:
        ConfigError: no such file, not readable, too large, empty, not plain YAML (the line is named), or not a
            mapping.
    """
    try:
        content = read_bytes(path, LARGEST)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror or error}") from None
    data = _parse(mend(content), str(path))
    if data is None:
        raise ConfigError(f"{path}: the file is empty, should hold a mapping of configuration fields")
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else short(data)
        raise ConfigError(f"{path}: found {kind} at the top, should be a mapping such as 'num_epochs: 50'")
    return data


def write_yaml(path: str | os.PathLike[str], data: Mapping[str, Any]) -> None:
    """Write a mapping whole or not at all: an interruption leaves the former file as it was.

    Raises:
        ConfigError: the folder is missing or cannot be written.
    """
    try:
        write_whole(Path(path), yaml_text(data))
    except OSError as error:
        raise ConfigError(f"cannot write the configuration {path}: {error.strerror or error}") from None


def yaml_text(data: Mapping[str, Any]) -> str:
    """A mapping as text that ``read_yaml`` makes an equal one of."""
    return str(yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def override(data: Mapping[str, Any], overrides: Iterable[str], names: Iterable[str]) -> dict[str, Any]:
    """A copy of ``data`` with each ``section.field=value`` put in; values are read by the rules of the files.

    Raises:
        ConfigError: no ``=``, a value that is not YAML, or a name not among ``names`` (the nearest is told); of several
            wrong ones all are told.
    """
    changed, names = {**data}, tuple(names)
    problems = []
    for text in overrides:
        try:
            changed = _put_in(changed, text, names)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return changed


def _put_in(data: Mapping[str, Any], text: str, names: tuple[str, ...]) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals:
        raise ConfigError(f"override {text!r}: should be name=value, such as num_epochs=3")
    if name not in names:
        raise ConfigError(f"override {text!r}: no field {name!r}{nearest(name, names)}")
    *sections, leaf = name.split(".")
    changed = {**data}
    inside: dict[str, Any] = changed
    for section in sections:
        inner = inside.get(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"override {text!r}: {section} is {short(inner)}, should be a mapping")
        inside[section] = inside = {**inner}
    inside[leaf] = _parse(value, f"override {text!r}")
    return changed


def _parse(content: bytes | str, source: str) -> Any:
    """The value of a YAML text, of plain values within bounds."""
    if len(content) > LARGEST:
        raise ConfigError(f"{source}: it is larger than {LARGEST:,} bytes, the most that is read")
    try:
        return yaml.load(content, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{source}{place}: not valid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # OverflowError: "\UFFFFFFFF"
        raise ConfigError(f"{source}: not valid YAML: {first_line(error)}") from None
