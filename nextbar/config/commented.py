"""A configuration as YAML for people: beside each field what it means."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from nextbar.config.base import is_config
from nextbar.config.experiment import ExperimentConfig
from nextbar.config.yaml_file import yaml_text

WIDTH = 110
INDENT = "  "


def commented_yaml(data: Mapping[str, Any]) -> str:
    """Fields of an experiment as text that ``read_yaml`` makes equal ones of; each has the first words of its meaning,
    after it, or where these are too long above it."""
    return "\n".join(_lines(data, ExperimentConfig)) + "\n"


@cache
def meanings(config: type) -> dict[str, str]:
    """What each field of a configuration means: the text below it in the class."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(config))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


def _lines(data: Mapping[str, Any], config: Any, indent: str = "") -> Iterator[str]:
    fields = config.__pydantic_fields__
    for name, value in data.items():
        meaning = meanings(config)[name].replace("``", "").replace("\n", " ").partition(";")[0].rstrip(".")
        if is_config(fields[name].annotation):
            yield f"{indent}{name}:  # {meaning}"
            yield from _lines(value, fields[name].annotation, indent + INDENT)
            yield ""
            continue
        # JSON is YAML, and has lists on one line
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else None
        line = indent + (f"{name}: {text}" if text else yaml_text({name: value}).rstrip())
        if len(line) + len(meaning) + 4 > WIDTH:
            yield from textwrap.wrap(meaning, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
            yield line
        else:
            yield f"{line}  # {meaning}"
