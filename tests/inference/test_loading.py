"""Opening a run: anywhere, at any epoch kept, and what is no whole run is refused in words."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config, make_frame
from experiments import assert_bit_equal, compilations
from made_runs import MadeRun, make_run, random_parameters
from markets import MARKETS, opening_times

from nextbar.bars.bars import Bars
from nextbar.checksums import write_json, write_text
from nextbar.errors import RunError
from nextbar.inference.forecaster import Forecaster
from nextbar.runs.records import write_config

LAW = {"output_mode": "distribution"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    """Three epochs; the second is the best."""
    return make_run(tmp_path_factory.mktemp("logs"), losses=(0.3, 0.1, 0.2), **LAW)


@pytest.fixture
def copy(run: MadeRun, tmp_path: Path) -> Path:
    return shutil.copytree(run.run_dir, tmp_path / "copy")


def change(path: Path, **values: Any) -> None:
    write_json(path, json.loads(path.read_text()) | values)


def test_a_moved_run_predicts_bit_equal(run: MadeRun, tmp_path: Path) -> None:
    moved = shutil.copytree(run.run_dir, tmp_path / "far" / "away")
    predict = Forecaster.load(str(moved)).predict
    pd.testing.assert_frame_equal(
        predict(run.frame, last_only=False), run.load().predict(run.frame, last_only=False), check_exact=True
    )


def test_another_process_predicts_bit_equal(run: MadeRun, tmp_path: Path) -> None:
    moved, bars, out = tmp_path / "run", tmp_path / "bars.parquet", tmp_path / "forecasts.parquet"
    shutil.copytree(run.run_dir, moved)
    run.frame.to_parquet(bars)
    script = (
        "import sys, pandas as pd; from nextbar import Forecaster; run, bars, out = sys.argv[1:]; "
        "Forecaster.load(run).predict(pd.read_parquet(bars), last_only=False).to_parquet(out)"
    )
    subprocess.run([sys.executable, "-c", script, str(moved), str(bars), str(out)], check=True, cwd=tmp_path)
    wanted = run.load().predict(run.frame, last_only=False)
    pd.testing.assert_frame_equal(pd.read_parquet(out), wanted, check_exact=True)


def test_any_epoch_kept_can_be_chosen(run: MadeRun) -> None:
    best = run.load()
    assert (best.epoch, best.epochs, best.run_dir) == (2, (1, 2, 3), run.run_dir)
    for epoch in (1, 2, 3):
        chosen = run.load(epoch)
        assert chosen.epoch == epoch
        assert_bit_equal(jax.device_get(chosen.params), random_parameters(run.config, run.dataset, epoch))
        said = chosen.predict(run.frame)
        assert said.equals(best.predict(run.frame)) == (epoch == 2)
    for epoch in (0, 4):
        with pytest.raises(RunError, match=rf"no checkpoint of epoch {epoch}; epochs kept: 1, 2, 3"):
            run.load(epoch)


def test_an_experiment_is_its_best_run(tmp_path: Path) -> None:
    runs = [make_run(tmp_path, seed=seed, losses=(0.1,)) for seed in range(3)]
    for made, gain in zip(runs, (0.01, 0.03, 0.02), strict=True):
        report = {"by_ticker": {"made_up": {"skill": {"mae": gain}}}, "skill": {"mae": gain}}
        metrics = {"validation": report, "test": report}
        change(made.run_dir / "summary.json", metrics=metrics)
    assert Forecaster.load(tmp_path / "test").run_dir == runs[1].run_dir
    change(runs[0].run_dir / "summary.json", scored_bars="others")
    with pytest.raises(RunError, match="cannot be ranked together"):
        Forecaster.load(tmp_path / "test")


def test_a_run_without_weights_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"save_weights: false, so there is nothing to load; train it with true"):
        make_run(tmp_path, save_weights=False).load()


def test_an_unfinished_run(copy: Path) -> None:
    """With a checkpoint it can be used, without one not."""
    change(copy / "summary.json", status="interrupted", best_epoch=None)
    assert Forecaster.load(copy).epoch == 2
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(RunError, match=r"no checkpoint \(status interrupted\); finish one epoch first"):
        Forecaster.load(copy)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no configuration": (lambda run: (run / "config.yaml").unlink(), r"no config\.yaml; was the run folder copied"),
    "no statistics": (lambda run: (run / "normalisation.json").unlink(), r"normalisation\.json cannot be read"),
    "half the statistics": (lambda run: half(run / "normalisation.json"), r"normalisation\.json is damaged"),
    "half the summary": (lambda run: half(run / "summary.json"), r"summary\.json cannot be read"),
    "no checkpoints": (lambda run: shutil.rmtree(run / "checkpoints"), r"no checkpoint"),
    "the best epoch lost": (
        lambda run: [shutil.rmtree(path) for path in (run / "checkpoints").glob("*/2")],
        r"no checkpoint of its best epoch 2, only of 1, 3; was the run folder copied whole",
    ),
    "half of every checkpoint": (
        lambda run: [p.unlink() for p in (run / "checkpoints").rglob("*") if p.is_file()],
        r"no checkpoint in .* is whole:(.|\n)*/2 is damaged(.|\n)*/3 is damaged",
    ),
    "their arrays lost": (
        lambda run: [shutil.rmtree(p) for p in (run / "checkpoints").rglob("state/d")],
        r"no checkpoint in .* is whole(.|\n)*/2 is damaged: state/d/.* is missing",
    ),
    "a later version": (
        lambda run: change(run / "summary.json", format=99, versions={"nextbar": "7.0"}),
        r"format 99, written by nextbar 7\.0; this nextbar reads up to 3: update it",
    ),
    "another model": (
        lambda run: write_config(run, make_config(**LAW, num_layers=2)),
        r"not those of a model of this configuration; was config\.yaml or a checkpoint changed",
    ),
    "fewer layers": (
        lambda run: write_config(run, make_config(**LAW, head_layers=0)),
        r"not those of a model of this configuration",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_no_whole_run_is_refused(damage: str, copy: Path) -> None:
    harm, message = DAMAGE[damage]
    harm(copy)
    with pytest.raises(RunError, match=message):
        Forecaster.load(copy)


def test_of_a_damaged_best_epoch_the_next_best_forecasts(copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in (copy / "checkpoints").glob("*/2/state/d/*"):
        half(path)
    assert Forecaster.load(copy).epoch == 3
    assert "/2 is damaged: state/d/" in caplog.text and "the next best is used instead, epoch 3" in caplog.text
    with pytest.raises(RunError, match=r"/2 is damaged"):
        Forecaster.load(copy, epoch=2)


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run folder and holds none"):
        Forecaster.load(tmp_path)
    with pytest.raises(RunError, match="no run "):
        Forecaster.load(tmp_path / "nowhere")


def test_conformal_intervals_are_of_the_best_epoch(run: MadeRun, copy: Path) -> None:
    """They reach as far as the validation residuals' order statistic says, ceil((n + 1) level) of n."""
    forecaster = run.load()
    rows = run.dataset.origins["validation"]
    forecast = forecaster.forecast(run.dataset.bars, run.dataset.preparation.series, rows)
    assert forecast.location_NH is not None and forecast.scale_NH is not None
    last = run.dataset.panel.close_R[rows]
    residual = np.sort(
        np.abs(run.dataset.panel.close_R[rows + 1] - last - forecast.location_NH[:, 0]) / forecast.scale_NH[:, 0]
    )
    factor = residual[int(np.ceil((len(rows) + 1) * 0.8)) - 1]
    said = forecaster.predict(run.frame, levels=[0.8], conformal=True, law=True)
    np.testing.assert_allclose(said["close-hi-80"], said["close"] + factor * said["scale"], rtol=1e-9)
    np.testing.assert_allclose(said["close-lo-80"], said["close"] - factor * said["scale"], rtol=1e-9)
    law = forecaster.predict(run.frame, levels=[0.8], law=True)
    assert not np.allclose(law["close-hi-80"], said["close-hi-80"])

    with pytest.raises(RunError, match=r"are those of epoch 2, not of 1"):
        run.load(1).predict(run.frame, conformal=True)
    (copy / "conformal.json").unlink()
    with pytest.raises(RunError, match=r"has no conformal\.json"):
        Forecaster.load(copy).predict(run.frame, conformal=True)


def test_a_run_from_before_there_were_time_zones_keeps_its_hours(tmp_path: Path) -> None:
    """Those of UTC, also for a market that it was not trained on and whose dates tell its zone."""
    made = make_run(tmp_path, timezone="UTC")
    time_N = opening_times(MARKETS["New York"], 3_600, dt.date(2020, 1, 6), 364)
    new = Bars("new", "1h", time_N, make_bars("new", n=len(time_N)).columns)
    frame = pd.concat([made.frame, make_frame(new)])
    expected = made.load().predict(frame, last_only=False)
    earlier = shutil.copytree(made.run_dir, tmp_path / "earlier")
    config = (earlier / "config.yaml").read_text()
    write_text(earlier / "config.yaml", config.replace("  timezone: UTC\n", ""))
    preparation = json.loads((earlier / "normalisation.json").read_text())
    assert [series["calendar"].pop("timezone") for series in preparation["series"]] == ["UTC"]
    write_json(earlier / "normalisation.json", preparation)
    assert "timezone" not in (earlier / "config.yaml").read_text() + (earlier / "normalisation.json").read_text()
    pd.testing.assert_frame_equal(Forecaster.load(earlier).predict(frame, last_only=False), expected, check_exact=True)
    write_text(earlier / "config.yaml", config.replace("timezone: UTC", "timezone: auto"))
    auto = Forecaster.load(earlier).predict(frame, last_only=False)
    assert (auto["date"] != expected["date"]).any() and (auto["close"] != expected["close"]).any()


def test_a_model_needs_no_folder(run: MadeRun) -> None:
    """Configuration, preparation and parameters are enough; there is nothing to adjust intervals by."""
    params = random_parameters(run.config, run.dataset, 2)
    forecaster = Forecaster(run.config, run.dataset.preparation, params)
    pd.testing.assert_frame_equal(forecaster.predict(run.frame), run.load().predict(run.frame))
    with pytest.raises(RunError, match="the model has no conformal"):
        forecaster.predict(run.frame, conformal=True)


def test_a_load_compiles_what_an_earlier_one_has_compiled_no_more(run: MadeRun) -> None:
    run.load().predict(run.frame)
    with compilations() as names:
        run.load(1).predict(make_frame(*run.bars).tail(40), last_only=False)
    assert names == []
