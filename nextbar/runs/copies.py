"""The one place where what names a run, or a folder of runs, becomes a local folder.

That is a copy of the files that are needed where it is an address in object storage, else the path itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from nextbar.checksums import listed_faults
from nextbar.errors import RunError, Unreachable
from nextbar.files import json_object
from nextbar.runs.records import BARS, CONFIG, NORMALISATION
from nextbar.runs.stored_files import checkpoints_in, sealed, usable
from nextbar.runs.summary import FINAL, SUMMARY
from nextbar.storage.address import origin_of
from nextbar.storage.bucket import Bucket, Listed
from nextbar.storage.copies import copied
from nextbar.storage.lease import is_held, lease_of

CARDS = (CONFIG, SUMMARY, BARS, NORMALISATION)
"""files of a run by which it is listed and chosen"""
UNREAD = ("events", "report.html")
"""beginnings of the names of files that nothing is computed from"""
TRIES = 3
"""times that a run is fetched which is written meanwhile"""

Answer = TypeVar("Answer")


class Cards(NamedTuple):
    """What is needed to list the runs in a folder."""

    folder: Path
    sizes: dict[Path, int] | None
    """of each run's files, bytes, where the folder is a copy of some of them"""


def local_run(path: str | Path, epoch: int | None = None) -> Path:
    """A run's folder with all that it forecasts and is scored with.

    Args:
        path: the folder, its address, or a copy of what lies there, of which more may be needed.
        epoch: a checkpoint that is asked for; None: the best one, and others only where it is damaged.

    Raises:
        RunError: there is nothing under the address, or the storage does not answer.
    """

    def fetch(bucket: Bucket, listed: Listed) -> Path:
        names = [name for name in usable(listed) if not name.rpartition("/")[2].startswith(UNREAD)]
        held = _held(bucket.address, [SUMMARY])
        best = _best(names, bucket.read(SUMMARY)) if epoch is None else None
        if best is None:
            return copied(bucket, listed, names, held)
        others = {name for files in checkpoints_in(names).values() for name in files} - set(best)
        folder = copied(bucket, listed, [name for name in names if name not in others], held)
        if listed_faults((folder / best[0]).parent):
            return copied(bucket, listed, names, held)
        return folder

    return _local(path, fetch)


def local_cards(path: str | Path) -> Cards:
    """A folder of runs, or one run, with what a list of them needs; of an address or a copy as it is there now.

    Raises:
        RunError: there is nothing under the address, or the storage does not answer.
    """
    address = origin_of(path)
    if address is None:
        return Cards(Path(path), None)

    def fetch(bucket: Bucket, listed: Listed) -> Cards:
        cards = [name for name in listed if _is_card(name)]
        folder = copied(bucket, listed, cards, _held(address, listed))
        inside = {run: [name for name in listed if name.startswith(f"{run}/" if run else "")] for run in _runs(cards)}
        sizes = {folder / run: sum(listed[name].size for name in names) for run, names in inside.items()}
        return Cards(folder, sizes)

    return _fetched(address, fetch)


def runs_beginning(address: str, beginning: str) -> list[Path]:
    """Copies of the cards of those runs under an address whose names begin with a text.

    Raises:
        Unreachable: the storage does not answer.
    """
    bucket = Bucket(address)
    listed = {name: facts for name, facts in bucket.listed().items() if name.startswith(beginning) and _is_card(name)}
    return sorted(copied(bucket, listed, list(listed)).glob("*")) if listed else []


def local_folder(path: str | Path) -> Path:
    """A folder with all its files, but for those of checkpoints that have not arrived whole.

    Raises:
        RunError: there is nothing under the address, or the storage does not answer.
    """

    def fetch(bucket: Bucket, listed: Listed) -> Path:
        names = [name for name in sealed(listed) if not any(part.startswith(".") for part in name.split("/"))]
        return copied(bucket, listed, names, _held(bucket.address, listed))

    return _local(path, fetch)


def _local(path: str | Path, fetch: Callable[[Bucket, Listed], Path]) -> Path:
    """The path itself, or where it stands for an address the folder that is fetched from there."""
    address = origin_of(path)
    return Path(path) if address is None else _fetched(address, fetch)


def _fetched(address: str, fetch: Callable[[Bucket, Listed], Answer], tries: int = TRIES) -> Answer:
    """What is fetched from an address; fetched once more where it was written meanwhile."""
    bucket = Bucket(address)
    listed = bucket.listed()
    if not listed:
        raise RunError(f"there is nothing under {address}")
    try:
        return fetch(bucket, listed)
    except Unreachable:
        if tries == 1 or bucket.listed() == listed:
            raise
    return _fetched(address, fetch, tries - 1)


def _best(names: Sequence[str], summary: bytes | None) -> list[str] | None:
    """Files of the checkpoint that a run forecasts with, by its summary; None where that does not say."""
    with suppress(ValueError):
        facts = json_object(summary or b"")
        fit = f"{FINAL}/" if facts.get("final_fit") else ""
        kept = checkpoints_in(names)
        keys = [(fit, kind, facts.get("best_epoch")) for kind in ("best", "last")]
        return next((kept[checkpoint] for checkpoint in kept if checkpoint in keys), None)
    return None


def _is_card(name: str) -> bool:
    *folders, file = name.split("/")
    return file in CARDS and FINAL not in folders[-1:] and not any(f == "checkpoints" or f[0] == "." for f in folders)


def _runs(names: Iterable[str]) -> set[str]:
    """Folders, as paths from the address, of the runs whose cards are among some objects."""
    return {name.rpartition("/")[0] for name in names if _is_card(name)}


def _held(address: str, names: Iterable[str]) -> list[str]:
    """Runs, as paths from the address, that a process seems to be writing."""
    names = list(names)
    addresses = {run: f"{address}/{run}".rstrip("/") for run in _runs(names)}
    leased = {name.rpartition("/")[0] for name in names}
    return sorted(
        run for run, of in addresses.items() if (not run or lease_of(of)[len(address) + 1 :] in leased) and is_held(of)
    )
