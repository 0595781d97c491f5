"""Checkpoints on disk: the last epoch, to go on from, and the best few by validation loss.

One epoch is one folder, ``checkpoints/last/<epoch>`` or ``checkpoints/best/<epoch>``, that appears under its
final name in one rename. A process may therefore be killed at any moment: what stands under a number is
whole. The folder in ``last`` is the commit of its epoch and is written after everything else; an epoch
without one never happened.

This is the only file that imports orbax. Its ``CheckpointManager`` is not used: it deletes a folder file by
file under its final name, so a kill in that moment leaves half a checkpoint among the best, and it refuses
the epoch that a resumed run does again.
"""

from __future__ import annotations

import math
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from nextbar.errors import RunError

PyTree = Any

_ONE_AT_A_TIME = threading.Lock()
"""orbax tells the operations of a process apart by one counter: two at once take each other's folders"""

_UNFINISHED = ".orbax-checkpoint-tmp"  # orbax's own mark of a folder that is not a checkpoint


class Checkpoints:
    """The checkpoints of one run, written by a background thread, one epoch at a time.

    Args:
        folder: ``<run>/checkpoints``; made at the first save.
        keep_best: how many epochs are kept apart: those with the lowest finite validation loss, the earlier
            of two equals.
        enabled: False keeps nothing: ``save`` does nothing and there is nothing to restore.

    Every method may raise :class:`RunError`, with the folder concerned, when the disk cannot be written or
    what lies there is no checkpoint of this run. A failed background write is raised by the next call,
    ``close`` at the latest.
    """

    def __init__(self, folder: Path | str, keep_best: int = 5, enabled: bool = True) -> None:
        self.folder = Path(folder).absolute()  # orbax takes no relative paths
        self.enabled = enabled
        self._last, self._best = self.folder / "last", self.folder / "best"
        self._keep_best = keep_best
        self._losses: dict[int, float] | None = None  # of the folders in best, once known
        # weights hardly compress, and trying to takes most of the time that a large state needs
        alone = _of_this_process()
        arrays = ocp.PyTreeCheckpointHandler(use_compression=False, multiprocessing_options=alone)
        notes = ocp.JsonCheckpointHandler(multiprocessing_options=alone)
        both = ocp.CompositeCheckpointHandler(
            state=arrays, notes=notes, composite_options=ocp.CompositeOptions(multiprocessing_options=alone)
        )
        self._store = ocp.Checkpointer(both, multiprocessing_options=alone)
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nextbar-checkpoint")
        self._pending: Future[None] | None = None

    def save(self, epoch: int, state: PyTree, notes: dict[str, Any], validation_loss: float) -> None:
        """Save a finished epoch: among the best if it is one of them, then as the last, which commits it.

        Args:
            epoch: number of the epoch, counted as the caller likes; a later epoch has a greater number.
            state: tree of plain arrays with ``params`` at its top. It is copied to the host before this
                returns, so its buffers may be donated.
            notes: whatever JSON can hold, returned by ``restore_last``.
            validation_loss: what the best are chosen by; not finite: never among them.
        """
        if not self.enabled:
            return
        host_state = jax.tree.map(_host_copy, state)
        self.wait()
        record = {"validation_loss": float(validation_loss), "notes": notes}
        self._pending = self._writer.submit(self._write_epoch, epoch, host_state, record)

    def restore_last(self, template: PyTree) -> tuple[int, PyTree, dict[str, Any]] | None:
        """Return (epoch, state, notes) of the last committed epoch, or None where there is none.

        The template is a state of the same structure and shapes (arrays or ``jax.ShapeDtypeStruct``).
        """
        self.wait()
        epochs = _epochs(self._last)
        if not epochs:
            return None
        path = self._last / str(epochs[-1])
        return epochs[-1], self._read_state(path, template), self._read_record(path)["notes"]

    def best(self) -> list[tuple[int, float]]:
        """Return (epoch, validation loss) of the epochs kept apart, the best first."""
        self.wait()
        return sorted(self._read_losses().items(), key=_by_loss)[: self._keep_best]

    def epochs(self) -> list[int]:
        """Return the epochs that can be restored, ascending."""
        self.wait()
        return sorted({*_epochs(self._best), *_epochs(self._last)})

    def restore(self, epoch: int | None, template: PyTree) -> PyTree:
        """Return the state of an epoch kept; None: of the best one."""
        return self._read_state(self._path(epoch), template)

    def restore_raw(self, epoch: int | None = None) -> PyTree:
        """Return only the parameters of an epoch as nested dicts of NumPy arrays.

        None: of the best; of the last where no epoch was validated.
        """
        path = self._path(epoch)
        with _readable(path):
            args = ocp.args.Composite(state=ocp.args.PyTreeRestore())
            return self._store.restore(path, args=args)["state"]["params"]

    def forget_after(self, epoch: int) -> None:
        """Drop the best checkpoints of epochs later than this one, whose commit a kill prevented."""
        self.wait()
        with _writable(self.folder):
            for later in [found for found in _epochs(self._best) if found > epoch]:
                _discard(self._best / str(later))
        self._losses = None

    def wait(self) -> None:
        """Return when everything saved so far is on disk."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Finish writing and free the thread; the object saves nothing afterwards."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()
            self._store.close()

    # -- below here: one folder at a time

    def _write_epoch(self, epoch: int, state: PyTree, record: dict[str, Any]) -> None:
        with _writable(self.folder):
            if self._losses is None:  # the first save of this process
                _sweep(self._last)
                _sweep(self._best)
            losses, loss = self._read_losses(), record["validation_loss"]
            best = math.isfinite(loss) and epoch in dict(
                sorted({**losses, epoch: loss}.items(), key=_by_loss)[: self._keep_best]
            )
            if best:
                self._write(self._best / str(epoch), state, record)
                losses[epoch] = loss
                _link(self._best / str(epoch), self._last / str(epoch))
            else:
                self._write(self._last / str(epoch), state, record)
            for earlier in [found for found in _epochs(self._last) if found != epoch]:
                _discard(self._last / str(earlier))
            for worse, _ in sorted(losses.items(), key=_by_loss)[self._keep_best :]:
                _discard(self._best / str(worse))
                del losses[worse]

    def _write(self, path: Path, state: PyTree, record: dict[str, Any]) -> None:
        if path.exists():  # an epoch done again after a kill between the two folders
            _discard(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _ONE_AT_A_TIME:
            self._store.save(
                path, args=ocp.args.Composite(state=ocp.args.PyTreeSave(state), notes=ocp.args.JsonSave(record))
            )

    def _path(self, epoch: int | None) -> Path:
        if not self.enabled:
            raise RunError(f"{self.folder.parent} kept no weights (save_weights: false): nothing to load.")
        if epoch is None:
            ranked = [found for found, _ in self.best()] or _epochs(self._last)[-1:]
            if not ranked:
                raise RunError(f"{self.folder} holds no checkpoint: no epoch ended with a finite loss.")
            epoch = ranked[0]
        self.wait()
        for path in (self._best / str(epoch), self._last / str(epoch)):
            if path.is_dir():
                return path
        kept = ", ".join(map(str, self.epochs())) or "none"
        raise RunError(f"{self.folder} holds no checkpoint of epoch {epoch}; epochs kept: {kept}.")

    def _read_losses(self) -> dict[int, float]:
        if self._losses is None:
            records = {epoch: self._read_record(self._best / str(epoch)) for epoch in _epochs(self._best)}
            self._losses = {epoch: record["validation_loss"] for epoch, record in records.items()}
        return self._losses

    def _read_record(self, path: Path) -> dict[str, Any]:
        with _readable(path):
            record = self._store.restore(path, args=ocp.args.Composite(notes=ocp.args.JsonRestore()))["notes"]
            return {"validation_loss": float(record["validation_loss"]), "notes": record["notes"]}

    def _read_state(self, path: Path, template: PyTree) -> PyTree:
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), template)
        with _readable(path):
            args = ocp.args.PyTreeRestore(item=template, restore_args=as_numpy)
            found = self._store.restore(path, args=ocp.args.Composite(state=args))["state"]
            # fresh arrays, placed as newly made ones are, so that a continued run compiles nothing twice
            return jax.tree.map(_like, template, found)


def _of_this_process() -> ocp.options.MultiprocessingOptions:
    """Several processes may train together, but only one has a folder: it must not wait for the others."""
    if not jax.distributed.is_initialized():
        return ocp.options.MultiprocessingOptions()
    return ocp.options.MultiprocessingOptions(primary_host=jax.process_index(), active_processes={jax.process_index()})


def _by_loss(item: tuple[int, float]) -> tuple[float, int]:
    return item[1], item[0]


def _host_copy(leaf: Any) -> np.ndarray:
    return np.array(leaf, copy=True)  # a copy even on the CPU, where a view would share the donated buffer


def _like(wanted: Any, found: Any) -> jax.Array:
    if np.shape(found) != np.shape(wanted):
        raise ValueError(f"an array of shape {np.shape(found)} where the model has {np.shape(wanted)}")
    return jnp.array(found, dtype=jnp.result_type(wanted))


def _epochs(folder: Path) -> list[int]:
    """Return the epochs that have a whole checkpoint in the folder, ascending."""
    if not folder.is_dir():
        if folder.exists():
            raise RunError(f"{folder} is a file where a folder of checkpoints belongs; move it away.")
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal())


def _discard(path: Path) -> None:
    """Delete a checkpoint so that no moment shows half of it: first away from its number, then its files."""
    aside = path.with_name(f"{path.name}-old{_UNFINISHED}")
    shutil.rmtree(aside, ignore_errors=True)
    path.rename(aside)
    shutil.rmtree(aside)


def _link(path: Path, other: Path) -> None:
    """Have a checkpoint under another number too, in one rename; its files are shared, and never written again."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:  # not every file system has links
            shutil.copy2(source, target)

    if other.exists():
        _discard(other)
    aside = other.with_name(f"{other.name}-new{_UNFINISHED}")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(path, aside, copy_function=link)
    aside.rename(other)


def _sweep(folder: Path) -> None:
    """Remove what a killed process left unfinished."""
    for entry in folder.glob(f"*{_UNFINISHED}*"):
        shutil.rmtree(entry, ignore_errors=True)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        with _ONE_AT_A_TIME:
            yield
    except Exception as error:  # orbax raises whatever its layers raise
        raise RunError(
            f"{path} is not a checkpoint that this run can go on from: {_first_line(error)}\n"
            "It is incomplete, or was written by another model or version. Restore the folder, or train anew "
            "(overwrite=True, --overwrite)."
        ) from error


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        raise RunError(
            f"No checkpoint could be written under {folder}: {_first_line(error)}\n"
            "Look at the free space and the permissions there; the run goes on from its last checkpoint."
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
