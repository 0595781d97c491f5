"""Chronos-2 and Chronos-Bolt of random weights, made on the spot, held against the library asked directly."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rivals_of import CUT, instants, keys_between, obeys, options, panel
from tiny_models import DECILES, save_bolt, save_chronos

from nextbar.errors import ConfigError
from nextbar.rivals.chronos import ChronosRival

pytest.importorskip("chronos", reason="chronos-forecasting is not installed")


@pytest.fixture(scope="module", params=[save_chronos, save_bolt])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    save: Callable[[Path], Path] = request.param
    return save(tmp_path_factory.mktemp("weights"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a connection is opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_laws_of_a_rival(folder: Path) -> None:
    obeys(lambda: ChronosRival(folder, context=40), options())


def test_it_is_the_library_on_log_prices(folder: Path) -> None:
    import torch
    from chronos import BaseChronosPipeline

    whole = panel(2)
    cutoff, end = instants(whole)
    rival = ChronosRival(folder, context=40).for_task(options())
    assert rival.shares == tuple(DECILES) and rival.name == f"chronos:{folder.name}"
    rival.fit(whole.frame(0, cutoff))
    keys = keys_between(whole, cutoff, end)
    table = rival.predict(whole.frame(0, end), keys)
    bars = whole.bars[0]
    row = int(np.flatnonzero(bars.close_time_N >= cutoff)[0])
    log_N = np.log(bars.columns["close"])
    unit = np.diff(log_N[:CUT]).std()
    pipeline = BaseChronosPipeline.from_pretrained(str(folder))
    context = torch.tensor((log_N[row - 39 : row + 1] - log_N[row]) / unit).float()
    quantiles, _ = pipeline.predict_quantiles([context], 2, quantile_levels=DECILES)
    expected = np.exp(log_N[row] + unit * np.sort(np.asarray(quantiles[0]).reshape(2, 9)))
    own = table[table["ticker"] == "aaa"].iloc[:2]
    found = own[[f"close-q-{10 * k}" for k in range(1, 10)]].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(own["close"], expected[:, 4], rtol=1e-5)


def test_a_chronos_that_draws_samples_is_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    del config["chronos_pipeline_class"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="holds a ChronosPipeline; the models that forecast quantiles are"):
        ChronosRival(tmp_path)
    del config["chronos_config"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="holds no Chronos"):
        ChronosRival(tmp_path)
