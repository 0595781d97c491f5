"""The pages of the documentation, and the blocks in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "docs" / "quickstart.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def pieces(page: Path) -> list[tuple[str, str]]:
    """(language, text) of each block of the page."""
    return FENCE.findall(page.read_text())


def blocks(page: Path, language: str) -> list[str]:
    return [text for name, text in pieces(page) if name == language]
