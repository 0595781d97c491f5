"""``Space``: an experiment, and the fields of it that a search varies."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextbar.config import ExperimentConfig
from nextbar.config.base import plain
from nextbar.config.yaml_file import read_yaml, write_yaml
from nextbar.errors import ConfigError
from nextbar.searching.space.dimensions import Dimension
from nextbar.searching.space.expression import Expression
from nextbar.searching.space.fields import FOLLOWERS, MISSING, NAMES, PLACES, default_of, field_of
from nextbar.searching.space.reading import quoted, read_base, read_search

Params = dict[str, Any]
"""Optuna's labels of the values drawn, by dotted field"""


@dataclass(frozen=True)
class Space:
    """Fields to vary around a base.

    Attributes:
        base: an experiment as nested mappings; fields that are varied may be missing.
        dimensions: that values are drawn from, by dotted field.
        expressions: of fields that follow from others; one with a list has a dimension too.
    """

    base: dict[str, Any]
    dimensions: dict[str, Dimension]
    expressions: dict[str, Expression]

    @classmethod
    def load(cls, source: str | os.PathLike[str] | Mapping[str, Any] | Space, overrides: Iterable[str] = ()) -> Space:
        """Read a space from a YAML file or a mapping with the keys ``base`` and ``search``.

        Args:
            source: the file, the mapping, or a space that has been read.
            overrides: fields of the base to change, such as ``"num_epochs=3"``.

        Raises:
            ConfigError: a file that cannot be read, an unknown field, a dimension that cannot be used.
        """
        overrides = tuple(overrides)
        if isinstance(source, Space):
            return cls.from_dict(source.to_dict(), overrides) if overrides else source
        mapping = source if isinstance(source, Mapping) else read_yaml(source, quoted)
        where = "" if isinstance(source, Mapping) else f"{source}: "
        try:
            return cls.from_dict(mapping, overrides)
        except ConfigError as error:
            raise ConfigError(f"{where}{error}") from None

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], overrides: Iterable[str] = ()) -> Space:
        """The space in a mapping.

        Raises:
            ConfigError: see ``load``.
        """
        overrides = tuple(overrides)
        base = read_base(given, overrides)
        space = cls(base, *read_search(given["search"], overrides))
        space._refuse_scoring_by_ticker()
        return space

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that differ between trials, in the order in which they were given."""
        return tuple(dict.fromkeys((*self.dimensions, *self.expressions)))

    @property
    def size(self) -> int | None:
        """Number of combinations; None: more than may be counted through."""
        sizes = [dimension.size for dimension in self.dimensions.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def points(self) -> Iterator[Params]:
        """Every combination of a space whose size is known."""
        labels = [list(dimension.labels()) for dimension in self.dimensions.values()]
        for drawn in itertools.product(*labels):
            yield dict(zip(self.dimensions, drawn, strict=True))

    def config(self, params: Mapping[str, Any]) -> ExperimentConfig:
        """The experiment of a combination.

        Raises:
            ConfigError: fields at odds, or an expression that cannot be worked out.
        """
        data = {name: dict(value) if isinstance(value, Mapping) else value for name, value in self.base.items()}
        for name, value in self.values(params).items():
            section, _, leaf = name.rpartition(".")
            inside = data.setdefault(section, {}) if section else data
            inside[leaf] = value
        return ExperimentConfig.from_dict(data)

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all varied fields, those that follow from others included.

        Raises:
            ConfigError: an expression that cannot be worked out.
        """
        drawn = {name: dimension.value(params[name]) for name, dimension in self.dimensions.items()}

        def value(name: str, above: tuple[str, ...] = ()) -> Any:
            if name in above:
                loop = f"{' and '.join(above)} depend on each other" if len(above) > 1 else f"{name} depends on itself"
                raise ConfigError(f"search: {loop}")
            if name in self.expressions:
                return self.expressions[name].value(
                    lambda other: value(field_of(other), (*above, name)), drawn.get(name)
                )
            if (source := self._source(name)) != name:
                return value(source, (*above, name))
            return drawn[name] if name in drawn else self._fixed(name)

        return {name: value(name) for name in self.fields}

    def epochs(self, params: Mapping[str, Any]) -> int:
        """Epochs that a combination trains at most; 0 for one whose expressions cannot be worked out."""
        if "num_epochs" not in self.fields:
            return int(self._fixed("num_epochs"))
        try:
            return int(self.values(params)["num_epochs"])
        except ConfigError:
            return 0

    def to_dict(self) -> dict[str, Any]:
        """The mapping that ``from_dict`` reads."""
        return {"base": self.base, "search": self._search()}

    def save(self, path: Path) -> None:
        """Write it as YAML.

        Raises:
            ConfigError: the folder is missing or cannot be written.
        """
        write_yaml(path, self.to_dict())

    def identity(self) -> dict[str, Any]:
        """All that two spaces of one study have in common, by dotted field: everything but the names of folders."""
        same = {name: self._fixed(name, None) for name in NAMES if name not in PLACES and name not in self.fields}
        return {f"base {k}": v for k, v in same.items()} | {f"search {k}": v for k, v in self._search().items()}

    def _search(self) -> dict[str, Any]:
        return {n: self.expressions[n].text if n in self.expressions else self.dimensions[n].plain()
                for n in self.fields}  # fmt: skip

    def _fixed(self, name: str, *default: Any) -> Any:
        """The value of a field in the base, or else the configuration's default."""
        name = self._source(name)
        section, _, leaf = name.rpartition(".")
        if self._in_base(name):
            return plain((self.base[section] if section else self.base)[leaf])
        value = default_of(name)
        if value is not MISSING:
            return value
        if default:
            return default[0]
        raise ConfigError(f"search: {name} is needed, but the base does not have it")

    def _in_base(self, name: str) -> bool:
        section, _, leaf = name.rpartition(".")
        inside = self.base.get(section, {}) if section else self.base
        return isinstance(inside, Mapping) and leaf in inside

    def _source(self, name: str) -> str:
        """The field that a field has its value from: the one that it follows, or itself where it is given."""
        return name if name in self.fields or self._in_base(name) else FOLLOWERS.get(name, name)

    def _refuse_scoring_by_ticker(self) -> None:
        if "dataset_config.tickers" in self.dimensions and self._fixed("test_tickers") is None:
            raise ConfigError(
                "search: dataset_config.tickers: trials would be scored on different tickers and could not be ranked "
                "together; name those to score in the base: test_tickers"
            )
