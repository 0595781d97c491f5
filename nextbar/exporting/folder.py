"""The folder of an export: written beside and then renamed, so that it is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nextbar.checksums import list_files, unlisted, write_json
from nextbar.errors import Damaged, RunError, listed
from nextbar.files import LARGEST, json_object, read_bytes

KIND = "nextbar export"
MANIFEST = "manifest.json"
CACHE = "__pycache__/"
"""what Python leaves beside a script that is imported"""


def is_export(folder: Path) -> bool:
    """True for a folder whose manifest says that it is an export, whether or not its files are as they were written."""
    try:
        return json_object(read_bytes(folder / MANIFEST, LARGEST)).get("kind") == KIND
    except (OSError, ValueError):
        return False


def refuse_other_folder(folder: Path) -> None:
    """Refuse to write where something else is than nothing, an empty folder, or an export and nothing beside it.

    Raises:
        RunError: says what is there.
    """
    if not os.path.lexists(folder) or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir() or folder.is_symlink():
        raise RunError(f"{folder} is no folder; name another")
    try:
        strange = [name for name in unlisted(folder) if not name.startswith(CACHE)]
    except (OSError, ValueError, LookupError, TypeError, Damaged):
        strange = None
    if strange is None or not is_export(folder):
        raise RunError(f"{folder} is there and is no export of nextbar, so nothing was written; name another folder")
    if strange:
        raise RunError(
            f"{folder} holds {listed(strange)} beside an export, which would be lost; move it, or name another folder"
        )


def write_export(folder: Path, files: Mapping[str, bytes | dict[str, Any]]) -> None:
    """Write the files and their checksums, in place of an earlier export.

    Args:
        folder: checked by ``refuse_other_folder``.
        files: content by name: bytes, or plain values for a JSON file.

    Raises:
        RunError: it cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
        try:
            new = beside / "new"
            new.mkdir()
            for name, content in files.items():
                if isinstance(content, bytes):
                    (new / name).write_bytes(content)
                else:
                    write_json(new / name, content)
            list_files(new)
            if folder.exists():
                os.rename(folder, beside / "old")
            os.rename(new, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}; choose another folder") from None
