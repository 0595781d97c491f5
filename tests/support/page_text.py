"""What a reader, and a script, find in a page."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import numpy as np

KINDS = {"f4": "<f4", "f8": "<f8", "i4": "<i4", "u1": "u1"}


def unpacked(array: dict[str, str]) -> np.ndarray:
    """What a page's script reads out of a packed array."""
    return np.frombuffer(base64.b64decode(array["bdata"]), KINDS[array["dtype"]])


class Text(HTMLParser):
    """All text a reader sees of a document, and its tags."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.said, self.tags, self.values = "", [], []
        self.feed(document)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["script"], ["style"]):
            self.said += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self.tags.append(f"/{tag}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [value for _, value in attrs]
