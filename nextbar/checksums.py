"""Checksums (SHA-256) of what lies in folders: a text carries its own in its last line, other files have a list.

A text and its checksum are written in one rename, so that no kill leaves one without the other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nextbar.errors import Damaged
from nextbar.files import LARGEST, json_object, read_bytes, write_whole

KEY = "sha256"
"""last key of a JSON file, and the last line of a YAML file, a comment: the checksum of all before it"""
LIST = "checksums.json"
"""of a folder's files: their paths and checksums"""

_BLANK = "0" * 64
_SEAL = re.compile(rb'(?:\n  "sha256": "|\n# sha256: )([0-9a-f]{64})(?:"\n\}\n|\n)\Z')

_LONGEST = 100  # bytes of the end of a text that the checksum lies in


def digest(data: bytes) -> str:
    """The checksum of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write plain values as readable JSON with its checksum; NaN and infinity are refused with a ValueError."""
    own = {name: item for name, item in value.items() if name != KEY}
    write_whole(path, _sealed(json.dumps(own | {KEY: _BLANK}, indent=2, allow_nan=False) + "\n"))


def read_json(path: Path, required: bool = False) -> dict[str, Any]:
    """The values in a file of ``write_json``, without the checksum.

    Args:
        path: the file.
        required: refuse a file without a checksum, which earlier versions wrote.

    Raises:
        Damaged: the file is not as it was written.
        OSError, ValueError: it cannot be read, or is no JSON object.
    """
    data = read_bytes(path, LARGEST)
    require_whole(path, data, required)
    value = json_object(data)
    if value.pop(KEY, None) is not None and not is_sealed(data):
        raise Damaged(f"{path} is damaged: its checksum is not where it was written")
    return value


def write_text(path: Path, text: str) -> None:
    """Write a YAML text with its checksum, a comment, below."""
    write_whole(path, _sealed(f"{text}# {KEY}: {_BLANK}\n"))


def require_whole(path: Path, data: bytes, required: bool = False) -> None:
    """Refuse the bytes of a text that do not go with the checksum in it.

    Args:
        path: the file, for the message.
        data: its bytes.
        required: refuse a text without one as well.

    Raises:
        Damaged: as said.
    """
    seal = _SEAL.search(data, max(0, len(data) - _LONGEST))
    if seal is None:
        if required:
            raise Damaged(f"{path} is damaged: the checksum at its end is missing, so it was cut or changed")
    else:
        require_same(path, data[: seal.start(1)], seal[1].decode())


def require_same(path: Path, data: bytes, checksum: str) -> None:
    """Refuse bytes that do not have a checksum; ``path`` is the file, for the message.

    Raises:
        Damaged: as said.
    """
    if digest(data) != checksum:
        raise Damaged(f"{path} is damaged: its checksum does not fit, so it was changed since it was written")


def is_sealed(data: bytes) -> bool:
    """Whether a text carries a checksum."""
    return _SEAL.search(data, max(0, len(data) - _LONGEST)) is not None


def list_files(folder: Path) -> None:
    """Write the checksums of all files in a folder, and in those inside it, to its ``LIST``."""
    write_json(folder / LIST, {"files": {name: digest((folder / name).read_bytes()) for name in _names(folder)}})


def listed_faults(folder: Path, inside: str = "") -> list[str] | None:
    """What is wrong with the files that a folder's ``LIST`` names; None where the folder has no list.

    Args:
        folder: the folder.
        inside: look only at files whose paths begin with this.

    Raises:
        OSError: a file cannot be read.
    """
    if not (folder / LIST).exists():
        return None
    try:
        files = dict(read_json(folder / LIST, required=True)["files"])
    except (Damaged, OSError, ValueError, KeyError, TypeError) as error:
        return [f"{LIST} cannot be used ({error})"]
    present = set(_names(folder))
    faults = []
    for name, checksum in files.items():
        if not name.startswith(inside):
            continue
        if name not in present:
            faults.append(f"{name} is missing")
        elif digest((folder / name).read_bytes()) != checksum:
            faults.append(f"{name} was changed since it was written")
    return faults


def unlisted(folder: Path) -> list[str]:
    """Files in a folder that its ``LIST``, which is whole, does not name."""
    return sorted(set(_names(folder)) - set(read_json(folder / LIST)["files"]))


def _names(folder: Path) -> list[str]:
    """Paths of all files in a folder, as from it, but for its list."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in files if name != LIST)


def _sealed(text: str) -> str:
    """A text that ends in a blank checksum, with its own there."""
    start = text.rindex(_BLANK)
    return text[:start] + digest(text[:start].encode()) + text[start + len(_BLANK) :]
