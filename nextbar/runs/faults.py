"""Faults in the files of a run: damaged, missing, of another run, or none of nextbar's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from nextbar.checksums import LIST, is_sealed, unlisted
from nextbar.errors import NextbarError
from nextbar.files import LARGEST, read_bytes
from nextbar.folders import is_claimed
from nextbar.runs.checkpoint_store import CheckpointStore, epochs_in
from nextbar.runs.forecast_log import log_faults, log_of
from nextbar.runs.metrics_csv import read_metrics
from nextbar.runs.records import (
    BARS,
    CONFIG,
    CONFORMAL,
    FILES,
    LOSSES,
    METRICS,
    NORMALISATION,
    REFERENCE,
    RIVAL,
    checksums,
    read_bars_record,
    read_config,
    read_conformal,
    read_cuts,
    read_losses,
    read_preparation,
    read_reference,
    read_rival,
)
from nextbar.runs.summary import ENDED, FINAL, SUMMARY, read_summary

READERS: dict[str, tuple[Callable[[Path], Any], ...]] = {
    SUMMARY: (read_summary,),
    CONFIG: (read_config,),
    NORMALISATION: (read_preparation, read_cuts),
    BARS: (read_bars_record,),
    REFERENCE: (read_reference,),
    RIVAL: (read_rival,),
    CONFORMAL: (read_conformal,),
    LOSSES: (read_losses,),
    METRICS: (read_metrics,),
}
"""what reads a file of a run folder, by its name"""
NEEDED = (SUMMARY, CONFIG, NORMALISATION)
"""files that a run has from its first epoch on"""
OTHERS = ("checkpoints", FINAL, "report.html")
"""whatever else nextbar writes into a run folder, beside TensorBoard's events"""


class Fault(NamedTuple):
    """Something found in a folder."""

    path: Path
    text: str
    harmful: bool = True
    """False: worth knowing, but nothing that nextbar reads is damaged"""


def run_faults(path: Path) -> Iterator[Fault]:
    """What is wrong with a run folder, with the folder of its final fit, and with the forecast log beside it."""
    if is_claimed(path):
        yield Fault(path, "a process may be writing here: what is found may be its work", harmful=False)
    for name, readers in READERS.items():
        if not (path / name).exists():
            if name in NEEDED:
                yield Fault(path / name, "is missing")
            continue
        try:
            for read in readers:
                read(path)
        except NextbarError as error:
            yield Fault(path / name, str(error))
    yield from _foreign(path)
    yield from (Fault(log_of(path), *fault) for fault in log_faults(log_of(path)))
    try:
        summary = read_summary(path)
    except NextbarError:
        return  # told above; what the run should hold is not known
    if not is_sealed(b"" if not summary else read_bytes(path / SUMMARY, LARGEST)):
        yield Fault(path, "carries no checksums, as runs of earlier versions: its files can be read, no more", False)
    ended = summary.get("status") in ENDED
    if ended:
        yield from _changed(path, summary.get(FILES) or {})
    yield from _checkpoint_faults(path / "checkpoints", summary if ended else {})
    if summary.get("final_fit") or (path / FINAL).is_dir():
        yield from run_faults(path / FINAL)


def _changed(path: Path, recorded: dict[str, str]) -> Iterator[Fault]:
    """Files that are missing or others since the run ended, also where each is whole in itself."""
    present = checksums(path)
    for name, checksum in recorded.items():
        if name not in present:
            yield Fault(path / name, "is missing")
        elif present[name] != checksum:
            yield Fault(path / name, "is not the file that the run ended with: changed, or that of another run")


def _checkpoint_faults(folder: Path, summary: dict[str, Any]) -> Iterator[Fault]:
    """What is wrong with a run's checkpoints; ``summary`` is that of a run that has ended, else empty."""
    whole = set()
    with closing(CheckpointStore()) as store:
        for path in [folder / kind / str(epoch) for kind in ("best", "last") for epoch in epochs_in(folder / kind)]:
            try:
                store.require_whole(path)
                if (path / LIST).exists():
                    yield from (Fault(path / name, "does not belong to the checkpoint") for name in unlisted(path))
                else:
                    store.read_params(path)
                whole.add(int(path.name))
            except NextbarError as error:
                yield Fault(path, str(error))
    for path in sorted(folder.glob("*/*")):
        if not path.name.isdecimal():
            yield Fault(path, "was left by a process that was killed; it can be deleted", harmful=False)
    best = summary.get("best_epoch")
    if best is not None and folder.is_dir() and best not in whole:
        yield Fault(folder, f"holds no whole checkpoint of the best epoch, {best}")


def _foreign(path: Path) -> Iterator[Fault]:
    """Files that nextbar did not write, or did not finish."""
    for entry in sorted(path.iterdir()):
        if entry.name.startswith(tuple(f".{name}." for name in READERS)):
            yield Fault(entry, "was left by a process that was killed; it can be deleted", harmful=False)
        elif entry.name not in (*READERS, *OTHERS) and not entry.name.startswith("events"):
            yield Fault(entry, "is none of nextbar's files", harmful=False)
