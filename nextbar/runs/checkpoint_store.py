"""One checkpoint: a folder of an epoch's state and notes that appears under its final name in one rename.

A process may be killed at any moment: a folder under its number is whole. The checksums of its files lie in it, and are
compared whenever it is read. Orbax writes the files and reads whole states; what a forecast needs is read here, from
the arrays and the JSON that orbax leaves, since importing orbax takes longer than a forecast.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from nextbar.checksums import LIST, list_files, listed_faults
from nextbar.errors import Damaged, RunError, first_line, listed
from nextbar.files import LARGEST, read_bytes

if TYPE_CHECKING:
    from nextbar.runs.orbax_checkpointer import OrbaxCheckpointer

PyTree = Any

_ONE_AT_A_TIME = threading.Lock()
"""orbax tells the operations of a process apart by one counter: two at once take each other's folders"""

STATE, NOTES = "state", "notes"
"""folders of a checkpoint: of its arrays, of its record"""
SEALED = "has_checksums"
"""in the record of a checkpoint that is not of an earlier version"""

_UNFINISHED = ".orbax-checkpoint-tmp"  # orbax's own mark of a folder that is not a checkpoint


class CheckpointStore:
    """Writes and reads checkpoint folders through orbax.

    Every method that reads raises :class:`RunError` where the folder is no checkpoint of this run. They compare no
    checksums: ``require_whole`` does, and comes first.
    """

    @cached_property
    def _orbax(self) -> OrbaxCheckpointer:
        from nextbar.runs.orbax_checkpointer import OrbaxCheckpointer

        return OrbaxCheckpointer(STATE, NOTES)

    def write(self, path: Path, state: PyTree, record: dict[str, Any]) -> None:
        """Write a checkpoint; an earlier one in its folder is replaced.

        Args:
            path: its folder.
            state: tree of NumPy arrays with ``params`` at its top.
            record: the epoch's ``validation_loss`` and ``notes``, which JSON can hold.
        """
        if path.exists():  # an epoch done again after a kill between the two folders
            discard(path)
        path.parent.mkdir(exist_ok=True)
        aside = path.with_name(f"{path.name}-new{_UNFINISHED}")
        shutil.rmtree(aside, ignore_errors=True)
        record = record | {SEALED: True}
        with _ONE_AT_A_TIME:
            self._orbax.save(aside, state, record)
        list_files(aside)
        aside.rename(path)

    def require_whole(self, path: Path, inside: str = "") -> None:
        """Refuse a checkpoint that is not as it was written. One of an earlier version has no checksums to tell by.

        Args:
            path: its folder.
            inside: look only at files whose paths begin with this.

        Raises:
            Damaged: as said.
        """
        try:
            faults = listed_faults(path, inside)
            if faults is None and SEALED in self.read_record(path):
                faults = [f"{LIST} is missing"]
        except (OSError, RunError) as error:
            faults = [first_line(error)]
        if faults:
            raise Damaged(f"{path} is damaged: {listed(faults, 3)}")

    def read_record(self, path: Path) -> dict[str, Any]:
        """Validation loss and notes of a checkpoint."""
        with _readable(path):
            record = json.loads(read_bytes(path / NOTES / "metadata", LARGEST))  # NaN included
            return record | {"validation_loss": float(record["validation_loss"]), "notes": dict(record["notes"])}

    def read_state(self, path: Path, template: PyTree) -> PyTree:
        """State of a checkpoint; the template is one of the same structure and shapes."""
        with _readable(path):
            state = self._orbax.restore(path, template)
            # fresh arrays, placed as newly made ones are, so that a continued run compiles nothing twice
            return jax.tree.map(_device_copy, template, state)

    def read_params(self, path: Path) -> PyTree:
        """Parameters of a checkpoint alone, as nested dicts of NumPy arrays."""
        with _readable(path):
            return _arrays(path / STATE, "params")

    def close(self) -> None:
        """Free what orbax holds."""
        if "_orbax" in vars(self):
            self._orbax.close()


def epochs_in(folder: Path) -> list[int]:
    """Epochs that have a whole checkpoint in the folder, ascending.

    Raises:
        RunError: there is a file in the folder's place.
    """
    if not folder.is_dir():
        if folder.exists():
            raise RunError(f"{folder} is a file where a folder of checkpoints belongs; move it away.")
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal())


def discard(path: Path) -> None:
    """Delete a checkpoint so that no moment shows half of it: first away from its number, then its files."""
    aside = path.with_name(f"{path.name}-old{_UNFINISHED}")
    shutil.rmtree(aside, ignore_errors=True)
    path.rename(aside)
    shutil.rmtree(aside)


def link(path: Path, other: Path) -> None:
    """Have a checkpoint in another folder too, in one rename; its files are shared, and never written again."""

    def link_file(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # not every file system has links
            shutil.copy2(source, target)

    if other.exists():
        discard(other)
    aside = other.with_name(f"{other.name}-new{_UNFINISHED}")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(path, aside, copy_function=link_file)
    aside.rename(other)


def sweep(folder: Path) -> int:
    """Remove what a killed process left unfinished among the checkpoints of a run; returns how much there was.

    Args:
        folder: of the checkpoints, in which no other process may write.
    """
    unfinished = list(folder.glob(f"*/*{_UNFINISHED}*"))
    for entry in unfinished:
        shutil.rmtree(entry, ignore_errors=True)
    return len(unfinished)


def _arrays(folder: Path, of: str) -> PyTree:
    """What a state has at the key ``of``: an array, or nested dicts.

    Orbax keeps zarr arrays in one OCDBT store, called by their keys with dots between.

    Raises:
        ValueError: it has no arrays there.
    """
    import tensorstore

    store: dict[str, Any] = {"driver": "ocdbt", "base": {"driver": "file", "path": f"{folder.resolve()}/"}}
    keys = [key.decode() for key in tensorstore.KvStore.open(store).result().list().result()]
    names = [name for name, _, file in (key.rpartition("/") for key in keys) if file == ".zarray"]
    reads = {
        name: tensorstore.open(
            {"driver": "zarr", "kvstore": store | {"path": f"{name}/"}, "fill_missing_data_reads": False}
        )
        for name in names
        if name.split(".")[0] == of
    }
    if not reads:
        raise ValueError(f"there are no arrays of {of} in {folder.name}, which has {listed(names, 3) or 'nothing'}")
    arrays: dict[str, Any] = {}
    for name, opened in reads.items():
        *inside, last = name.split(".")
        level = arrays
        for key in inside:
            level = level.setdefault(key, {})
        level[last] = opened.result().read().result()
    return arrays[of]


def _device_copy(template: Any, stored: Any) -> jax.Array:
    """A stored array on the device, of the template's type.

    Raises:
        ValueError: the shapes differ.
    """
    if np.shape(stored) != np.shape(template):
        raise ValueError(f"an array of shape {np.shape(stored)} where the model has {np.shape(template)}")
    return jnp.array(stored, dtype=jnp.result_type(template))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Read a checkpoint, while no other operation of the process does; errors are raised as RunError."""
    try:
        with _ONE_AT_A_TIME:
            yield
    except Exception as error:  # orbax raises whatever its layers raise
        raise RunError(
            f"{path} is not a checkpoint that this run can go on from: {first_line(error)}\n"
            "It is incomplete, or was written by another model or version. Restore the folder, or train anew "
            "(overwrite=True, --overwrite)."
        ) from error
