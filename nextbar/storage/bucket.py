"""Objects under one address. This is the only file that imports fsspec, and errors of the network become words here.

Credentials and endpoints are what the libraries below fsspec find in the environment, such as ``AWS_ENDPOINT_URL``.
"""

from __future__ import annotations

import errno
import inspect
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from nextbar.checksums import digest
from nextbar.errors import RunError, Unreachable, cut, first_line, short
from nextbar.folders import unwritten
from nextbar.storage.address import address_of, is_plain, make_scratch, scheme_of, scratch

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
"""what to install for the schemes of addresses"""

READ_ONLY = ("http", "https", "data", "generic")
"""schemes that fsspec takes, and under which nothing can be written"""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""errors that are the local disk's"""

PROBE = "nextbar"
"""name of an object that is written to see whether storage allows it"""

TOGETHER = 16
"""objects that are removed at the same time"""

Listed = Mapping[str, "StoredObject"]
"""objects by their names below an address"""


class StoredObject(NamedTuple):
    """What a listing says of an object."""

    size: int
    """bytes"""
    mark: str
    """changes whenever the object is written"""


class Bucket:
    """The objects under an address; their names are paths from it.

    Every method but the constructor raises :class:`Unreachable` where the storage does not answer as it should, and
    :class:`RunError` where the local disk is full.

    Args:
        address: such as ``s3://bucket/runs/first``.

    Raises:
        RunError: the library for such addresses is not installed, or they are not of object storage.
        Unreachable: the library finds no way there, such as no credentials.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._system = _file_system(address)
        self._root = str(self._system._strip_protocol(address)).rstrip("/")

    def listed(self, folder: str = "") -> dict[str, StoredObject]:
        """All objects by name, or those below a folder, as they are now; names that can be no path on a disk are passed
        over."""
        with self._answering():
            listing = self._system.find(self._path(folder).rstrip("/"), detail=True)
        names = {path[len(self._root) :].lstrip("/"): facts for path, facts in listing.items()}
        plain = {name: facts for name, facts in names.items() if all(map(is_plain, name.split("/")))}
        return {name: StoredObject(int(facts.get("size") or 0), _mark(facts)) for name, facts in sorted(plain.items())}

    def read(self, name: str) -> bytes | None:
        """The content of an object; None where there is none."""
        with self._answering():
            try:
                return bytes(self._system.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """Write an object; whoever reads it sees the old content or the new."""
        with self._answering():
            self._system.pipe_file(self._path(name), data)

    def create(self, name: str, data: bytes) -> bool | None:
        """Write an object unless there is one, as the storage decides in one step.

        Returns:
            Whether it was written; None where the storage has no such step, and wrote nothing.
        """
        with self._answering():
            try:
                self._system.pipe_file(self._path(name), data, mode="create")
            except FileExistsError:
                return False
            except NotImplementedError:
                return None
            except OSError as error:
                if error.errno == errno.ENOSYS:
                    return None
                raise
        return True

    def send(self, folder: Path, names: Sequence[str]) -> None:
        """Write objects that are files of a folder, in any order; large ones in parts that appear together."""
        self._in_pairs(self._system.put, [str(folder / name) for name in names], [self._path(name) for name in names])

    def fetch(self, folder: Path, names: Sequence[str]) -> None:
        """Write files of a folder that are objects, in any order."""
        for parent in {(folder / name).parent for name in names}:
            parent.mkdir(parents=True, exist_ok=True)
        self._in_pairs(self._system.get, [self._path(name) for name in names], [str(folder / name) for name in names])

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects, in any order; one that is not there counts as removed."""
        workers = TOGETHER if self._system.async_impl else 1
        with self._answering(), ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(self._remove, names):
                pass

    def modified(self, name: str) -> datetime | None:
        """When an object was written last, by the storage's clock; None where there is none."""
        with self._answering():
            try:
                return self._system.modified(self._path(name))
            except FileNotFoundError:
                return None

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            # rm takes names for patterns, and passes over what it could not remove
            self._system.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _in_pairs(self, transfer: Callable[[list[str], list[str]], object], sources: list[str], to: list[str]) -> None:
        if sources:
            with self._answering():
                transfer(sources, to)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn whatever the libraries raise in the block into words."""
        try:
            yield
        except Exception as error:  # they raise whatever their layers raise
            if isinstance(error, OSError) and error.errno in FULL:
                raise unwritten(scratch(), error) from error
            raise _unreached(self.address, error) from error


def require_writable(path: str | os.PathLike[str]) -> None:
    """Refuse an address under which a run cannot be kept, before anything is read or computed for it; folders on a
    disk pass.

    An object is written, read, listed and removed, since only storage knows what it allows whom.

    Raises:
        RunError: as ``Bucket``, or the local folder for working folders cannot be written.
        Unreachable: the storage does not answer, there is no such bucket, or one of the four is not allowed.
    """
    address = address_of(path)
    if address is not None:
        make_scratch()
        bucket, folder = Bucket(address), f".{uuid.uuid4().hex}"
        probe = f"{folder}/{PROBE}"
        bucket.write(probe, b"")
        bucket.read(probe)
        bucket.listed(folder)
        bucket.remove([probe])


def _file_system(address: str) -> Any:
    """fsspec's file system for an address, which keeps no listings."""
    scheme = scheme_of(address)
    extra = EXTRAS.get(scheme)
    try:
        import fsspec

        kind = fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        how = f"pip install 'nextbar[{extra}]'" if extra else first_line(error)
        raise RunError(f"{address} needs a library that is not installed: {how}") from None
    except ValueError:
        raise _no_storage(address) from None
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    needed = [
        parameter
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if scheme in READ_ONLY or needed:
        raise _no_storage(address)
    try:
        return kind(use_listings_cache=False)
    except Exception as error:  # they raise whatever their layers raise
        raise (_unreached(address, error) if extra else _no_storage(address)) from error


def _no_storage(address: str) -> RunError:
    return RunError(
        f"found {short(address)}, should be a folder on a disk, or an address of object storage, in which bucket and "
        "folder say all, such as s3://, gs://"
    )


def _unreached(address: str, error: Exception) -> Unreachable:
    reason = cut(first_line(error)).rstrip(".")
    return Unreachable(
        f"cannot reach {address}: {reason}. See to the network, the bucket's name, and the credentials and endpoint in "
        "the environment"
    )


def _mark(facts: Mapping[str, Any]) -> str:
    """A digest of all that a listing says of an object, among it when it was written or what its content is."""
    return digest(repr(sorted((name, str(value)) for name, value in facts.items())).encode())
