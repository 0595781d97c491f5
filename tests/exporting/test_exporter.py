"""Exports of runs: the folder, what is refused, the command."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import MadeRun, make_run
from typer.testing import CliRunner

from nextbar.checksums import listed_faults
from nextbar.cli.app import app
from nextbar.config.choices import NORM_MODES, OUTPUT_MODES, Output
from nextbar.data.covariates import Covariate
from nextbar.data.indicators import FORMULAS, Formula
from nextbar.data.scaling import WINDOW_MEAN
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import ConfigError, RunError
from nextbar.exporting import export_run
from nextbar.exporting.exportable import require_exportable
from nextbar.model.heads import MeanHead


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    return make_run(tmp_path_factory.mktemp("run"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_run_gives_the_same_bytes(run: MadeRun, tmp_path: Path) -> None:
    first = contents(export_run(run.run_dir, tmp_path / "first"))
    assert contents(export_run([run.run_dir], tmp_path / "second")) == first
    assert set(first) == {"forecast.py", "manifest.json", "weights.npz", "golden.npz", "checksums.json"}
    assert listed_faults(tmp_path / "first") == []
    assert not any(str(folder).encode() in content for content in first.values() for folder in (tmp_path, run.run_dir))
    other = contents(export_run(run.run_dir, tmp_path / "third", epoch=1))
    assert other["weights.npz"] != first["weights.npz"] and json.loads(other["manifest.json"])["epochs"] == [1]


def test_an_export_is_replaced_and_nothing_else_is(run: MadeRun, tmp_path: Path) -> None:
    target = tmp_path / "export"
    target.mkdir()  # empty
    first = contents(export_run(run.run_dir, target))
    (target / "__pycache__").mkdir()
    (target / "__pycache__" / "forecast.cpython-311.pyc").touch()
    (target / "weights.npz").write_bytes(b"damaged")
    assert contents(export_run(run.run_dir, target)) == first
    (target / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"notes\.txt beside an export"):
        export_run(run.run_dir, target)
    for other in (run.run_dir, tmp_path):
        with pytest.raises(RunError, match="is no export of nextbar"):
            export_run(run.run_dir, other)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match="is no folder"):
        export_run(run.run_dir, tmp_path / "file")
    with pytest.raises(RunError, match="cannot be written"):
        export_run(run.run_dir, tmp_path / "file" / "export")
    assert (tmp_path / "file").read_text() == (target / "notes.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"export", "file"}


def test_what_fails_leaves_the_export_that_was_there(
    run: MadeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = contents(export_run(run.run_dir, tmp_path / "export"))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nextbar.exporting.folder.list_files", full)
    with pytest.raises(RunError, match="No space left"):
        export_run(run.run_dir, tmp_path / "export")
    assert contents(tmp_path / "export") == first and [path.name for path in tmp_path.iterdir()] == ["export"]


def test_arguments_that_cannot_mean_anything(run: MadeRun, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="format: found 'pickle', should be one of numpy, jaxexport, onnx"):
        export_run(run.run_dir, tmp_path / "export", format="pickle")
    with pytest.raises(ConfigError, match="no argument 'form'; did you mean format"):
        export_run(run.run_dir, tmp_path / "export", form="numpy")  # type: ignore[call-arg]
    with pytest.raises(RunError):
        export_run(tmp_path / "no run", tmp_path / "export")
    assert not any(tmp_path.iterdir())


def test_a_package_that_is_not_there_is_named(run: MadeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbar.exporting.networks.find_spec", lambda _: None)
    with pytest.raises(RunError, match=r"needs the package flatbuffers: pip install 'nextbar\[jaxexport\]'"):
        export_run(run.run_dir, tmp_path / "export", format="jaxexport")
    assert not any(tmp_path.iterdir())


class OwnHead(MeanHead):
    """A head of somebody's own."""


def test_code_of_ones_own_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OUTPUT_MODES, "mine", Output(OwnHead, kind="mean"))
    monkeypatch.setitem(NORM_MODES, "my_mean", WINDOW_MEAN)
    monkeypatch.setitem(FORMULAS, "doubled", Formula(lambda close_N: 2 * close_N))
    own = make_run(tmp_path / "run", output_mode="mine", norm_mode="my_mean", indicators=["doubled", "ema_3"])
    with pytest.raises(RunError) as error:
        export_run(own.run_dir, tmp_path / "export")
    for said in (
        "output_mode 'mine' has a head of your own (OwnHead)",
        "norm_mode 'my_mean'",
        "indicators doubled are",
    ):
        assert said in str(error.value)


def test_windows_that_the_script_does_not_know_are_refused(run: MadeRun) -> None:
    """Such as those of a later nextbar: a field that is not at its default."""

    @dataclass(frozen=True)
    class LaterSpec(WindowSpec):
        moons: tuple[str, ...] = ()

    fields = vars(run.dataset.preparation.spec)
    for moons, refused in (((), False), (("full",), True)):
        later = replace(run.dataset.preparation, spec=LaterSpec(**fields, moons=moons))
        with pytest.raises(RunError, match="its windows have moons") if refused else nullcontext():
            require_exportable(run.config, later)
    with pytest.raises(RunError, match="layout of before"):
        require_exportable(run.config, replace(later, spec=replace(run.dataset.preparation.spec, layout=1)))


def test_columns_that_the_script_cannot_fill_in_are_named(run: MadeRun) -> None:
    spec = run.dataset.preparation.spec
    kinds = {"plain": (False, False), "events": (True, False), "rate": (False, True)}
    own = tuple(Covariate(name, True, ahead, aged) for name, (ahead, aged) in kinds.items())
    with pytest.raises(RunError, match=r"columns events are known ahead, .*; its columns rate are empty in places, "):
        require_exportable(run.config, replace(run.dataset.preparation, spec=replace(spec, covariates=own)))
    require_exportable(run.config, replace(run.dataset.preparation, spec=replace(spec, covariates=own[:1])))


def test_the_command_prints_the_folder(run: MadeRun, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", str(run.run_dir), "--to", str(tmp_path / "export")])
    assert done.exit_code == 0 and done.stdout.strip() == str(tmp_path / "export")
    with np.load(tmp_path / "export" / "weights.npz", allow_pickle=False) as content:
        assert len(content) > 20
    done = CliRunner().invoke(app, ["export", str(run.run_dir), "--to", str(tmp_path)])
    assert done.exit_code == 1 and "is no export of nextbar" in done.stderr
