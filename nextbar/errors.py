"""Errors that a user can mend: one clear message each, no traceback on the command line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

LONGEST = 120
"""characters of a value in a message; longer ones are cut"""

MOST = 20
"""names that a message lists"""

_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""what steers a terminal or turns its writing round, and what cannot be written at all; not tab and line break"""


def printable(text: str) -> str:
    """A text for a terminal, in which names that somebody else gave may stand: ``\\x1b`` for an escape character."""
    return _STEERING.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def short(value: object) -> str:
    """A value as Python writes it, for a message; a long one is cut, with its length after it."""
    return cut(repr(value))


def cut(text: str) -> str:
    """A text for a message; a long one is cut, with its length after it."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 20]}... ({len(text):,} characters)"


def listed(names: Iterable[object], most: int = MOST) -> str:
    """Names for a message, with commas; of many the first, and how many more there are."""
    texts = [str(name) for name in names]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most:,} more" if len(texts) > most else "")


def first_line(error: BaseException) -> str:
    """The first line of an error's message; its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def nearest(name: str, names: Iterable[str]) -> str:
    """``"; did you mean x?"`` for the likeliest of the dotted ``names``, else a list of them."""
    names = tuple(names)
    section, _, leaf = name.rpartition(".")
    leaves: dict[str, list[str]] = {}
    for candidate in names:
        leaves.setdefault(candidate.rpartition(".")[2], []).append(candidate)
    close = leaves.get(leaf) or difflib.get_close_matches(name, names, n=1)
    if not close and (match := difflib.get_close_matches(leaf, leaves, n=1)):
        close = leaves[match[0]]
    if close:
        return f"; did you mean {' or '.join(close)}?"
    beside = [candidate for candidate in names if candidate.rpartition(".")[0] == section]
    return f"; there are {', '.join(beside or names)}"


class NextbarError(Exception):
    """Base of the errors whose message says what was found, what is allowed and what to do."""


class ConfigError(NextbarError):
    """A configuration that cannot mean anything."""


class ArgumentError(ConfigError, TypeError):
    """An argument that a callable does not have: a TypeError, as Python's own is."""


class DataError(NextbarError):
    """Bars that are missing, malformed or too few."""


class RunError(NextbarError):
    """A run folder that cannot be written, continued or loaded."""


class Damaged(RunError):
    """A file of a run folder that is missing or not as it was written: its checksum does not fit."""


class OutOfMemory(RunError):
    """A training that needs more memory than the machine, or its GPU, has."""


class OtherBars(RunError):
    """A run of the same configuration that began on other bars and is unfinished."""


class RunBusy(RunError):
    """A run folder in which another process trains."""


class Unreachable(RunError):
    """Object storage that cannot be read or written now."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C during training; ``str(error)`` says what is saved and how to go on.

    A KeyboardInterrupt and no NextbarError: ``except Exception`` in a user's loop does not swallow Ctrl-C.
    """
