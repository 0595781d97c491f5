"""Files that appear whole or not at all, and are read within bounds, whoever wrote them."""

from __future__ import annotations

import errno
import glob
import json
import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

LEVELS = 50
"""how deep the lists and mappings of a file may be nested"""

LARGEST = 10**9
"""bytes of a file in a folder of nextbar's; residuals of millions of windows are hundreds of megabytes"""

_PART = ".part"
"""what the names of files end with that have yet to become whole, and begin with a dot"""

_UMASK = os.umask(0)
"""the bits of file modes that the process withholds; they can only be read by setting them, which no other thread may
meet: so once, when this is imported"""
os.umask(_UMASK)

_KINDS = {
    stat.S_ISFIFO: "a pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}


def read_bytes(path: str | os.PathLike[str], largest: int) -> bytes:
    """The content of a regular file, or of a pipe that a shell made, such as ``/dev/stdin``.

    Any other pipe would be waited for, and a device read, for ever.

    Args:
        path: the file.
        largest: bytes that it may have.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger; ``strerror`` says what was found and allowed.
    """
    mode = os.stat(path).st_mode
    by_shell = stat.S_ISFIFO(mode) and os.fspath(path).startswith("/dev/")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or by_shell):  # of a folder the system says so
        kind = next((word for is_kind, word in _KINDS.items() if is_kind(mode)), "no file")
        raise OSError(errno.EINVAL, f"it is {kind}, should be a regular file", os.fspath(path))
    with open(path, "rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest:,} bytes, the most that is read", os.fspath(path))
    return data


def json_object(data: bytes) -> dict[str, Any]:
    """The object that a JSON text holds.

    Raises:
        ValueError: no JSON, NaN or infinity in it, nested more than ``LEVELS`` deep, or no object.
    """
    try:
        content = json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(f"nested deeper than {LEVELS} levels") from None
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    level: list[Any] = [content]
    for _ in range(LEVELS):
        inside = (part for value in level for part in (value.values() if isinstance(value, dict) else value))
        level = [part for part in inside if isinstance(part, dict | list)]
        if not level:
            return content
    raise ValueError(f"nested deeper than {LEVELS} levels")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} stands in it, which is no JSON")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a kill, sees the old content or the new, never a part of it.

    Raises:
        OSError: it cannot be written; names ``path``, not the temporary file that is to become it.
    """
    write_parts(path, [content.encode() if isinstance(content, str) else content])


def write_parts(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """``write_whole`` of what comes in parts, of which one is in memory at a time.

    Raises:
        OSError: as ``write_whole``.
    """
    try:
        _write_and_rename(path, parts)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None


def _write_and_rename(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_PART)
    try:
        with os.fdopen(descriptor, "wb") as file:  # closed before it is renamed, which Windows asks for
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(part, 0o666 & ~_UMASK)  # a temporary file is its owner's alone
        os.replace(part, path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def append_whole(path: Path, data: bytes, end: int | None = None) -> None:
    """Add bytes to a file: they are on the disk when this returns, and none of them is after an error.

    Args:
        path: the file; one that was deleted is not made anew.
        data: what is added.
        end: bytes of the file that stay before it; None: all.

    Raises:
        OSError: they cannot be written.
    """
    with path.open("r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END) if end is None else end
        file.truncate(end)
        file.seek(end)
        try:
            while data:
                data = data[file.write(data) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def sweep(folder: Path, everywhere: bool = False) -> None:
    """Remove what killed processes left of files that they had not written whole; no other process may write there.

    Args:
        folder: the folder; it need not exist.
        everywhere: also in the folders inside it.
    """
    for part in list(folder.glob(f"{'**/' if everywhere else ''}.*{_PART}")):
        with suppress(OSError):
            part.unlink()


def sweep_parts(path: Path) -> None:
    """Remove what killed processes left of one file that they had not written whole; no other process may write it."""
    for part in list(path.parent.glob(f".{glob.escape(path.name)}.*{_PART}")):
        with suppress(OSError):
            part.unlink()
