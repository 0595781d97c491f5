"""How large a file of bars may be, packed and unpacked: a small file can unpack into more than a machine has."""

from __future__ import annotations

import os

from nextbar.errors import DataError, short

VARIABLE = "NEXTBAR_LARGEST_FILE"
"""environment variable: bytes that a file of bars may have, however small it is when packed"""
LARGEST = 2 * 10**9
"""bytes of a file of bars"""
RATIO = 100
"""how many times its size a file may become; numbers as text pack 3 to 30 times"""
ANYWAY = 10**7
"""bytes that every file may become"""
MOST_COLUMNS = 10_000


def largest() -> int:
    """Bytes that a file may have, packed or not.

    Raises:
        DataError: the environment variable is no number.
    """
    text = os.environ.get(VARIABLE)
    try:
        return LARGEST if text is None else int(float(text))
    except (ValueError, OverflowError):
        raise DataError(f"{VARIABLE}: found {short(text)}, should be a number of bytes, such as 5e9") from None


def largest_unpacked(packed: int) -> int:
    """Bytes that a file of so many packed bytes may unpack into; what the environment variable says, where it does."""
    return largest() if VARIABLE in os.environ else min(LARGEST, max(ANYWAY, RATIO * packed))


def too_large(source: str, what: str, allowed: int) -> DataError:
    """The error about a file that is, or unpacks into, more than is allowed."""
    return DataError(
        f"{source}: {what} more than {allowed:,} bytes, the most that is read; if you trust the file, set {VARIABLE}"
    )
