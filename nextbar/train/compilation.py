"""What compiling leaves behind: the persistent cache on disk, and the memory it took."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

import jax


def enable_cache() -> None:
    """Keep compiled programs in the user's cache folder, so that the next start of the same shape is fast.

    A folder set through JAX itself (``JAX_COMPILATION_CACHE_DIR`` or ``jax.config``) stays; setting that variable to
    nothing turns the cache off.
    """
    chosen = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if chosen or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", str(_cache_folder() / "nextbar" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def return_memory() -> None:
    """Give the compiler's freed memory back to the system.

    glibc keeps what was freed between blocks in use; after each compilation that is hundreds of MB, and a process that
    trains many shapes would seem to grow without end.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


def _cache_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
