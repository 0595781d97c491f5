"""A configuration as YAML for people: beside each field what it means."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from nextbar.config.check import is_config
from nextbar.config.experiment import ExperimentConfig
from nextbar.config.yaml_file import yaml_text

WIDTH = 110
INDENT = "  "


def commented_yaml(data: Mapping[str, Any]) -> str:
    """Fields of an experiment as text that ``read_yaml`` makes equal ones of; each has the first words of its meaning,
    after it, or where these are too long above it."""
    return "\n".join(_lines(data, ExperimentConfig)) + "\n"


def _lines(data: Mapping[str, Any], config: Any, indent: str = "") -> Iterator[str]:
    fields = config.__pydantic_fields__
    for name, value in data.items():
        meaning = fields[name].description.replace("``", "").replace("\n", " ").partition(";")[0].rstrip(".")
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
