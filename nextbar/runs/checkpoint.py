"""Checkpoints of a run: the last two epochs, to go on from, and the best few by validation loss.

One epoch is one folder, ``checkpoints/last/<epoch>`` or ``checkpoints/best/<epoch>``. The folder in ``last`` is the
commit of its epoch and is written after everything else; an epoch without one never happened.

Where an epoch is in both, its files are shared by links: a fault of the disk hits both. What stands in for a damaged
epoch is therefore another epoch, whose files are others: the one before to go on from, which trains the lost one anew
to the same bits, and the next best to forecast with.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nextbar.errors import Damaged, RunError
from nextbar.folders import unwritten
from nextbar.logger import get_logger
from nextbar.runs.checkpoint_store import NOTES, CheckpointStore, PyTree, discard, epochs_in, link, sweep
from nextbar.storage.address import by_address

BEST = "best_epoch"
"""the note that names the epoch whose parameters are needed to go on"""
SWEEPS = 10
"""times that what a failed write leaves is removed, at most"""
KEPT_LAST = 2
"""epochs in ``last``: where the files of one are damaged, those of the other are not"""


class Checkpoints:
    """The checkpoints of one run, written by a background thread, one epoch at a time.

    Args:
        folder: ``<run>/checkpoints``; made at the first save.
        keep_best: how many of the best epochs are kept: those with the lowest finite validation loss, the earlier
            of two equals.
        enabled: False keeps nothing: ``save`` does nothing and there is nothing to restore.
        committed: called by the thread once an epoch is on the disk; no other is written before it returns.

    Every method may raise :class:`RunError`, which names the folder, where the disk cannot be written or a folder is no
    checkpoint of this run. The error of a failed background write is raised by the next call, ``close`` at the latest.
    """

    def __init__(
        self,
        folder: Path | str,
        keep_best: int = 5,
        enabled: bool = True,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = Path(folder).absolute()  # orbax takes no relative paths
        self.enabled = enabled
        self._last, self._best = self.folder / "last", self.folder / "best"
        self._keep_best, self._committed = keep_best, committed
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

        Of a damaged one the epoch before is taken, and so on, which is logged; also where that is damaged which the
        notes name as ``best_epoch``, since whoever goes on needs it.

        Args:
            template: a state of the same structure and shapes (arrays or ``jax.ShapeDtypeStruct``).

        Raises:
            Damaged: none is whole.
        """
        self.wait()
        last = self._first_whole(self._commits(), self._whole_with_best, "going on from epoch %d instead")
        if last is None:
            return None
        epoch, path = last
        return epoch, self._store.read_state(path, template), self._store.read_record(path)["notes"]

    def best(self) -> list[tuple[int, float]]:
        """Return (epoch, validation loss) of the best epochs, the best first."""
        self.wait()
        return sorted(self._read_losses().items(), key=_by_loss)[: self._keep_best]

    def epochs(self) -> list[int]:
        """Return the epochs that can be restored, ascending."""
        self.wait()
        return sorted({*epochs_in(self._best), *epochs_in(self._last)})

    def last_epoch(self) -> int:
        """The last epoch that was committed; 0 where none was."""
        self.wait()
        return max(epochs_in(self._last), default=0)

    def go_back(self, epoch: int) -> None:
        """Drop the checkpoints of epochs later than an earlier one, unless that is damaged or not kept; 0: drop all."""
        try:
            if epoch:
                self._whole(epoch)
        except Damaged:
            return
        self.forget_after(epoch)

    def restore(self, epoch: int | None, template: PyTree) -> PyTree:
        """Return the state of an epoch kept; None: of the best one that is whole."""
        return self._store.read_state(self._whole(epoch) if epoch else self._best_whole()[1], template)

    def restore_raw(self, epoch: int | None = None) -> PyTree:
        """Return only the parameters of an epoch as nested dicts of NumPy arrays.

        None: of the best that is whole; of the last where no epoch was validated.
        """
        return self.restore_best()[1] if epoch is None else self._store.read_params(self._whole(epoch))

    def restore_best(self, epoch: int | None = None) -> tuple[int, PyTree]:
        """Return epoch and parameters of the best; of a damaged one the next best, which is logged.

        Args:
            epoch: which is the best; None: that with the lowest validation loss.

        Raises:
            Damaged: none is whole.
            RunError: there is none.
        """
        epoch, path = self._best_whole(epoch)
        return epoch, self._store.read_params(path)

    def forget_after(self, epoch: int) -> None:
        """Drop the checkpoints of epochs later than this one, which is the last: damaged ones, and best ones that a
        kill left without a commit."""
        self.wait()
        with _writable(self.folder):
            own = self._last / str(epoch)
            if not own.is_dir() and (self._best / str(epoch)).is_dir():  # gone on from one of the best
                link(self._best / str(epoch), own)
            for folder in (self._last, self._best):
                for later in [kept for kept in epochs_in(folder) if kept > epoch]:
                    discard(folder / str(later))
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
            self.folder.mkdir(exist_ok=True)  # inside the run's folder: one that was deleted is not made anew
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
            for earlier in epochs_in(self._last)[:-KEPT_LAST]:
                discard(self._last / str(earlier))
            for worse, _ in sorted(losses.items(), key=_by_loss)[self._keep_best :]:
                discard(self._best / str(worse))
                del losses[worse]
        self._committed()

    def _commits(self) -> list[int]:
        """Epochs to go on from, the latest first; those among the best were committed, unless a kill came between."""
        last = epochs_in(self._last)
        return sorted({*last, *(epoch for epoch in epochs_in(self._best) if epoch <= max(last, default=0))})[::-1]

    def _whole(self, epoch: int) -> Path:
        """Folder of an epoch's checkpoint, as it was written.

        Raises:
            Damaged: it is not.
            RunError: the epoch, or every epoch, has none.
        """
        self._require_enabled()
        self.wait()
        paths = [path for path in (self._best / str(epoch), self._last / str(epoch)) if path.is_dir()]
        for path in paths:
            try:
                self._store.require_whole(path)
                return path
            except Damaged:
                if path == paths[-1]:  # where files are not shared, the other one may be whole
                    raise
        kept = ", ".join(map(str, self.epochs())) or "none"
        raise Damaged(f"{self.folder} holds no checkpoint of epoch {epoch}; epochs kept: {kept}.")

    def _best_whole(self, first: int | None = None) -> tuple[int, Path]:
        """Epoch and folder of the best checkpoint that is whole, ``first`` before all others."""
        self._require_enabled()
        ranked = [kept for kept, _ in self.best()]
        epochs = [first] if first else []
        epochs += [epoch for epoch in [*ranked, *epochs_in(self._last)[::-1]] if epoch not in epochs]
        best = self._first_whole(epochs, self._whole, "the next best is used instead, epoch %d")
        if best is None:
            raise RunError(f"{self.folder} holds no checkpoint: no epoch ended with a finite loss.")
        return best

    def _first_whole(
        self, epochs: Iterable[int], whole: Callable[[int], Path], instead: str
    ) -> tuple[int, Path] | None:
        """The first epoch that is whole, and its folder; None of no epochs. Logs which others are not.

        Raises:
            Damaged: there are epochs, and none is whole.
        """
        damages = []
        for epoch in epochs:
            try:
                path = whole(epoch)
            except Damaged as damage:
                damages.append(str(damage))
                continue
            if damages:
                get_logger().warning(f"%s\n{instead}", by_address("\n".join(damages)), epoch)
            return epoch, path
        if damages:
            raise Damaged(
                f"no checkpoint in {self.folder} is whole:\n  " + "\n  ".join(damages) + "\n"
                "Restore the folder from a copy, or train anew (overwrite=True, --overwrite)"
            )
        return None

    def _whole_with_best(self, epoch: int) -> Path:
        """As ``_whole``, of an epoch whose best one, which whoever goes on needs, is whole too."""
        path = self._whole(epoch)
        best = self._store.read_record(path)["notes"].get(BEST, epoch)
        if best != epoch:
            self._whole(best)
        return path

    def _require_enabled(self) -> None:
        if not self.enabled:
            raise RunError(f"{self.folder.parent} kept no weights (save_weights: false): nothing to load.")

    def _read_losses(self) -> dict[int, float]:
        """Validation losses of the epochs in ``best``, read once; not of those whose notes are damaged."""
        if self._losses is None:
            self._losses = {}
            for epoch in epochs_in(self._best):
                try:
                    self._store.require_whole(self._best / str(epoch), f"{NOTES}/")
                except Damaged as damage:
                    get_logger().warning("%s", by_address(str(damage)))
                else:
                    self._losses[epoch] = self._store.read_record(self._best / str(epoch))["validation_loss"]
        return self._losses


def _by_loss(item: tuple[int, float]) -> tuple[float, int]:
    """Sorts (epoch, loss): the lowest loss first, of two equals the earlier epoch."""
    return item[1], item[0]


def _host_copy(leaf: Any) -> np.ndarray:
    """The array on the host."""
    return np.array(leaf, copy=True)  # a copy even on the CPU, where a view would share the donated buffer


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Write below the folder of checkpoints; errors are raised as RunError, and what is unfinished is removed."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:  # orbax raises whatever its layers raise
        for _ in range(SWEEPS):  # makes room, on a full disk, for the run's status
            if sweep(folder) == 0:
                break
            time.sleep(0.1)  # another thread of orbax may still write there
        raise unwritten(folder.parent, error) from error
