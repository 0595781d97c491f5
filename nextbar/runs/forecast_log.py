"""The forecast log of a run: lines of JSON beside its folder, only ever appended to, each with a checksum.

A line's last key is the checksum of the line before it and of all that stands before the key, so that a line that was
changed, taken out or moved is noticed. A kill leaves the log as it was, or with some of the lines that were being
appended whole and the next one half: nobody reads half a line, and the next who appends cuts it off first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nextbar.checksums import KEY, digest
from nextbar.errors import Damaged, RunError
from nextbar.files import LARGEST, append_whole, json_object, read_bytes, write_whole

NEEDS_A_DISK = "a forecast log is appended to, which object storage does not do"
"""of a run in object storage, beside which there is none"""

_SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}\Z')


class LogLines(NamedTuple):
    """What a log holds."""

    records: list[dict[str, Any]]
    """of each whole line, without its checksum"""
    end: int
    """bytes of the whole lines"""
    checksum: str
    """of the last of them; empty where there is none"""
    half: int
    """bytes of the half line after them"""


def log_of(run_dir: Path) -> Path:
    """The file beside a run's folder that its forecast log is, whatever link leads to the folder."""
    folder = run_dir.resolve()
    return folder.parent / f"forecasts-{folder.name}.jsonl"


def read_log(path: Path) -> LogLines:
    """The whole lines of a log; none where there is no such file.

    Raises:
        Damaged: a line is not as it was written; names its number.
        RunError: the file cannot be read.
    """
    records, checksum, end = [], "", 0
    lines = _lines(path)
    for number, line in enumerate(lines[:-1], start=1):
        record, checksum = _opened(path, number, line, checksum)
        records.append(record)
        end += len(line) + 1
    return LogLines(records, end, checksum, len(lines[-1]))


def log_faults(path: Path) -> Iterator[tuple[str, bool]]:
    """What is wrong with a log, each in words and whether it is damage."""
    try:
        half = read_log(path).half
    except RunError as error:
        yield str(error), True
        return
    if half:
        yield "ends in half a line, left by a process that was killed; the next update writes it anew", False


class LogWriter:
    """A log that is appended to; the caller holds the lock.

    Args:
        path: the file; made with the first line.

    Raises:
        Damaged: a line is not as it was written.
        RunError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records, self._end, self._checksum, _ = read_log(path)

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Add a line for each of some plain values; they are on the disk when this returns.

        Raises:
            OSError: they cannot be written; the log is as it was.
            ValueError: NaN or infinity among them.
        """
        data, checksum = b"", self._checksum
        for record in records:
            line, checksum = _sealed(record, checksum)
            data += line
        if self._end and data:
            append_whole(self.path, data, self._end)  # from the end of the last whole line
        elif data:
            write_whole(self.path, data)
        self._end, self._checksum = self._end + len(data), checksum
        self.records += [dict(record) for record in records]


def _lines(path: Path) -> list[bytes]:
    """All lines, whole ones and, last, what stands behind them."""
    try:
        return read_bytes(path, LARGEST).split(b"\n")
    except FileNotFoundError:
        return [b""]
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from None


def _sealed(record: Mapping[str, Any], before: str) -> tuple[bytes, str]:
    """The line of a record, and its checksum."""
    body = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()[:-1]
    checksum = digest(before.encode() + body)
    return body + f',"{KEY}":"{checksum}"}}\n'.encode(), checksum


def _opened(path: Path, number: int, line: bytes, before: str) -> tuple[dict[str, Any], str]:
    """The record of a line, and its checksum.

    Raises:
        Damaged: the line, or the one before it, is not as it was written.
    """
    seal = _SEAL.search(line)
    if seal is None or digest(before.encode() + line[: seal.start()]) != seal[1].decode():
        raise Damaged(
            f"{path} is damaged at line {number}: its checksum does not fit, so this line was changed since it was "
            "written, or one before it was taken out. Restore the file, or move it away to begin a new log"
        )
    try:
        record = json_object(line)
    except ValueError as error:
        raise Damaged(f"{path} is damaged at line {number}: {error}") from None
    del record[KEY]
    return record, seal[1].decode()
