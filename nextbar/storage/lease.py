"""Who may write a folder in object storage: one process at a time, by numbered objects beside the folder.

Storage has no locks that end with a process. So whoever writes creates the object with the next number, which storage
lets only one do, writes it anew every ``BEAT`` seconds, and removes it in the end. A process that died leaves one that
stays as it is: once it has for ``LASTS`` seconds, the next number may be created. Whoever finds its own object gone or
a higher number beside it has been taken for dead, and stops.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from nextbar.errors import RunBusy, Unreachable
from nextbar.files import write_whole
from nextbar.logger import get_logger
from nextbar.machine.heartbeat import Heartbeat
from nextbar.storage.address import parent_of
from nextbar.storage.bucket import Bucket

BEAT = 15.0
"""seconds between two signs of life"""
LASTS = 60.0
"""seconds without one after which a process counts as dead"""
LOOK = 5.0
"""seconds between two looks at another process's object"""


class Sighting(NamedTuple):
    """An object of a lease as it was at a moment, from which on the time counts for which it stays so."""

    name: str
    content: bytes
    since: float
    """seconds, as ``time.monotonic`` has them"""

    @classmethod
    def of(cls, bucket: Bucket, name: str) -> Sighting | None:
        """The object as it is now; None where it has gone."""
        content = bucket.read(name)
        return None if content is None else cls(name, content, time.monotonic())


class Lease:
    """The right to write under an address, held by this process while ``kept``.

    Args:
        address: of the folder that is written.
        note: local file with this process's mark, as long as the lease is held or something has not arrived. Whoever
            holds the lock of the local folder and finds the mark of a dead process there need not wait for it.
        seen: what ``look`` saw there before; whoever takes several leases looks at all of them first, and so waits for
            those of a process that died once and not one after the other.
    """

    def __init__(self, address: str, note: Path, seen: Sighting | None = None) -> None:
        self.address, self._note, self._seen = address, note, seen
        self._bucket = Bucket(lease_of(address))
        self._mark, self._name, self._beats, self._lost = uuid.uuid4().hex, "", 0, False

    def acquire(self) -> None:
        """Take the lease.

        Raises:
            RunBusy: another process holds it.
            Unreachable: the storage does not answer.
        """
        last = _last_in(self._bucket)
        while last and not (self._is_former(last) or self._await_silence(last)):
            last = _last_in(self._bucket)  # its holder has gone; whoever came meanwhile may have begun from 1 again
        self._name = f"{int(last or 0) + 1:06d}"
        created = self._bucket.create(self._name, self._content())
        if created is False and _owner(self._bucket.read(self._name)) != self._mark:  # not this one, sent twice
            raise self._busy()
        if created is None or (created and self._bucket.create(self._name, self._content())):
            self._bucket.write(self._name, self._content())
            get_logger().warning(
                "%s lies in storage that writes over what is there even where it is told not to: that no other process "
                "trains the same run cannot be seen to",
                self.address,
            )
        write_whole(self._note, self._mark)
        self._bucket.remove(name for name in self._bucket.listed() if name < self._name)

    def require(self) -> None:
        """Refuse to go on where another process has taken the lease over.

        Raises:
            RunBusy: as said.
            Unreachable: the storage does not answer.
        """
        if self._lost or _last_in(self._bucket) != self._name or _owner(self._bucket.read(self._name)) != self._mark:
            self._lost = True
            raise RunBusy(
                f"{self.address} has been taken over by another process, since this one could not be heard of for more "
                f"than {LASTS:.0f} s; it stops here"
            )

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Give signs of life until the block ends, and the lease back then."""
        try:
            with Heartbeat(self._beat, BEAT):
                yield
        finally:
            with suppress(Unreachable, RunBusy):
                self.require()  # else a later holder's object may have the name
                self._bucket.remove([self._name])

    def _beat(self) -> None:
        with suppress(Unreachable, RunBusy):
            self.require()
            self._beats += 1
            self._bucket.write(self._name, self._content())
            if _last_in(self._bucket) != self._name:
                # the successor came in between, and has removed this object already
                self._lost = True
                self._bucket.remove([self._name])

    def _content(self) -> bytes:
        facts = {"owner": self._mark, "host": socket.gethostname(), "process": os.getpid(), "beat": self._beats}
        return json.dumps(facts).encode()

    def _is_former(self, name: str) -> bool:
        """Whether an object is of the process that held the lock of the local folder before."""
        return self._note.is_file() and _owner(self._bucket.read(name)) == self._note.read_text()

    def _await_silence(self, name: str) -> bool:
        """Whether another process's object stays as it is for ``LASTS`` seconds; else it is gone."""
        seen = self._seen if self._seen is not None and self._seen.name == name else Sighting.of(self._bucket, name)
        if seen is None:
            return False
        end = seen.since + LASTS
        if (left := end - time.monotonic()) > 0:
            get_logger().info("%s was being trained elsewhere: waiting %.0f s for a sign of life", self.address, left)
        while (now := self._bucket.read(name)) is not None:
            if now != seen.content:
                raise self._busy()
            if (left := end - time.monotonic()) <= 0:
                return True
            time.sleep(min(LOOK, left))
        return False

    def _busy(self) -> RunBusy:
        return RunBusy(f"{self.address} is being trained by another process; wait for it, or change the configuration")


def lease_of(address: str) -> str:
    """The address under which the objects of a lease are: beside the folder that it is of."""
    above, name = parent_of(address)
    return f"{above}/.{name}.lease"


def look(address: str) -> Sighting | None:
    """What a process that may be writing under an address has there now; None where none is.

    Raises:
        Unreachable: the storage does not answer.
    """
    bucket = Bucket(lease_of(address))
    last = _last_in(bucket)
    return Sighting.of(bucket, last) if last else None


def is_held(address: str) -> bool:
    """Whether a process seems to be writing under an address: it gave a sign of life lately, by the clocks of the
    storage and of this machine."""
    bucket = Bucket(lease_of(address))
    written = [bucket.modified(name) for name in bucket.listed()]
    ages = [datetime.now(UTC) - (w if w.tzinfo else w.replace(tzinfo=UTC)) for w in written if w is not None]
    return any(age.total_seconds() < LASTS for age in ages)


def _last_in(bucket: Bucket) -> str:
    """The object of a lease with the highest number; empty where there is none."""
    return max(filter(str.isdecimal, bucket.listed()), default="")


def _owner(content: bytes | None) -> str | None:
    """The mark in an object of a lease."""
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(content or b"")["owner"])
    return None
