"""One checkpoint: a folder of an epoch's state and notes that appears under its final name in one rename.

A process may be killed at any moment: a folder under its number is whole. The checksums of its files lie in it, and are
compared whenever it is read. This is the only file that imports orbax. Its
``CheckpointManager`` is not used: it deletes a folder file by file under its final name, so a kill in that moment
leaves half a checkpoint among the best, and it refuses the epoch that a resumed run does again.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from nextbar.checksums import LIST, list_files, listed_faults
from nextbar.errors import Damaged, RunError, first_line, listed

PyTree = Any

_ONE_AT_A_TIME = threading.Lock()
"""orbax tells the operations of a process apart by one counter: two at once take each other's folders"""

NOTES = "notes/"
"""what the paths of the files of a checkpoint's record begin with"""
SEALED = "has_checksums"
"""in the record of a checkpoint that is not of an earlier version"""

_UNFINISHED = ".orbax-checkpoint-tmp"  # orbax's own mark of a folder that is not a checkpoint


class CheckpointStore:
    """Writes and reads checkpoint folders through orbax.

    Every method that reads raises :class:`RunError` where the folder is no checkpoint of this run. They compare no
    checksums: ``require_whole`` does, and comes first.
    """

    def __init__(self) -> None:
        # weights hardly compress, and trying to takes most of the time that a large state needs
        alone = _of_this_process()
        arrays = ocp.PyTreeCheckpointHandler(use_compression=False, multiprocessing_options=alone)
        notes = ocp.JsonCheckpointHandler(multiprocessing_options=alone)
        both = ocp.CompositeCheckpointHandler(
            state=arrays, notes=notes, composite_options=ocp.CompositeOptions(multiprocessing_options=alone)
        )
        self._checkpointer = ocp.Checkpointer(both, multiprocessing_options=alone)

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
            self._checkpointer.save(
                aside, args=ocp.args.Composite(state=ocp.args.PyTreeSave(state), notes=ocp.args.JsonSave(record))
            )
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
            args = ocp.args.Composite(notes=ocp.args.JsonRestore())
            record = dict(self._checkpointer.restore(path, args=args)["notes"])
            return record | {"validation_loss": float(record["validation_loss"]), "notes": dict(record["notes"])}

    def read_state(self, path: Path, template: PyTree) -> PyTree:
        """State of a checkpoint; the template is one of the same structure and shapes."""
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), template)
        with _readable(path):
            args = ocp.args.PyTreeRestore(item=template, restore_args=as_numpy)
            state = self._checkpointer.restore(path, args=ocp.args.Composite(state=args))["state"]
            # fresh arrays, placed as newly made ones are, so that a continued run compiles nothing twice
            return jax.tree.map(_device_copy, template, state)

    def read_params(self, path: Path) -> PyTree:
        """Parameters of a checkpoint alone, as nested dicts of NumPy arrays."""
        with _readable(path):
            args = ocp.args.Composite(state=ocp.args.PyTreeRestore())
            return self._checkpointer.restore(path, args=args)["state"]["params"]

    def close(self) -> None:
        """Free what orbax holds."""
        self._checkpointer.close()


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
    """Remove what a killed process left unfinished; returns how much there was."""
    unfinished = list(folder.glob(f"*{_UNFINISHED}*"))
    for entry in unfinished:
        shutil.rmtree(entry, ignore_errors=True)
    return len(unfinished)


class _FolderSpec(dict[str, str]):
    """Where a local folder is, as tensorstore takes it; stands in for its own class of this."""

    def to_json(self) -> dict[str, str]:
        return dict(self)


def _spare_memory() -> None:
    """Have orbax not ask tensorstore where a local folder is, which it does for every array that it writes.

    tensorstore (0.1.86) loses some hundred bytes at each answer: 40 KB a checkpoint of a small model, 400 MB in 10,000
    epochs. The answer is what it was asked. An orbax that does this elsewhere is left as it is.
    """
    try:
        from orbax.checkpoint._src.serialization import tensorstore_utils
    except ImportError:
        return
    asking = getattr(tensorstore_utils, "ts", None)
    if not isinstance(asking, ModuleType):
        return

    def spec(plain: Any) -> Any:
        is_folder = isinstance(plain, dict) and plain.keys() == {"driver", "path"} and plain["driver"] == "file"
        return _FolderSpec(plain) if is_folder else asking.KvStore.Spec(plain)

    store = SimpleNamespace(Spec=spec, open=asking.KvStore.open)
    tensorstore_utils.ts = SimpleNamespace(**{**vars(asking), "KvStore": store})


_spare_memory()


def _of_this_process() -> ocp.options.MultiprocessingOptions:
    """Several processes may train together, but only one has a folder: it must not wait for the others."""
    if not jax.distributed.is_initialized():
        return ocp.options.MultiprocessingOptions()
    return ocp.options.MultiprocessingOptions(primary_host=jax.process_index(), active_processes={jax.process_index()})


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
