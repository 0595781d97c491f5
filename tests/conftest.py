"""Shared fixtures; JAX runs strict so that silent broadcasting never passes a test."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import hypothesis
import pytest
from sessions import LONGEST, MARKERS

# The first example compiles, hence no deadline. CI draws the same examples each time, so that only a change can fail
# it; everybody else draws new ones.
hypothesis.settings.register_profile("nextbar", deadline=None, derandomize="CI" in os.environ)
# `make mutants` wants to know that a test fails, not the smallest example of it.
hypothesis.settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("nextbar")

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    # one folder for this process, those that it shares its tests with, and all that the tests start; not the user's
    _compiled = tempfile.TemporaryDirectory(prefix="nextbar-xla-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _compiled.name
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")

gc.disable()  # of all that is imported and collected nothing is garbage; ``strict_jax`` enables it again

PLAIN = ("--xla_cpu_use_fusion_emitters=false", "--xla_cpu_parallel_codegen_split_count=1")
"""each operation a kernel of its own, and a program in one piece, not in as many as would occupy 32 threads"""

OPTIMIZED = pytest.StashKey[bool]()
"""whether this session compiles as users do"""


def pytest_configure(config: pytest.Config) -> None:
    """Compile in a sixth of the time, without most optimizations, unless asked for ``optimized`` or ``compiled`` tests.

    Without fusions the same step rounds otherwise in calls of another length, for another batch or beside another mode:
    such laws of bits have the marker ``optimized``, and so has what trains for long.
    """
    config.stash[OPTIMIZED] = any(marker in config.option.markexpr for marker in ("optimized", "compiled"))
    if not config.stash[OPTIMIZED]:
        os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        if version("jaxlib").startswith("0.10."):  # later ones do not know the flag, and end at it
            os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *PLAIN])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where tests of one marker are asked for, import no file in which it is not written."""
    marker = config.option.markexpr
    if marker in MARKERS and collection_path.suffix == ".py" and marker not in collection_path.read_text():
        return True
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest; skip what holds with the optimizations alone where they are left out."""
    place = {path: number for number, path in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))
    if not config.stash[OPTIMIZED]:
        for item in items:
            if item.get_closest_marker("optimized"):
                item.add_marker(pytest.mark.skip(reason="compiled as users do by `pytest -m optimized`, `make slow`"))


@pytest.fixture(scope="session", autouse=True)
def unsynchronised() -> Iterator[None]:
    """No waiting for the disk: what a process has written outlives the process, and nobody pulls the plug."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def strict_jax() -> Iterator[None]:
    """No silent broadcasting over ranks."""
    import jax

    jax.config.update("jax_numpy_rank_promotion", "raise")
    gc.collect()
    gc.freeze()  # each training collects garbage: not among all that was imported
    gc.enable()
    yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real bars beside the project; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real bars are not here: no folder {SHARED_DATA.name!r} beside the project")
    return SHARED_DATA
