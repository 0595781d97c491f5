"""What is done to orbax from outside; what it writes and reads is in ``test_checkpoint``."""

from __future__ import annotations

import gc
import tracemalloc
import warnings
from pathlib import Path

import tensorstore
from orbax.checkpoint._src.serialization import tensorstore_utils

from nextbar.runs.orbax_checkpointer import OrbaxCheckpointer


def test_asking_where_an_array_lies_leaves_nothing_in_memory(tmp_path: Path) -> None:
    """tensorstore's own answer does, and says the same."""
    OrbaxCheckpointer("state", "notes").close()
    plain = {"driver": "file", "path": f"{tmp_path}/"}
    assert tensorstore_utils.ts.KvStore.Spec(plain).to_json() == tensorstore.KvStore.Spec(plain).to_json()
    lost = []
    for ask in (
        lambda: tensorstore_utils.build_kvstore_tspec(str(tmp_path), name="x", use_ocdbt=True),
        lambda: tensorstore.KvStore.Spec(plain).to_json(),
    ):
        ask()
        tracemalloc.start()
        for _ in range(200):
            ask()
        gc.collect()
        lost.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert lost[0] < 200 * 20, lost
    if lost[1] < 200 * 20:
        warnings.warn("tensorstore loses nothing any more: _spare_memory can go", stacklevel=1)
