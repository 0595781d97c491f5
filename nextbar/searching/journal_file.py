"""The file of a study's journal: lines that processes append in turn, each of them whole or not there."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from nextbar.errors import RunError
from nextbar.folders import writing

_BLOCK = 2**16


class JournalFile(JournalFileBackend):
    """Optuna's file, in which no half line stays: the next line would be glued to it, and the study be lost.

    A turn is a file beside it that only one can make; one that a kill left is taken over after half a minute. Optuna's
    other lock, a link to the journal, is never taken over where it leads nowhere; and on Windows links are a privilege.

    Args:
        path: where it is, not by a link: else processes that come by other ways do not wait for each other.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.turn = path, JournalFileOpenLock(str(path))
        self._turn_file = f"{path}.lock"  # as Optuna calls it
        super().__init__(str(path), self.turn)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add a line for each; they are on the disk when this returns.

        Raises:
            RunError: the journal has gone, or they cannot be written; none of them is there then.
        """
        data = b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)
        with writing(self.path.parent):
            self.turn.acquire()
            mine = _file_of(self._turn_file)
            try:
                with open(self.path, "a+b", buffering=0, opener=_existing) as file:
                    _append(file, data)
            except FileNotFoundError:
                raise RunError(f"{self.path} has gone, deleted or moved during the search; put it back") from None
            finally:
                # a process that stood still for too long finds its turn taken over, at the worst in this very moment
                if _file_of(self._turn_file) == mine:
                    with suppress(RuntimeError):
                        self.turn.release()


def _file_of(path: str) -> tuple[int, int] | None:
    """Which file is there; None where there is none."""
    with suppress(OSError):
        status = os.stat(path)
        return status.st_ino, status.st_mtime_ns
    return None


def _existing(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_CREAT)  # a file that was deleted is not made anew without its beginning


def _append(file: IO[bytes], data: bytes) -> None:
    end, whole = file.seek(0, os.SEEK_END), _whole(file)
    if whole < end:  # left by a kill
        file.truncate(whole)
    written = 0
    try:
        while written < len(data):
            written += file.write(data[written:])
        os.fsync(file.fileno())
    except OSError:
        if file.seek(0, os.SEEK_END) == whole + written:  # nobody has taken the turn over meanwhile
            file.truncate(whole)
        raise


def _whole(file: IO[bytes]) -> int:
    """Bytes up to the end of the last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - _BLOCK)
        file.seek(begin)
        if newline := file.read(end - begin).rfind(b"\n") + 1:
            return begin + newline
        end = begin
    return 0
