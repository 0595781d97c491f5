"""A run in object storage: trained in a working folder, whose files are sent so that what has arrived is always a run.

In storage lies the run folder as it is on a disk, file by file. After each object that is sent, what lies there is
what a process killed at some moment leaves behind on a disk: a checkpoint counts from when the list of its checksums
has arrived, which is sent last and removed first, and the summary comes after all that it speaks of.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nextbar.errors import RunError, Unreachable
from nextbar.folders import throw_away
from nextbar.logger import get_logger
from nextbar.runs.stored_files import SUMMARIES, checkpoints_in, is_later, is_plain_file, is_seal, reached, usable
from nextbar.runs.summary import SUMMARY
from nextbar.storage.bucket import Bucket
from nextbar.storage.lease import Lease, Sighting


class Mirror:
    """A run's working folder and its storage.

    Args:
        folder: the working folder, claimed by this process.
        address: of the run in storage.
        lease: of the address, held by this process.
    """

    def __init__(self, folder: Path, address: str, lease: Lease) -> None:
        self.folder, self.address = folder, address
        self._bucket, self._lease = Bucket(address), lease
        self._sent: dict[str, tuple[int, int]] = {}
        """size and time of files as they were when this process sent them"""
        self.arrived = True
        """whether the last thing that was to be sent has arrived"""
        self.silent = False
        """whether storage did not answer when it was last sent to"""

    def take_up(self, ahead: bool) -> None:
        """Bring the working folder to where the run is: what lies in storage, unless the folder is further on.

        Args:
            ahead: whether the folder may be, since a process died or could not send; else storage alone counts.

        Raises:
            RunError: storage does not answer, or the folder cannot be replaced.
        """
        stored_files = self._bucket.listed()
        summary = self.folder / SUMMARY
        local_progress = reached(_files(self.folder), summary.read_bytes() if summary.is_file() else None)
        stored_progress = reached(stored_files, self._bucket.read(SUMMARY))
        self.arrived = local_progress <= stored_progress
        if (stored_files and local_progress == stored_progress) or (ahead and local_progress > stored_progress):
            return
        throw_away(self.folder, "working folder")
        if needed_files := usable(stored_files):
            aside = self.folder.with_name(f".{self.folder.name}.fetched")
            shutil.rmtree(aside, ignore_errors=True)
            self._bucket.fetch(aside, needed_files)
            aside.rename(self.folder)

    def clear(self) -> None:
        """Throw away what lies in storage: the summaries, then what makes checkpoints count, then the rest.

        Raises:
            RunBusy: another process has taken the run over.
            Unreachable: storage does not answer.
        """
        stored_files = self._bucket.listed()
        for goes in (lambda name: name in SUMMARIES, is_seal, lambda _: True):
            self._lease.require()
            self._bucket.remove(name for name in stored_files if goes(name))
            stored_files = {name: facts for name, facts in stored_files.items() if not goes(name)}

    def send(self) -> None:
        """Send what has changed, in an order by which what has arrived is a run at every moment.

        Raises:
            RunBusy: another process has taken the run over; nothing is sent.
            Unreachable: storage does not answer.
        """
        if not (self.folder / SUMMARY).is_file():  # not begun, or deleted: there is nothing to say of it
            return
        self.arrived = False
        self._lease.require()
        local_files, stored_files = _files(self.folder), self._bucket.listed()
        summaries = {name: (self.folder / name).read_bytes() for name in SUMMARIES if name in local_files}
        checkpoints, stored_checkpoints = checkpoints_in(local_files), checkpoints_in(stored_files)
        # epochs that are done again: rows of them are about to go
        self._drop([files for checkpoint, files in stored_checkpoints.items() if is_later(checkpoint, checkpoints)])
        self._send_changed([name for name in local_files if is_plain_file(name) and name not in SUMMARIES])
        for checkpoint, files in sorted(checkpoints.items()):
            self._send_checkpoint(files, stored_checkpoints.get(checkpoint, []))
        self._lease.require()
        for name, data in summaries.items():
            self._bucket.write(name, data)
        self._drop([files for checkpoint, files in stored_checkpoints.items() if checkpoint not in checkpoints])
        self.arrived = True

    def try_to_send(self) -> None:
        """Send what has changed, and go on where storage does not answer, which is logged.

        Raises:
            RunBusy: another process has taken the run over.
        """
        before = self.silent
        try:
            self.send()
        except Unreachable as error:
            self.silent = True
            if not before:  # told once, not after each epoch
                get_logger().warning("%s. Training goes on in %s, which is sent later", error, self.folder)
        else:
            self.silent = False
            if before:
                get_logger().info("%s has all epochs again", self.address)

    def _send_changed(self, names: Sequence[str]) -> None:
        """Send files but for those that are as this process sent them."""
        stats = {name: (self.folder / name).stat() for name in names}
        states = {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}
        self._bucket.send(self.folder, [name for name in names if self._sent.get(name) != states[name]])
        self._sent |= states

    def _send_checkpoint(self, files: Sequence[str], stored: Sequence[str]) -> None:
        """Send a checkpoint, unless the same has arrived whole."""
        (seal,) = (name for name in files if is_seal(name))
        if sorted(files) == sorted(stored) and self._bucket.read(seal) == (self.folder / seal).read_bytes():
            return
        self._drop([stored])
        self._bucket.send(self.folder, [name for name in files if name != seal])
        self._bucket.send(self.folder, [seal])

    def _drop(self, checkpoints: Iterable[Sequence[str]]) -> None:
        """Remove checkpoints, given as their files, from storage, as long as no other process has taken the run over.

        One that comes between the look and the removal is not seen: storage has no removal that asks for the lease.
        """
        for files in filter(None, checkpoints):
            self._lease.require()
            self._bucket.remove(filter(is_seal, files))
            self._bucket.remove(name for name in files if not is_seal(name))


@contextmanager
def mirrored(folder: Path, address: str, overwrite: bool, seen: Sighting | None = None) -> Iterator[Mirror]:
    """Hold a run in storage, with what lies there in its working folder; send what has changed when the block ends.

    Args:
        folder: the working folder, claimed by this process.
        address: of the run.
        overwrite: throw away what lies there, and in the folder.
        seen: another process's lease, as it was before, see ``Lease``.

    Raises:
        RunBusy: another process trains it.
        RunError: storage does not answer; whatever has not arrived is kept in the folder.
    """
    note = folder.with_name(f".{folder.name}.unsent")
    ahead = note.is_file()
    lease = Lease(address, note, seen)
    lease.acquire()
    with lease.kept():
        mirror = Mirror(folder, address, lease)
        mirror.arrived = not ahead
        try:
            if overwrite:
                throw_away(folder, "run")
                mirror.clear()
            else:
                mirror.take_up(ahead)
            get_logger().info("%s: in %s, and sent there after each epoch", address, folder)
            with _sent_at_the_end(mirror):
                yield mirror
        finally:
            if mirror.arrived:
                note.unlink(missing_ok=True)


@contextmanager
def _sent_at_the_end(mirror: Mirror) -> Iterator[None]:
    """Send what has changed in the block; after an error of the block one of sending is only logged.

    Raises:
        RunError: what has changed could not be sent.
    """
    try:
        yield
    except BaseException:
        try:
            mirror.send()
        except RunError as error:
            get_logger().warning("%s. What has not arrived is kept in %s", error, mirror.folder)
        raise
    try:
        mirror.send()
    except Unreachable as error:
        raise Unreachable(f"{error}. The run is kept in {mirror.folder}; the same command sends it") from error


def _files(folder: Path) -> list[str]:
    """Files of a run's folder that are sent, as paths from it: not those that are being written."""
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return usable(names)
