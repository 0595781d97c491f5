"""The tables of configuration.md. Run as a program: writes them anew."""

from __future__ import annotations

import re
from typing import Any

from doc_pages import ROOT

from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
from nextbar.config.base import type_at
from nextbar.config.check import allowed_in_words
from nextbar.config.commented import meanings

CONFIGURATION = ROOT / "docs" / "configuration.md"
TABLES = re.compile(r"(?<=<!-- tables -->\n).*(?=<!-- /tables -->)", re.DOTALL)


def tables() -> str:
    """The fields of the configurations as Markdown."""
    lines: list[str] = []
    for config in (ModelConfig, DatasetConfig, ExperimentConfig):
        lines += [
            f"### {config.__name__}",
            "",
            "| field | meaning | allowed | default |",
            "|---|---|---|---|",
        ]
        fields: dict[str, Any] = config.__pydantic_fields__  # type: ignore[attr-defined]
        for name, field in fields.items():
            meaning = meanings(config)[name].replace("``", "`").replace("\n", " ").rstrip(".")
            allowed = allowed_in_words(*type_at(config, [name]))
            allowed = re.sub(r"'([^']*)'", r"`\1`", allowed.removeprefix("one of "))
            value = list(field.default) if isinstance(field.default, tuple) else field.default
            default = "–" if field.is_required() else f"`{str(value).strip()}`"
            lines.append(f"| `{name}` | {meaning} | {allowed.replace(', not empty', '')} | {default} |")
        lines.append("")
    return "\n" + "\n".join(lines)


if __name__ == "__main__":
    text = CONFIGURATION.read_text()
    CONFIGURATION.write_text(TABLES.sub(lambda _: tables(), text))
