"""Files of a run as they lie in object storage: which of them count, what they say of its progress.

A checkpoint counts if the list of its checksums is among its files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from nextbar.checksums import LIST
from nextbar.files import json_object
from nextbar.runs.summary import ENDED, FINAL, SUMMARY

SUMMARIES = (f"{FINAL}/{SUMMARY}", SUMMARY)
"""files that are sent last, in this order"""
Checkpoint = tuple[str, str, int]
"""fit (``""`` or ``final/``), kind (``best`` or ``last``) and epoch; in this order they are sent"""

_CHECKPOINT = re.compile(rf"((?:{FINAL}/)?)checkpoints/(best|last)/([0-9]+)/(.+)")
"""a file of a checkpoint: the same, and its name in there"""


_ANYWHERE = re.compile(r"((?:.+/)?checkpoints/(?:best|last)/[0-9]+)/.+")
"""a file of a checkpoint of any run below an address, and the checkpoint's folder"""


class Reached(NamedTuple):
    """How far a run has come; the further one is greater."""

    ended: bool
    final: int
    """epochs of the final fit that are committed"""
    epochs: int


def usable(names: Iterable[str]) -> list[str]:
    """Those of a run's objects that count: none of a checkpoint that has not arrived whole, and none with a dot."""
    names = list(names)
    whole = {name for files in checkpoints_in(names).values() if any(map(is_seal, files)) for name in files}
    return [name for name in names if name in whole or is_plain_file(name)]


def sealed(names: Iterable[str]) -> list[str]:
    """Those of the objects of any number of runs that are of no checkpoint that has not arrived whole."""
    names = list(names)
    whole = {name.rpartition("/")[0] for name in names if name.endswith(f"/{LIST}")}
    checkpoints = [_ANYWHERE.fullmatch(name) for name in names]
    return [name for name, match in zip(names, checkpoints, strict=True) if match is None or match[1] in whole]


def is_plain_file(name: str) -> bool:
    """Whether a file belongs to a run and to no checkpoint."""
    return not any(part.startswith(".") or part == "checkpoints" for part in name.split("/"))


def is_seal(name: str) -> bool:
    """Whether a file is the list of checksums by which a checkpoint counts."""
    match = _CHECKPOINT.fullmatch(name)
    return match is not None and match[4] == LIST


def checkpoints_in(names: Iterable[str]) -> dict[Checkpoint, list[str]]:
    """Files by the checkpoint that they are of, in the order in which checkpoints are sent."""
    checkpoints: dict[Checkpoint, list[str]] = {}
    for name in names:
        if match := _CHECKPOINT.fullmatch(name):
            checkpoints.setdefault((match[1], match[2], int(match[3])), []).append(name)
    return dict(sorted(checkpoints.items()))


def is_later(checkpoint: Checkpoint, kept: Iterable[Checkpoint]) -> bool:
    """Whether a checkpoint is of an epoch after the last one of the fit that is kept."""
    fit, _, epoch = checkpoint
    return epoch > max((e for f, kind, e in kept if f == fit and kind == "last"), default=0)


def reached(names: Iterable[str], summary: bytes | None) -> Reached:
    """How far a run with these files has come; ``summary`` is the content of its own."""
    epochs = {"": 0, f"{FINAL}/": 0}
    for (fit, kind, epoch), files in checkpoints_in(names).items():
        if kind == "last" and any(map(is_seal, files)):
            epochs[fit] = max(epochs[fit], epoch)
    with suppress(ValueError):
        return Reached(json_object(summary or b"").get("status") in ENDED, epochs[f"{FINAL}/"], epochs[""])
    return Reached(False, epochs[f"{FINAL}/"], epochs[""])
