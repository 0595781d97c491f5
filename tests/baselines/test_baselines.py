"""Baselines on real bars, through the forecast table, against figures computed for these files outside of this code.

Fitted on the first 85 % of the bars, filtered forward over the last 15 % by count, one step ahead; NLL and CRPS of the
percent log return.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nextbar import baselines
from nextbar.baselines import Predictor, name_of
from nextbar.baselines.direction import AlwaysUp, Reversal
from nextbar.baselines.point import Drift
from nextbar.forecasts import Keys, read
from nextbar.metrics.reference import fit_reference
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.types import Outcomes

LAWS = ("constant_normal", "ewma_normal", "garch_normal", "constant_t", "ewma_t", "garch_t")

# nll in the order of LAWS; CRPS of constant_normal, ewma_normal, garch_normal and garch_t; coverage of the interval of
# 90 % of garch_normal
DENSITIES = {
    "spx_1d": ((1.362, 1.099, 1.060, 1.185, 1.000, 0.996), (0.4712, 0.4035, 0.4046, 0.4015), 94.4),
    "nasdaq_comp_1d": ((1.619, 1.341, 1.311, 1.451, 1.281, 1.271), (0.6037, 0.5159, 0.5153, 0.5131), 92.5),
    "btc_usd_1d": ((2.524, 2.400, 2.379, 2.308, 2.217, 2.226), (1.5081, 1.3651, 1.4017, 1.3387), 92.8),
    "btc_usdt_4h": ((1.469, 1.304, 1.294, 1.251, 1.190, 1.186), (0.5277, 0.4801, 0.4852, 0.4730), 92.8),
    "eth_usdt_4h": ((1.893, 1.862, 1.845, 1.750, 1.733, 1.734), (0.8280, 0.8122, 0.8130, 0.8005), 91.0),
    "sol_usdt_4h": ((2.138, 1.968, 1.959, 1.987, 1.919, 1.914), (1.0409, 0.9543, 0.9587, 0.9487), 92.6),
    "btc_usdt_1h": ((0.778, 0.563, 0.545, 0.528, 0.443, 0.432), (0.2607, 0.2315, 0.2344, 0.2283), 94.0),
    "eth_usdt_1h": ((1.192, 1.133, 1.104, 1.020, 0.985, 0.983), (0.4031, 0.3893, 0.3903, 0.3845), 91.7),
    "btc_usdt_30m": ((0.438, 0.179, 0.155, 0.179, 0.068, 0.056), (0.1844, 0.1605, 0.1616, 0.1588), 93.8),
    "eur_usd_1h": ((-0.902, -0.936, -0.974, -1.063, -1.075, -1.099), (0.0502, 0.0475, 0.0484, 0.0467), 94.4),
}

# MAPE of drift; direction of always up, reversal, drift
POINTS = {
    "spx_1d": (0.5408, 53.8, 53.4, 53.8),
    "nasdaq_comp_1d": (0.6965, 56.1, 53.0, 56.1),
    "btc_usd_1d": (1.7501, 46.3, 51.5, 46.3),
    "btc_usdt_4h": (0.6295, 50.3, 53.8, 50.3),
    "eth_usdt_4h": (1.0639, 50.6, 49.6, 50.6),
    "sol_usdt_4h": (1.2996, 50.6, 48.1, 50.6),
    "btc_usdt_1h": (0.3069, 50.5, 51.5, 50.5),
    "eth_usdt_1h": (0.5149, 51.3, 51.8, 51.3),
    "btc_usdt_30m": (0.2163, 50.6, 52.0, 50.6),
    "eur_usd_1h": (0.0625, 50.2, 51.6, 49.8),
}


def real_frame(folder: Path, name: str) -> pd.DataFrame:
    frame = pd.read_csv(next((folder / name.rsplit("_", 1)[1]).glob(f"{name}.csv*")))
    return frame.assign(ticker=name, date=pd.to_datetime(frame["date"], utc=True))


def scored(frame: pd.DataFrame, predictor: Predictor, task: Task) -> dict[str, float]:
    """Metrics of the last 15 %, as a backtest takes them: from the rows of the table that it needs."""
    close_N = frame["close"].to_numpy(np.float64)
    time_N = frame["date"].astype("datetime64[s, UTC]").astype("int64").to_numpy()
    n_train = len(frame) - math.ceil(0.15 * len(frame))
    origin_N = np.arange(n_train - 1, len(frame) - 1)

    def outcomes(row_N: np.ndarray) -> Outcomes:
        return Outcomes(np.zeros(len(row_N), int), ("a",), time_N[row_N], close_N[row_N], close_N[row_N + 1][:, None])

    reference = fit_reference(outcomes(np.arange(n_train - 1)), [close_N[:n_train]], task)
    predictor.fit(frame[:n_train])
    keys = Keys(
        frame["ticker"].to_numpy()[origin_N], None, time_N[origin_N], time_N[origin_N + 1][:, None], close_N[origin_N]
    )
    forecast = read(predictor.predict(frame), keys, task)
    return Scorer(outcomes(origin_N), reference, task).score(forecast).mean.pooled


@pytest.mark.parametrize("name", DENSITIES)
def test_densities(shared_data: Path, name: str) -> None:
    frame, task = real_frame(shared_data, name), Task(output_mode="distribution", target="log_return")
    laws = {name_of(law): law for law in baselines.for_task(task)}
    found = {law: scored(frame, laws[law], task) for law in LAWS}
    nll, crps, covered = DENSITIES[name]
    for law, expected in zip(LAWS, nll, strict=True):
        assert found[law]["nll"] == pytest.approx(expected, abs=0.002), law
    for law, expected in zip(("constant_normal", "ewma_normal", "garch_normal", "garch_t"), crps, strict=True):
        assert found[law]["crps"] == pytest.approx(expected, abs=0.00011), law
    assert found["garch_normal"]["coverage_90"] == pytest.approx(covered, abs=0.051)


@pytest.mark.parametrize("name", ["spx_1d", "btc_usdt_4h", "btc_usdt_1h"])
def test_densities_of_the_close(shared_data: Path, name: str) -> None:
    """The same, but for a normal law of the S&P 500: normal in the price is not normal in its logarithm.

    They differ by about E(s z^3)/2, s the spread and z the standardised move, and large moves were mostly falls there.
    """
    frame, task = real_frame(shared_data, name), Task(output_mode="distribution", target="close")
    laws = {name_of(law): law for law in baselines.for_task(task)}
    for law, expected in zip(LAWS, DENSITIES[name][0], strict=True):
        assert scored(frame, laws[law], task)["nll"] == pytest.approx(
            expected, abs=0.003 if "btc" in name else 0.005
        ), law


@pytest.mark.parametrize("name", POINTS)
def test_drift_and_direction(shared_data: Path, name: str) -> None:
    frame, task = real_frame(shared_data, name), Task(output_mode="mean")
    mape, up, reversal, drift_direction = POINTS[name]
    drift, always_up, opposite = (scored(frame, rule(task), task) for rule in (Drift, AlwaysUp, Reversal))
    assert drift["mape"] == pytest.approx(mape, abs=0.00006)
    for found, expected in ((always_up, up), (opposite, reversal), (drift, drift_direction)):
        assert found["acc_dir"] == pytest.approx(expected, abs=0.051)
