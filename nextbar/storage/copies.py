"""Local copies of what lies in object storage, for whoever reads it: keyed by content, never changed, removable."""

from __future__ import annotations

import math
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from nextbar.checksums import digest
from nextbar.folders import held_mark
from nextbar.storage.address import COPIES, copy_folder, make_scratch
from nextbar.storage.bucket import Bucket, Listed

KEPT = 4
"""copies of one address: of some of its files and of all, and those that another process may be reading"""

DAY = 86_400.0
"""seconds after which half a copy belongs to nobody"""


def copied(bucket: Bucket, listed: Listed, names: Sequence[str], held: Iterable[str] = ()) -> Path:
    """The local folder that holds some objects as files; the same objects give the same folder, fetched once.

    Args:
        bucket: where they are.
        listed: what its listing says of them.
        names: which.
        held: folders among them, as paths from the address (``""``: all), which a process is writing.

    Raises:
        Unreachable: the storage does not answer, or has an object no more.
    """
    content = repr(([(name, listed[name]) for name in sorted(names)], sorted(held)))
    address, key = digest(bucket.address.encode())[:10], digest(content.encode())[:16]
    folder = copy_folder(f"{address}-{key}", bucket.address)
    root = make_scratch() / COPIES
    whole = root / f"{address}-{key}"
    if folder.is_dir():
        with suppress(FileNotFoundError):  # forgotten by another process at this moment
            os.utime(whole)
            return folder
    aside = root / f".{address}-{uuid.uuid4().hex}"
    inside = aside / folder.relative_to(whole)
    try:
        inside.mkdir(parents=True)
        bucket.fetch(inside, names)
        for name in held:
            held_mark(inside / name).touch()
        try:
            aside.rename(whole)
        except OSError:  # another process was faster
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _forget_older(root, address)
    return folder


def _forget_older(root: Path, address: str) -> None:
    """Remove all copies of an address but for those ``KEPT`` that were asked for last, and what killed processes left
    of half ones."""
    copies = sorted(root.glob(f"{address}-*"), key=_time)
    halves = [path for path in root.glob(f".{address}-*") if _time(path) < time.time() - DAY]
    for path in copies[:-KEPT] + halves:
        shutil.rmtree(path, ignore_errors=True)


def _time(path: Path) -> float:
    """When a copy was asked for last, seconds since 1970; the latest of all where another process has removed it."""
    with suppress(FileNotFoundError):
        return path.lstat().st_mtime
    return math.inf
