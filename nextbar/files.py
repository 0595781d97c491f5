"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a kill, sees the old content or the new, never a part of it.

    Raises:
        OSError: it cannot be written; names ``path``, not the temporary file that is to become it.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        _write_and_rename(path, data)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(path)) from None


def _write_and_rename(path: Path, data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
        try:
            part.write(data)
            part.flush()
            os.fsync(part.fileno())
            os.chmod(part.name, 0o666 & ~_umask())  # a temporary file is its owner's alone
            os.replace(part.name, path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def _umask() -> int:
    """The bits of file modes that the process withholds; they can only be read by setting them."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
