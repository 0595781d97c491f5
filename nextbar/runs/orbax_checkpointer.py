"""Orbax, as checkpoints use it: a state and notes into a folder, and a state out of one.

This is the only file that imports orbax. Its ``CheckpointManager`` is not used: it deletes a folder file by file under
its final name, so a kill in that moment leaves half a checkpoint among the best, and it refuses the epoch that a
resumed run does again.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp


class OrbaxCheckpointer:
    """Writes and reads folders of checkpoints; raises whatever orbax's layers raise.

    Args:
        state: name of the folder inside that has the arrays.
        notes: of that with the record.
    """

    def __init__(self, state: str, notes: str) -> None:
        self._state, self._notes = state, notes
        # weights hardly compress, and trying to takes most of the time that a large state needs
        alone = _of_this_process()
        # and how the arrays lie is not left to orbax's defaults: forecasts read them without it
        arrays = ocp.PyTreeCheckpointHandler(
            use_ocdbt=True, use_zarr3=False, use_compression=False, multiprocessing_options=alone
        )
        parts = {state: arrays, notes: ocp.JsonCheckpointHandler(multiprocessing_options=alone)}
        options = ocp.CompositeOptions(multiprocessing_options=alone)
        both = ocp.CompositeCheckpointHandler(composite_options=options, **parts)
        self._checkpointer = ocp.Checkpointer(both, multiprocessing_options=alone)

    def save(self, path: Path, state: Any, record: dict[str, Any]) -> None:
        """Write a tree of NumPy arrays and what JSON can hold to a new folder."""
        args = ocp.args.Composite(**{self._state: ocp.args.PyTreeSave(state), self._notes: ocp.args.JsonSave(record)})
        self._checkpointer.save(path, args=args)

    def restore(self, path: Path, template: Any) -> Any:
        """The tree in a folder, of the structure of the template, in NumPy arrays."""
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), template)
        args = ocp.args.PyTreeRestore(item=template, restore_args=as_numpy)
        return self._checkpointer.restore(path, args=ocp.args.Composite(**{self._state: args}))[self._state]

    def close(self) -> None:
        """Free what orbax holds."""
        self._checkpointer.close()


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
