"""Cache of traced functions, beside that of compiled ones: a later process need not trace them again.

Tracing a forecast, with the imports that it needs, takes as long as all else that a command does before it forecasts.
A kept program is that of this very code, so that it is never stale; it compiles to the bits of the function itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
from jax import export

from nextbar.config.choices import NORM_MODES, OUTPUT_MODES
from nextbar.files import LARGEST, read_bytes, write_whole
from nextbar.machine.own_code import code_hash

FOLDER = "traced"
"""in the folder of compiled programs"""
KEPT = 4
"""programs that a process keeps, of as many architectures"""
UNUSED = 30 * 86400
"""seconds after which a program that nobody has called is removed"""
_LIBRARIES = ("nextbar", "jax", "jaxlib", "flax", "numpy")


def kept_program(identity: Any, arguments: Any, trace: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
    """A function of one device, as it was kept; else as it is, and then kept.

    It is kept where compiled programs are, on a CPU, where loading takes long beside computing, and while all that it
    may consist of is defined here: nobody knows when a normalisation from elsewhere is another. Nor is it while the
    sources are other than those that this process runs (:mod:`nextbar.machine.own_code`).

    Args:
        identity: what the function follows from beside code, in values that JSON can hold.
        arguments: a tree of arrays for each argument; called with arrays of other shapes the function is as it is.
        trace: gives the jitted function, where it is not kept; its result is a dict of arrays.
    """
    folder, code = _folder(), _code()
    if folder is None or code is None or jax.default_backend() != "cpu" or not _all_own():
        return trace()
    leaves, tree = jax.tree.flatten(arguments)
    shapes = _shapes(leaves)
    settings = {name: repr(getattr(jax.config, name, value)) for name, value in jax.config.values.items()}
    key = json.dumps([identity, str(tree), str(shapes), settings, code, jax.devices()[0].device_kind])
    path = folder / hashlib.sha256(key.encode()).hexdigest()
    program = _read(path)
    if program is None:
        function = trace()
        exported = export.export(jax.jit(lambda *leaves: function(*jax.tree.unflatten(tree, leaves))))(*leaves)
        program = bytes(exported.serialize())
        if _code() == code:  # what it calls is imported when it is traced
            _write(path, program)
    kept = _loaded(program)

    def call(*arguments: Any) -> Any:
        leaves = jax.tree.leaves(arguments)
        return kept(*leaves) if _shapes(leaves) == shapes else trace()(*arguments)

    return call


def _shapes(leaves: list[Any]) -> list[Any]:
    return [(leaf.shape, leaf.dtype) for leaf in leaves]


def _all_own() -> bool:
    homes = [*NORM_MODES.values(), *(output.head for output in OUTPUT_MODES.values())]
    return all(isinstance(home, str) and home.startswith("nextbar.") for home in homes)


def _folder() -> Path | None:
    """Where programs are kept; None where compiled ones are not, or not on this machine."""
    cached = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    enabled = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    return Path(cached) / FOLDER if enabled and cached and "://" not in cached else None


def _code() -> str | None:
    """Hash of the code here; None where that may not be what runs."""
    return code_hash(sorted(Path(__file__).parents[1].rglob("*.py")), _LIBRARIES)


@lru_cache(maxsize=KEPT)
def _loaded(program: bytes) -> Callable[..., Any]:
    """The jitted function, of leaves; equal programs share it, and what it has compiled."""
    exported = export.deserialize(bytearray(program))

    def forecast(*leaves: Any) -> Any:
        return exported.call(*leaves)

    return jax.jit(forecast)


def _read(path: Path) -> bytes | None:
    """What was written; None where it is not there, or not as it was written."""
    try:
        content = read_bytes(path, LARGEST)
    except OSError:
        return None
    with suppress(OSError):
        os.utime(path)  # its date says when it was last used
    digest, program = content[:32], content[32:]
    return program if hashlib.sha256(program).digest() == digest else None


def _write(path: Path, program: bytes) -> None:
    with suppress(OSError):  # it is traced each time, then
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, hashlib.sha256(program).digest() + program)
        for other in path.parent.iterdir():
            with suppress(OSError):
                if other.stat().st_mtime < time.time() - UNUSED:
                    other.unlink()
