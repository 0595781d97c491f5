"""Zip files with one file of bars in them, unpacked within bounds."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib

from nextbar.bars.bounds import largest_unpacked, too_large
from nextbar.errors import DataError, first_line, listed

_FAULTS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, NotImplementedError)


def only_member(data: bytes, source: str) -> tuple[str, bytes]:
    """Name and content of the only file in a zip file; what a Mac puts beside it is none.

    Raises:
        DataError: no sound zip file, none or several files in it, a password, or too much to unpack.
    """
    allowed = largest_unpacked(len(data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            members = [m for m in packed.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
            if len(members) != 1:
                names = listed([repr(m.filename) for m in members], 5) or "none"
                raise DataError(f"{source}: a zip file of bars has one file in it, found {names}; unpack it")
            with packed.open(members[0]) as file:
                content = file.read(allowed + 1)
    except RuntimeError as error:  # how zipfile says that there is a password
        if isinstance(error, NotImplementedError):
            raise DataError(f"{source}: packed by a method that is not read here; unpack it") from error
        raise DataError(f"{source}: the zip file has a password; unpack it") from error
    except _FAULTS as error:
        raise DataError(f"{source}: not a sound zip file ({first_line(error)}); fetch it again") from error
    if len(content) > allowed:
        raise too_large(source, f"its {len(data):,} bytes unpack into", allowed)
    if not content.strip():
        raise DataError(f"{source}: the file in the zip file is empty")
    return members[0].filename, content
