"""Effects of compiling: the persistent cache on disk, and memory that is to be given back."""

from __future__ import annotations

import ctypes
import gc
import os
import sys

import jax

from nextbar.folders import cache_folder

_M_ARENA_MAX, _M_MMAP_THRESHOLD = -8, -3  # malloc.h

LARGE_BLOCK = 1 << 22
"""bytes from which a block lies outside of the heap"""


def enable_cache() -> None:
    """Keep compiled programs in the user's cache folder, so that the next start of the same shape is fast.

    A folder set through JAX itself (``JAX_COMPILATION_CACHE_DIR`` or ``jax.config``) stays; setting that variable to
    nothing turns the cache off.
    """
    chosen = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if chosen or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "nextbar" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def bound_arenas() -> None:
    """Let all threads share one heap, where they are not using others already.

    glibc gives each thread a heap of its own, eight for each core. A compilation runs in several threads, leaves
    something behind in each of their heaps, and what one heap has free serves no other: after twenty trainings of
    different shapes that is several hundred MB. Large blocks lie outside of all heaps and are given back when they are
    freed, so threads seldom wait for it. How large is fixed here: glibc itself puts ever larger blocks into the heap,
    up to 32 MB, where what a compilation leaves between them keeps them from the system.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
            mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)


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
