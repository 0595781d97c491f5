"""What is kept of a traced function is that function, to the bit, and never another one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from experiments import make_dataset
from made_runs import random_parameters

from nextbar.config.choices import NORM_MODES
from nextbar.data import windows
from nextbar.data.scaling import NormMode
from nextbar.inference import forward, kept_program
from nextbar.inference.forward import Forward
from nextbar.inference.kept_program import FOLDER
from nextbar.machine import own_code
from nextbar.model import transformer

NUMBERS = np.arange(3, dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty one, where programs are kept meanwhile."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path / FOLDER
    jax.config.update("jax_compilation_cache_dir", before)


class Traces:
    """How often a function was asked for, which adds a number to all elements."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, added: float = 1.0) -> Callable[..., Any]:
        self.count += 1
        return jax.jit(lambda tree: {"sum": tree["a"] + added})


def called(traces: Traces, identity: Any = "it", numbers: np.ndarray = NUMBERS) -> np.ndarray:
    function = kept_program.kept_program(identity, ({"a": numbers},), traces)
    return np.asarray(function({"a": numbers})["sum"])


def test_what_was_kept_is_not_traced_again(folder: Path) -> None:
    traces = Traces()
    for _ in range(2):
        np.testing.assert_array_equal(called(traces), NUMBERS + 1)
    assert traces.count == 1 and len(list(folder.iterdir())) == 1


def test_another_identity_shape_type_or_setting_is_another_program(folder: Path) -> None:
    traces = Traces()
    called(traces)
    called(traces, identity="other")
    called(traces, numbers=NUMBERS[:2])
    called(traces, numbers=NUMBERS.astype(np.float16))
    with jax.default_matmul_precision("float32"):
        called(traces)
    assert traces.count == 5 == len(list(folder.iterdir()))


def test_called_with_other_shapes_it_is_the_function_itself(folder: Path) -> None:
    traces = Traces()
    function = kept_program.kept_program("it", ({"a": NUMBERS},), traces)
    np.testing.assert_array_equal(function({"a": NUMBERS[:2]})["sum"], NUMBERS[:2] + 1)
    assert traces.count == 2 and len(list(folder.iterdir())) == 1


def test_other_code_is_another_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = Traces()
    called(traces)
    monkeypatch.setattr(kept_program, "_code", lambda: "changed")
    called(traces)
    assert traces.count == 2


def test_the_code_is_every_source_here(monkeypatch: pytest.MonkeyPatch) -> None:
    before, content = kept_program._code(), Path.read_bytes
    monkeypatch.setattr(own_code, "_hash", own_code._hash.__wrapped__)
    assert kept_program._code() == before is not None
    for module in (windows, transformer):
        changed = Path(module.__file__ or "")
        monkeypatch.setattr(Path, "read_bytes", lambda path, changed=changed: content(path) + b"#" * (path == changed))
        assert kept_program._code() not in (before, None)


def test_nothing_is_kept_or_used_while_other_code_may_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = Traces()
    monkeypatch.setattr(own_code, "IMPORTED_AT", 0.0)  # every source is newer
    called(traces)
    assert not folder.exists()
    monkeypatch.undo()
    called(traces)
    monkeypatch.setattr(own_code, "IMPORTED_AT", 0.0)
    called(traces)
    assert traces.count == 3


def test_a_source_that_changes_while_it_is_traced_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trace() -> Callable[..., Any]:
        monkeypatch.setattr(own_code, "IMPORTED_AT", 0.0)
        return Traces()()

    kept_program.kept_program("it", ({"a": NUMBERS},), trace)
    assert not folder.exists()


def test_nothing_is_kept_where_compiled_programs_are_not(folder: Path) -> None:
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        called(Traces())
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    assert not folder.exists()


def test_what_nobody_calls_is_removed(folder: Path) -> None:
    traces = Traces()
    called(traces)
    (used,) = folder.iterdir()
    called(traces, identity="unused")
    for path in folder.iterdir():
        os.utime(path, (0, 0))
    called(traces)  # which dates it anew
    called(traces, identity="later")
    assert used in folder.iterdir() and len(list(folder.iterdir())) == 2 and traces.count == 3


def test_a_damaged_file_is_written_anew(folder: Path) -> None:
    traces = Traces()
    called(traces)
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for number, damaged in enumerate((whole[:-1], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], b"")):
        file.write_bytes(damaged)
        for _ in range(2):
            np.testing.assert_array_equal(called(traces), NUMBERS + 1)
        assert traces.count == 2 + number


def test_nothing_is_kept_while_something_from_elsewhere_may_be_in_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = NormMode(lambda w: NORM_MODES.load("none").fit(w), lambda window_B, training_B: window_B)
    monkeypatch.setitem(NORM_MODES, "mine", own)
    called(Traces())
    monkeypatch.setitem(NORM_MODES, "mine", "my_package.modes:MINE")
    called(Traces())
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_costs_time_alone(folder: Path) -> None:
    folder.write_text("a file in the way")
    np.testing.assert_array_equal(called(Traces()), NUMBERS + 1)


def test_a_kept_forecast_is_the_same_to_the_bit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, dataset = make_dataset(
        n=250, seq_len=11, d_model=24, num_layers=2, n_heads=3, dim_feedforward=40, horizon=3, features="returns",
        output_mode="distribution", tail="student_t", target="log_return", use_time2vec=True, use_extra_tokens=True,
    )  # fmt: skip
    spec, params = dataset.preparation.spec, random_parameters(config, dataset)
    tape, rows = dataset.tape(), dataset.origins["test"]
    kept = Forward(config, spec, params)(tape, rows, rows)
    with monkeypatch.context() as patch:
        patch.setattr(forward, "_traced", lambda *_: pytest.fail("it was kept"))
        again = Forward(config, spec, params)(tape, rows, rows)
    monkeypatch.setattr(forward, "kept_program", lambda identity, arguments, trace: trace())
    own = Forward(config, spec, params)(tape, rows, rows)
    for a, b, c in zip(own, kept, again, strict=True):
        if a is not None:
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a, c)
