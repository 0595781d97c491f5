"""Checkpoints of a run: the last epoch, to go on from, and the best few by validation loss.

One epoch is one folder, ``checkpoints/last/<epoch>`` or ``checkpoints/best/<epoch>``. The folder in ``last`` is the
commit of its epoch and is written after everything else; an epoch without one never happened.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nextbar.errors import RunError, first_line
from nextbar.runs.checkpoint_store import CheckpointStore, PyTree, discard, epochs_in, link, sweep


class Checkpoints:
    """The checkpoints of one run, written by a background thread, one epoch at a time.

    Args:
        folder: ``<run>/checkpoints``; made at the first save.
        keep_best: how many of the best epochs are kept: those with the lowest finite validation loss, the earlier
            of two equals.
        enabled: False keeps nothing: ``save`` does nothing and there is nothing to restore.

    Every method may raise :class:`RunError`, which names the folder, where the disk cannot be written or a folder is no
    checkpoint of this run. The error of a failed background write is raised by the next call, ``close`` at the latest.
    """

    def __init__(self, folder: Path | str, keep_best: int = 5, enabled: bool = True) -> None:
        self.folder = Path(folder).absolute()  # orbax takes no relative paths
        self.enabled = enabled
        self._last, self._best = self.folder / "last", self.folder / "best"
        self._keep_best = keep_best
        self._losses: dict[int, float] | None = None  # of the folders in best, once they were read
        self._store = CheckpointStore()
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nextbar-checkpoint")
        self._pending: Future[None] | None = None

    def save(self, epoch: int, state: PyTree, notes: dict[str, Any], validation_loss: float) -> None:
        """Save a finished epoch: among the best if it is one of them, then as the last, which commits it.

        Args:
            epoch: number of the epoch; a later epoch has a greater number.
            state: tree of plain arrays with ``params`` at its top. It is copied to the host before this
                returns, so its buffers may be donated.
            notes: values that JSON can hold, returned by ``restore_last``.
            validation_loss: the best are chosen by it; where it is not finite, the epoch is never among them.
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
        epochs = epochs_in(self._last)
        if not epochs:
            return None
        path = self._last / str(epochs[-1])
        return epochs[-1], self._store.read_state(path, template), self._store.read_record(path)["notes"]

    def best(self) -> list[tuple[int, float]]:
        """Return (epoch, validation loss) of the best epochs, the best first."""
        self.wait()
        return sorted(self._read_losses().items(), key=_by_loss)[: self._keep_best]

    def epochs(self) -> list[int]:
        """Return the epochs that can be restored, ascending."""
        self.wait()
        return sorted({*epochs_in(self._best), *epochs_in(self._last)})

    def restore(self, epoch: int | None, template: PyTree) -> PyTree:
        """Return the state of an epoch kept; None: of the best one."""
        return self._store.read_state(self._path(epoch), template)

    def restore_raw(self, epoch: int | None = None) -> PyTree:
        """Return only the parameters of an epoch as nested dicts of NumPy arrays.

        None: of the best; of the last where no epoch was validated.
        """
        return self._store.read_params(self._path(epoch))

    def forget_after(self, epoch: int) -> None:
        """Drop the best checkpoints of epochs later than this one, which a kill left without a commit."""
        self.wait()
        with _writable(self.folder):
            for later in [kept for kept in epochs_in(self._best) if kept > epoch]:
                discard(self._best / str(later))
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

    def _write_epoch(self, epoch: int, state: PyTree, record: dict[str, Any]) -> None:
        """Write an epoch to ``best``, if it is one of them, and to ``last``; then drop those that it replaces."""
        with _writable(self.folder):
            if self._losses is None:  # the first save of this process
                sweep(self._last)
                sweep(self._best)
            losses, loss = self._read_losses(), record["validation_loss"]
            best = math.isfinite(loss) and epoch in dict(
                sorted({**losses, epoch: loss}.items(), key=_by_loss)[: self._keep_best]
            )
            if best:
                self._store.write(self._best / str(epoch), state, record)
                losses[epoch] = loss
                link(self._best / str(epoch), self._last / str(epoch))
            else:
                self._store.write(self._last / str(epoch), state, record)
            for earlier in [kept for kept in epochs_in(self._last) if kept != epoch]:
                discard(self._last / str(earlier))
            for worse, _ in sorted(losses.items(), key=_by_loss)[self._keep_best :]:
                discard(self._best / str(worse))
                del losses[worse]

    def _path(self, epoch: int | None) -> Path:
        """Folder of an epoch's checkpoint; None: of the best, else of the last one.

        Raises:
            RunError: the epoch, or every epoch, has none.
        """
        if not self.enabled:
            raise RunError(f"{self.folder.parent} kept no weights (save_weights: false): nothing to load.")
        if epoch is None:
            ranked = [kept for kept, _ in self.best()] or epochs_in(self._last)[-1:]
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
        """Validation losses of the epochs in ``best``, read once."""
        if self._losses is None:
            records = {epoch: self._store.read_record(self._best / str(epoch)) for epoch in epochs_in(self._best)}
            self._losses = {epoch: record["validation_loss"] for epoch, record in records.items()}
        return self._losses


def _by_loss(item: tuple[int, float]) -> tuple[float, int]:
    """Sorts (epoch, loss): the lowest loss first, of two equals the earlier epoch."""
    return item[1], item[0]


def _host_copy(leaf: Any) -> np.ndarray:
    """The array on the host."""
    return np.array(leaf, copy=True)  # a copy even on the CPU, where a view would share the donated buffer


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Write below a folder; errors are raised as RunError."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        raise RunError(
            f"No checkpoint could be written under {folder}: {first_line(error)}\n"
            "Look at the free space and the permissions there; the run goes on from its last checkpoint."
        ) from error
