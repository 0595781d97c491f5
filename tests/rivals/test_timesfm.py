"""A TimesFM 3 of random weights, made on the spot, held against the library asked directly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rivals_of import CUT, instants, keys_between, obeys, options, panel
from tiny_models import DECILES, save_timesfm

from nextbar.errors import ConfigError
from nextbar.rivals.timesfm import TimesFMRival

timesfm3 = pytest.importorskip("timesfm3", reason="timesfm is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_timesfm(tmp_path_factory.mktemp("weights"))


def test_the_laws_of_a_rival(folder: Path) -> None:
    obeys(lambda: TimesFMRival(folder, context=40), options())


def test_it_is_the_library_on_log_prices(folder: Path) -> None:
    whole = panel(2)
    cutoff, end = instants(whole)
    rival = TimesFMRival(folder, context=40).for_task(options())
    assert rival.shares == tuple(DECILES)
    rival.fit(whole.frame(0, cutoff))
    table = rival.predict(whole.frame(0, end), keys_between(whole, cutoff, end))
    bars = whole.bars[0]
    row = int(np.flatnonzero(bars.close_time_N >= cutoff)[0])
    log_N = np.log(bars.columns["close"])
    unit = np.diff(log_N[:CUT]).std()
    model = timesfm3.TimesFM3Forecaster.from_pretrained(str(folder), device="cpu")
    context = (log_N[row - 39 : row + 1] - log_N[row]) / unit
    answer = model.predict(context, 2, return_quantiles=True, use_znorm=True)
    expected = np.exp(log_N[row] + unit * answer.quantiles)
    own = table[table["ticker"] == "aaa"].iloc[:2]
    np.testing.assert_allclose(own[[f"close-q-{10 * k}" for k in range(1, 10)]].to_numpy(), expected, rtol=1e-5)


def test_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"input_patch_len": 8}))
    with pytest.raises(ConfigError, match="has no output_patch_len, quantiles, so it is no TimesFM 3"):
        TimesFMRival(tmp_path)
