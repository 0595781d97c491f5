"""The space of a search: a fixed experiment, and what of it is varied."""

from __future__ import annotations

import itertools
import math
import os
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
from nextbar.config_check import field_names, is_whole, nearest, plain
from nextbar.config_file import override, read_yaml, write_yaml
from nextbar.errors import ConfigError
from nextbar.search.dimensions import Choices, Dimension, Range
from nextbar.search.expression import Expression

KEYS = ("base", "search")
SECTIONS = {"model_config": ModelConfig, "dataset_config": DatasetConfig}
NAMES = tuple(name for name in field_names(ExperimentConfig) if name not in SECTIONS)

PLACES = ("log_dir", "experiment_name", "dataset_config.datapath")
"""fields that say where things lie; they decide nothing"""

JUDGES = (
    "model_config.output_mode", "dataset_config.output_mode", "dataset_config.resolution",
    "dataset_config.initial_date", "dataset_config.final_date", "test_split", "validation_split", "test_tickers",
)  # fmt: skip
"""fields that decide what is scored: trials that differ in them cannot be ranked together"""

TRIES = 300
"""combinations tried before a choice counts as one that no combination can have"""

Params = dict[str, Any]
"""what was drawn, by dotted field, as Optuna keeps it"""


@dataclass(frozen=True)
class Space:
    """Fields to vary around a base.

    Attributes:
        base: an experiment as ``train`` reads it; nested mappings, fields that are varied may be missing.
        dimensions: what is drawn, by dotted field.
        expressions: fields that follow from others, by dotted field; one with a list has a dimension too.
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
            ConfigError: a file that cannot be read, an unknown field, choices that are none.
        """
        if isinstance(source, Space):
            return source
        given = source if isinstance(source, Mapping) else read_yaml(source, _quoted)
        where = "" if isinstance(source, Mapping) else f"{source}: "
        try:
            return cls.from_dict(given, overrides)
        except ConfigError as error:
            raise ConfigError(f"{where}{error}") from None

    @classmethod
    def from_dict(cls, given: Mapping[str, Any], overrides: Iterable[str] = ()) -> Space:
        """The space in a mapping.

        Raises:
            ConfigError: see ``load``.
        """
        strange = [str(key) for key in given if key not in KEYS]
        if strange or set(KEYS) - set(given):
            found = f"found {', '.join(map(str, given)) or 'nothing'}"
            raise ConfigError(f"a space has the keys base (an experiment) and search (fields to vary); {found}")
        for key in KEYS:
            if not isinstance(given[key], Mapping):
                raise ConfigError(f"{key}: found {given[key]!r}, should be a mapping of fields")
        wanted = dict(_flat(given["search"]))
        if not wanted:
            raise ConfigError("search: there is no field to vary")
        overrides = tuple(overrides)
        names: dict[str, Any] = {}
        for written, value in wanted.items():
            try:
                name = field_of(written)
            except ConfigError as error:
                raise ConfigError(f"search: {error}") from None
            if name in names:
                raise ConfigError(f"search: {name} is given twice")
            names[name] = value
        for text in overrides:
            if (name := text.partition("=")[0].strip()) in names:
                raise ConfigError(f"{text!r}: {name} is varied by the search; take it out of there to fix it")
        dimensions: dict[str, Dimension] = {}
        expressions: dict[str, Expression] = {}
        for name, value in names.items():
            try:
                _refuse_fixed(name)
                dimension, expression = _read(name, plain(value))
            except ConfigError as error:
                raise ConfigError(f"search: {name}: {error}") from None
            if dimension is not None:
                dimensions[name] = dimension
            if expression is not None:
                expressions[name] = expression
        base = override(given["base"], overrides, field_names(ExperimentConfig))
        space = cls(base, dimensions, expressions)
        space._refuse_scoring_by_ticker()
        return space

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that differ between trials, in the order in which they were given."""
        return tuple(dict.fromkeys((*self.dimensions, *self.expressions)))

    @property
    def size(self) -> int | None:
        """How many combinations there are; None: more than can be counted through."""
        sizes = [dimension.size for dimension in self.dimensions.values()]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    def points(self) -> Iterator[Params]:
        """Every combination, where they can be counted."""
        labels = [list(dimension.labels()) for dimension in self.dimensions.values()]
        for drawn in itertools.product(*labels):
            yield dict(zip(self.dimensions, drawn, strict=True))

    def config(self, params: Mapping[str, Any]) -> ExperimentConfig:
        """The experiment that a combination stands for.

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
        """The values of all varied fields, those that follow from others included."""
        drawn = {name: dimension.value(params[name]) for name, dimension in self.dimensions.items()}

        def value(name: str, above: tuple[str, ...] = ()) -> Any:
            if name in above:
                raise ConfigError(f"search: {' and '.join(dict.fromkeys(above))} depend on each other")
            if name in self.expressions:
                return self.expressions[name].value(
                    lambda other: value(field_of(other), (*above, name)), drawn.get(name)
                )
            return drawn[name] if name in drawn else self._fixed(name)

        return {name: value(name) for name in self.fields}

    def check(self) -> ExperimentConfig:
        """Make sure that every choice can be part of an experiment.

        Returns:
            One of the experiments.

        Raises:
            ConfigError: a choice that the configuration refuses whatever the other fields are.
        """
        problems: dict[str, ConfigError] = {}
        accepted: ExperimentConfig | None = None
        for name, dimension in self.dimensions.items() or [("", None)]:
            for label in dimension.extremes() if dimension else [None]:
                first: ConfigError | None = None
                for params in self.samples():
                    try:
                        accepted = self.config(params | ({name: label} if dimension else {}))
                        break
                    except ConfigError as error:
                        first = first or error
                else:
                    assert first is not None
                    problems[f"{name}: {label!r} is refused whatever the other fields are"] = first
        if accepted is None:
            raise next(iter(problems.values()))
        if problems:
            raise ConfigError("search: " + "\n  ".join(f"{what}: {why}" for what, why in problems.items()))
        return accepted

    def samples(self) -> Iterator[Params]:
        """Some combinations, always the same, where ranges stand for their ends."""
        chance = random.Random(0)
        lists = {name: list(dimension.extremes()) for name, dimension in self.dimensions.items()}
        for _ in range(TRIES):
            yield {name: chance.choice(labels) for name, labels in lists.items()}

    def most_epochs(self) -> int:
        """How many epochs the longest trainings have."""
        if "num_epochs" not in self.fields:
            return int(self._fixed("num_epochs"))
        return int(max(self.values(params)["num_epochs"] for params in self.samples()))

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
        """What two spaces must have in common to be one study: all but where things lie, by dotted field."""
        same = {name: self._fixed(name, None) for name in NAMES if name not in PLACES and name not in self.fields}
        return {f"base {k}": v for k, v in same.items()} | {f"search {k}": v for k, v in self._search().items()}

    def _search(self) -> dict[str, Any]:
        return {n: self.expressions[n].text if n in self.expressions else self.dimensions[n].plain()
                for n in self.fields}  # fmt: skip

    def _fixed(self, name: str, *default: Any) -> Any:
        """What the base, or else the configuration's default, says."""
        section, _, leaf = name.rpartition(".")
        inside = self.base.get(section, {}) if section else self.base
        if isinstance(inside, Mapping) and leaf in inside:
            return plain(inside[leaf])
        cls: Any = SECTIONS.get(section, ExperimentConfig)
        found = next(field.default for field in fields(cls) if field.name == leaf)
        if found is not MISSING:
            return found
        if default:
            return default[0]
        raise ConfigError(f"search: {name} is needed, but the base does not have it")

    def _refuse_scoring_by_ticker(self) -> None:
        if "dataset_config.tickers" in self.dimensions and self._fixed("test_tickers") is None:
            raise ConfigError(
                "search: dataset_config.tickers: trials would be scored on different tickers and could not be ranked "
                "together; name those to score in the base: test_tickers"
            )


_BARE = re.compile(rb"^([ \t]*[\w.]+:[ \t]+)(\[[^\]\n]*\][ \t]*[-+*/][^#\n]*?)([ \t]*(?:#.*)?)$", re.MULTILINE)


def _quoted(content: bytes) -> bytes:
    """Expressions that begin with a list in quotes, which YAML wants around them and people leave out."""
    return _BARE.sub(rb"\1'\2'\3", content)


def field_of(name: str) -> str:
    """The dotted field that a name means; the last part will do where it is the only one.

    Raises:
        ConfigError: no such field, the nearest is told; or two.
    """
    if name in NAMES:
        return name
    found = [known for known in NAMES if known.rpartition(".")[2] == name]
    if len(found) == 1:
        return found[0]
    raise ConfigError(f"no field {name!r}{nearest(name, NAMES)}")


def _flat(given: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names; sections may be nested, as in an experiment."""
    for name, value in given.items():
        if not prefix and name in SECTIONS:
            if not isinstance(value, Mapping):
                raise ConfigError(f"search: {name}: found {value!r}, should be a mapping of fields")
            yield from _flat(value, f"{name}.")
        else:
            yield f"{prefix}{name}", value


def _read(name: str, value: Any) -> tuple[Dimension | None, Expression | None]:
    if isinstance(value, tuple):
        return Choices.of(tuple(_listed(one) for one in value)), None
    if isinstance(value, Mapping):
        return Range.of({key: plain(one) for key, one in value.items()}, is_whole(ExperimentConfig, name)), None
    if not isinstance(value, str):
        raise ConfigError(
            f"found {value!r}, should be a list of choices, a range such as {{low: 1e-5, high: 1e-3, log: true}}, "
            "or an expression such as '[2, 4] * d_model'"
        )
    expression = Expression.parse(value)
    for other in expression.names:
        field_of(other)
    return Choices.of(expression.choices) if expression.choices else None, expression


def _listed(value: Any) -> Any:
    """Lists, as they were written, for what the configuration reads as tuples."""
    return [_listed(one) for one in value] if isinstance(value, tuple) else value


def _refuse_fixed(name: str) -> None:
    if name in PLACES:
        raise ConfigError("says where things lie and changes no result; set it in the base")
    if name in JUDGES:
        raise ConfigError("decides what is scored: trials that differ in it cannot be ranked together; make it a study "
                          "each")  # fmt: skip
