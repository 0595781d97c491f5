"""Networks of neuralforecast, trained for a few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rivals_of import instants, obeys, options, panel

from nextbar.errors import ConfigError, DataError
from nextbar.rivals.base import SHARES
from nextbar.rivals.neuralforecast import NeuralForecastRival

models = pytest.importorskip("neuralforecast.models", reason="neuralforecast is not installed")

SMALL: dict[str, Any] = {"input_size": 8, "max_steps": 2, "accelerator": "cpu"}


def called(**parameters: Any) -> NeuralForecastRival:
    return NeuralForecastRival.called("MLP", SMALL | {"num_layers": 1, "hidden_size": 8} | parameters)


def test_the_laws_of_a_rival(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert called().for_task(options()).shares == SHARES
    table = obeys(called, options())
    assert (table["close-q-5"] < table["close-q-95"]).all()
    assert not list(tmp_path.iterdir())  # nothing is written beside the experiment


def test_a_loss_of_points_gives_closes_alone() -> None:
    from neuralforecast.losses.pytorch import MAE

    assert NeuralForecastRival(models.MLP(h=2, loss=MAE(), **SMALL)).for_task(options()).closes_only


def test_models_that_cannot_answer_are_refused() -> None:
    from neuralforecast.losses.pytorch import DistributionLoss

    with pytest.raises(ConfigError, match="h is 3, and the experiment's horizon is 2"):
        NeuralForecastRival(models.MLP(h=3, **SMALL)).for_task(options())
    with pytest.raises(ConfigError, match="the loss DistributionLoss are drawn anew"):
        NeuralForecastRival(models.MLP(h=2, loss=DistributionLoss("Normal"), **SMALL)).for_task(options())
    with pytest.raises(ConfigError, match="hist_exog_list: rivals of neuralforecast are given closes alone"):
        NeuralForecastRival(models.MLP(h=2, hist_exog_list=["volume"], **SMALL)).for_task(options())
    with pytest.raises(ConfigError, match="found type, should be a model such as"):
        NeuralForecastRival(models.MLP)
    with pytest.raises(ConfigError, match="has no model 'NHITZ'; did you mean NHITS"):
        NeuralForecastRival.called("NHITZ", {})


def test_it_needs_as_many_bars_as_it_looks_back() -> None:
    whole = panel(2)
    cutoff, _ = instants(whole)
    rival = called().for_task(options())
    rival.fit(whole.frame(0, cutoff))
    with pytest.raises(DataError, match="needs 8 bars up to an origin, and the first has 3"):
        rival.predict(whole.frame(0, cutoff), whole.keys(np.array([2])))
