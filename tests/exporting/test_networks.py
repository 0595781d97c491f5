"""Networks for other programs: they take what the script makes of bars, and give what nextbar forecasts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from experiments import GRID
from made_runs import make_run

from nextbar.exporting import export_run, forecast

RUNS: dict[str, dict[str, Any]] = {
    "law": {
        "output_mode": "distribution", "tail": "student_t", "horizon": 2, "use_time2vec": True,
        "use_extra_tokens": True, "n": 400,
    },
    "bins": {"output_mode": "discrete_grid", "discrete_grid_levels": GRID, "start": "constant"},
}  # fmt: skip


def windows(folder: Path, repeats: int) -> dict[str, np.ndarray]:
    """What the model sees of the golden bars, so many times."""
    export = forecast.Export(folder)
    bars = forecast.load(folder / "golden.npz")["bars/made_up_1h"]
    _, _, (seen,) = export.values(bars)
    asked = json.loads((folder / "networks.json").read_text())["arguments"]
    return {name: np.stack([np.asarray(seen[name], a["dtype"])] * repeats) for name, a in asked.items()}


def assert_same(read: dict[str, np.ndarray], folder: Path) -> None:
    export = forecast.Export(folder)
    found = export.forecast(forecast.load(folder / "golden.npz")["bars/made_up_1h"])
    if "log_probs_NHK" in read:
        wanted = np.stack([found[name] for name in export.m["bins"]], axis=-1)
        np.testing.assert_allclose(np.exp(read["log_probs_NHK"][-1]), wanted, rtol=1e-5)
    else:
        np.testing.assert_allclose(read["scale_NH"][-1], found["scale"], rtol=1e-5)
        np.testing.assert_allclose(read["df_NH"][-1], found["df"], rtol=1e-5)


@pytest.mark.parametrize("name", ["law", pytest.param("bins", marks=pytest.mark.slow)])
def test_stablehlo_is_the_model(name: str, tmp_path: Path) -> None:
    pytest.importorskip("flatbuffers")
    run = make_run(tmp_path / "run", **RUNS[name])
    folder = export_run(run.run_dir, tmp_path / "first", format="jaxexport")
    network = jax.export.deserialize(bytearray((folder / "model_0.jaxexport").read_bytes()))
    for repeats in (1, 3):
        assert_same({k: np.asarray(v) for k, v in network.call(windows(folder, repeats)).items()}, folder)
    content = (folder / "model_0.jaxexport").read_bytes()
    assert b"transformer.py" not in content
    if name == "law":
        again = export_run(run.run_dir, tmp_path / "second", format="jaxexport")
        assert (again / "model_0.jaxexport").read_bytes() == content


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_onnx_is_the_model(name: str, tmp_path: Path) -> None:
    pytest.importorskip("jax2onnx")
    runtime = pytest.importorskip("onnxruntime")
    run = make_run(tmp_path / "run", **RUNS[name])
    folder = export_run(run.run_dir, tmp_path / "export", format="onnx")
    session = runtime.InferenceSession((folder / "model_0.onnx").read_bytes())
    given = windows(folder, 3)
    outputs = [output.name for output in session.get_outputs()]
    read = session.run(None, {one.name: given[one.name] for one in session.get_inputs()})
    assert_same(dict(zip(outputs, read, strict=True)), folder)
