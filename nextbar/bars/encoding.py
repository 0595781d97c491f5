"""Encoding of a text file: UTF-8, or what its first bytes or its NUL bytes leave."""

from __future__ import annotations

import codecs

from nextbar.errors import DataError

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order mark at the beginning of a file: its encoding. The longer marks come first."""
UNMARKED = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
"""Encodings that put NUL bytes between the characters of a table, tried where there is no mark."""
WINDOWS = "cp1252"
WINDOWS_BYTES = frozenset("€£¥\u00a0äöüÄÖÜß".encode(WINDOWS))
"""Bytes beyond ASCII that are taken for Windows-1252: currency signs, the fixed blank and German letters. A file with
any other is refused."""
LOOKED_AT = 4_000
"""Characters that must look like a table: ASCII for the most part, with line breaks."""


def utf8(data: bytes, source: str) -> tuple[bytes, str, str]:
    """The bytes of a text file in UTF-8, their text, and the name of another encoding that they had; else empty.

    Raises:
        DataError: they are in no encoding that is read.
    """
    nul = data.find(b"\0")
    try:
        text = data.decode("utf-8-sig")
        if nul < 0:
            return data, text, ""
        strange = nul
    except UnicodeDecodeError as error:
        strange = error.start if nul < 0 else min(nul, error.start)
    for name in _candidates(data, nul):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if _is_table(text):
            return text.encode(), text, name.upper()
    raise DataError(
        f"{source}: not UTF-8 text (byte {strange}: {data[strange : strange + 1]!r}); save the file as UTF-8"
    )


def _candidates(data: bytes, nul: int) -> tuple[str, ...]:
    for mark, name in MARKS.items():
        if data.startswith(mark):
            return (name,)
    if nul >= 0:
        return UNMARKED
    return (WINDOWS,) if {byte for byte in set(data) if byte > 127} <= WINDOWS_BYTES else ()


def _is_table(text: str) -> bool:
    """Whether a text begins as tables do, and not as bytes of another encoding do."""
    begin = text[:LOOKED_AT]
    return "\0" not in text and "\n" in begin.replace("\r", "\n") and 10 * sum(map(str.isascii, begin)) > 9 * len(begin)
