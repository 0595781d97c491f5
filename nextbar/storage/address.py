"""Addresses of folders in object storage, such as ``s3://bucket/runs``, and the local folders that stand for them.

What is written under an address is written in a working folder first. What is read there is copied first. Either has
the address in its path, so that ``named`` finds back from it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nextbar.errors import ConfigError, NextbarError, RunError, short
from nextbar.folders import cache_folder

VARIABLE = "NEXTBAR_SCRATCH"
"""environment variable: the local folder for working folders and copies, instead of one in the user's cache"""
WORK, COPIES = "work", "copies"
"""folders inside it"""
DISKS = ("file", "local")
"""schemes of what is on a disk"""

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):(/+)(.*)", re.DOTALL | re.IGNORECASE)
"""two letters at least: one is a drive of Windows"""


class CredentialsGiven(ConfigError):
    """An address holds credentials, which the message does not repeat."""


def address_of(path: str | os.PathLike[str]) -> str | None:
    """The address that a path is; None for one on a disk.

    ``Path("s3://bucket/runs")`` has a single slash left, and is understood all the same.

    Raises:
        ConfigError: an address without a bucket, with ``.``, ``..`` or empty parts, or with a single slash in a text.
        CredentialsGiven: an address with credentials in it.
    """
    text = os.fspath(path)
    if isinstance(path, os.PathLike):
        text = text.replace(os.sep, "/")
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    scheme, parts = match[1].lower(), match[3].rstrip("/").split("/")
    if ":" in parts[0] or "@" in parts[0]:  # a secret may hold slashes
        raise CredentialsGiven(
            f"found {scheme}://…, should be {scheme}://BUCKET/FOLDER, without credentials and port: these are read "
            "from the environment, and written nowhere"
        )
    if scheme in DISKS:
        raise ConfigError(f"found {short(text)}, should be a folder on a disk without {scheme}://, or a bucket's")
    if match[2] == "/" and isinstance(path, str):
        raise ConfigError(
            f"found {short(text)}, should be {scheme}://BUCKET/FOLDER, with two slashes; a folder on a disk that is "
            "called so is written with ./ before it"
        )
    if not all(is_plain(part) for part in parts):
        raise ConfigError(f"found {short(text)}, should be {scheme}://BUCKET/FOLDER, without empty parts, . and ..")
    return f"{scheme}://{'/'.join(parts)}"


def origin_of(path: str | os.PathLike[str]) -> str | None:
    """The address that a path is, or that it is a copy of; None for one on a disk, also a working folder.

    Raises:
        ConfigError: as ``address_of``.
    """
    address = address_of(path)
    if address is None and Path(path).is_relative_to(scratch() / COPIES):
        address = address_of(named(Path(path)))
    return address


def is_plain(part: str) -> bool:
    """Whether a part of an address, or of the name of an object, can be a part of a path on a disk."""
    return part not in ("", ".", "..") and part.isprintable() and "\\" not in part


def scheme_of(address: str) -> str:
    """``s3`` of ``s3://bucket/runs``."""
    return address.partition(":")[0]


def parent_of(address: str) -> tuple[str, str]:
    """The address of the folder above, and the name in it."""
    above, _, name = address.rpartition("/")
    return above, name


def working_folder(path: str | os.PathLike[str]) -> Path:
    """The local folder in which the files under a path are written: the path itself, or that of its address."""
    address = address_of(path)
    return Path(path) if address is None else scratch() / WORK / _parts(address)


def copy_folder(key: str, address: str) -> Path:
    """The local folder for a copy of an address that is called ``key``."""
    return scratch() / COPIES / key / _parts(address)


def named(path: Path) -> str:
    """The address that a local folder stands for; else the path as it is."""
    for root, before in ((scratch() / WORK, 0), (scratch() / COPIES, 1)):
        if path.is_relative_to(root):
            scheme, *parts = path.relative_to(root).parts[before:] or ("",)
            return f"{scheme}://{'/'.join(parts)}" if parts else str(path)
    return str(path)


def by_address(text: str) -> str:
    """A text that speaks of addresses where it spoke of the local copies of what lies there."""
    separator = re.escape(os.sep)
    part, root = f"([^{separator}]+){separator}", re.escape(str(scratch() / COPIES))
    return re.sub(rf"{root}{separator}{part}{part}", r"\2://", text)


@contextmanager
def told_by_address() -> Iterator[None]:
    """Have errors of the block, or of the function that is decorated with it, speak of addresses where they spoke of
    the local copies of what lies there.

    Raises:
        NextbarError: those of the block.
    """
    try:
        yield
    except NextbarError as error:
        text = by_address(str(error))
        if text == str(error):
            raise
        raise type(error)(text) from error


def require_local(path: str | os.PathLike[str], what: str, instead: str) -> None:
    """Refuse an address, and a copy of what lies there, where only a folder on a disk will do.

    Args:
        path: what was given.
        what: what needs a disk, and why; the beginning of a sentence.
        instead: what to do.

    Raises:
        ConfigError: it is one.
    """
    address = origin_of(path)
    if address is not None:
        raise ConfigError(f"{what}: found {address}, should be a folder on a disk; {instead}")


def scratch() -> Path:
    """The local folder for working folders and copies."""
    chosen = os.environ.get(VARIABLE)
    return (Path(chosen).expanduser() if chosen else cache_folder() / "nextbar" / "buckets").resolve()


def make_scratch() -> Path:
    """Make the local folder for working folders and copies.

    Raises:
        RunError: it cannot be written.
    """
    folder = scratch()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable, reason = os.access(folder, os.W_OK), "it may not be written"
    except OSError as error:
        writable, reason = False, str(error.strerror or error)
    if not writable:
        raise RunError(
            f"cannot write to {folder}, where working folders and copies of what is in object storage lie: {reason}; "
            f"name another folder in {VARIABLE}"
        )
    return folder


def _parts(address: str) -> Path:
    return Path(scheme_of(address), *address.partition("://")[2].split("/"))
