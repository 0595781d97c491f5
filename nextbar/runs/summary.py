"""``summary.json`` of a run folder: its format, how its training stands, and which fit it forecasts with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nextbar.checksums import is_sealed, read_json
from nextbar.errors import Damaged, RunError
from nextbar.files import LARGEST, read_bytes
from nextbar.folders import is_claimed, refuse_later_format

SUMMARY = "summary.json"

FORMAT = 3
"""format of the run folder; a nextbar that changes what its files mean counts it up"""

SEALED = 3
"""the first format whose files carry checksums"""

WHOLE = frozenset({"finished", "stopped_early"})
"""statuses of a training that came to the end it was meant to have"""

ENDED = WHOLE | {"diverged"}
"""statuses after which the same command reports instead of training"""

UNFINISHED = frozenset({"running", "interrupted", "failed", "pruned"})

GONE = "the process that trained it has gone; the same command goes on from its last whole epoch"
"""message of a run whose process was killed before it could write one"""

FINAL = "final"
"""folder of a run's final fit, laid out like a run"""


def read_summary(path: Path) -> dict[str, Any]:
    """``summary.json`` of a run folder; empty where there is none.

    A run that was ``running`` when its process was killed is ``interrupted``: no process holds its lock any more.

    Raises:
        RunError: the file is damaged, or of a later nextbar whose folders this one does not know.
    """
    try:
        summary = read_json(path / SUMMARY)
        written = int(summary.get("format", 0))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise RunError(f"{path / SUMMARY} cannot be read ({error}); was the run folder copied whole?") from None
    versions = summary.get("versions")
    writer = versions.get("nextbar") if isinstance(versions, dict) else None
    refuse_later_format(path, written, FORMAT, writer or "a later version")
    if written >= SEALED and not has_checksums(path):
        raise Damaged(f"{path / SUMMARY} is damaged: the checksum at its end is missing, so it was cut or changed")
    if summary.get("status") == "running" and not is_claimed(path):
        summary |= {"status": "interrupted", "message": GONE}
    return summary


def fit_folder(path: Path, summary: Mapping[str, Any]) -> Path:
    """Folder of the fit that a run forecasts with: the final one where there is one, else the run itself.

    Args:
        path: the run folder.
        summary: its ``summary.json``.
    """
    return path / FINAL if summary.get("final_fit") else path


def has_checksums(path: Path) -> bool:
    """Whether the files of a folder carry checksums, told from its summary."""
    try:
        return is_sealed(read_bytes(path / SUMMARY, LARGEST))
    except OSError:
        return False
