"""One definition and one line add one more: a toy of each kind is added here and used end to end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from backtests import untrained  # noqa: F401 - a fixture
from builders import make_bars, make_config, make_frame
from made_up_forecasts import table
from pydantic import Field
from searches import searched
from trainings import train

from nextbar import ExperimentConfig, Forecaster, ModelConfig, Trainer, backtest, write_forecasts, write_report
from nextbar.bars import reading
from nextbar.bars.bars import fingerprint, frame_bars
from nextbar.bars.layouts import LAYOUTS, NamedLayout
from nextbar.bars.reading import read_csv
from nextbar.bars.table import Table
from nextbar.baselines import BASELINES
from nextbar.baselines.point import Persistence
from nextbar.config.check import checked
from nextbar.config.choices import NORM_MODES, OUTPUT_MODES, Output
from nextbar.config.values import Float
from nextbar.data.indicators import FORMULAS, Formula
from nextbar.data.scaling import NormMode, Scale
from nextbar.errors import ConfigError
from nextbar.forecasts.formats import FORMATS, ForecastFormat
from nextbar.model.heads import Head, MeanHead
from nextbar.report.page import Section
from nextbar.report.run_sections import SECTIONS, RunFacts
from nextbar.searching.options import SAMPLERS
from nextbar.searching.samplers import Sampler
from nextbar.searching.space.space import Params, Space

BARS = make_frame(make_bars(n=150))


class MedianHead(MeanHead):
    """A value whose absolute error is least."""

    def loss(self, outputs: dict[str, Any], y_BH: Any) -> Any:
        return jnp.abs(outputs["location"] - y_BH)


def test_an_output_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OUTPUT_MODES, "median", Output(MedianHead, kind="mean"))
    result = train(tmp_path, BARS, output_mode="median", num_epochs=2)
    assert result.metrics["test"]["skill"].keys() >= {"mae", "mse"}
    forecast = Forecaster.load(result.run_dir).predict(BARS)
    assert np.isfinite(forecast["close"]).all()
    # and it is that loss which was trained: at the start a location of 0, whose mean absolute error is the label's
    mean = train(tmp_path, BARS, num_epochs=2)
    assert mean.run_dir != result.run_dir and mean.metrics != result.metrics
    with pytest.raises(
        ConfigError, match=r"one of 'mean', 'distribution', 'discrete_grid', 'median' or None; did you mean"
    ):
        make_config(output_mode="medain")


def test_a_normalisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In units of twice the range, beside a training that has compiled the program before there was such a mode."""
    halved = NormMode(lambda w: Scale(w.low, 2 * w.spread, w.zero), lambda window_B, training_B: window_B)
    whole = train(tmp_path, BARS, norm_mode="window_minmax", num_epochs=1)
    monkeypatch.setitem(NORM_MODES, "window_half", halved)
    result = train(tmp_path, BARS, norm_mode="window_half", num_epochs=1)
    again = train(tmp_path / "again", BARS, norm_mode="window_minmax", num_epochs=1)
    of_model = [one.metrics["test"]["model"] for one in (whole, again, result)]
    assert of_model[1] == pytest.approx(of_model[0], rel=1e-5) and of_model[2]["mae"] != of_model[0]["mae"]
    assert np.isfinite(Forecaster.load(result.run_dir).predict(BARS)["close"]).all()


def momentum(close_N: np.ndarray, bars: str) -> np.ndarray:
    """Move over so many bars."""
    n = int(bars)
    return np.r_[np.full(n, np.nan), close_N[n:] - close_N[:-n]]


def test_an_indicator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMULAS, r"momentum_([1-9][0-9]?)", Formula(momentum, price_valued=False))
    result = train(tmp_path, BARS, indicators=["momentum_3"], num_epochs=1)
    assert np.isfinite(Forecaster.load(result.run_dir).predict(BARS)["close"]).all()


class Contrary(Persistence):
    """The next bar takes back all of the last move."""

    name = "contrary"


@pytest.mark.usefixtures("untrained")
def test_a_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BASELINES, "mean", (*BASELINES["mean"], Contrary))
    config = make_config(log_dir=str(tmp_path), num_epochs=1)
    result = backtest(config, BARS, folds=2, show=False)
    assert result.scores["contrary"]["pooled"] == result.scores["persistence"]["pooled"]
    alone = backtest(replace(config, seed=1), BARS, folds=2, baselines=["contrary"], show=False)
    assert "contrary" in alone.scores and "persistence" not in alone.scores


def read_semicolons(data: bytes, source: str) -> Table:
    """Columns between semicolons."""
    return read_csv(data.replace(b";", b","), source)


def test_a_file_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(reading.READERS, ".ssv", read_semicolons)
    folder = tmp_path / "data" / "1h"
    folder.mkdir(parents=True)
    (folder / "made_up_1h.ssv").write_text(BARS.drop(columns="ticker").to_csv(index=False, sep=";"))
    config = make_config(log_dir=str(tmp_path), datapath=str(tmp_path / "data"), tickers="made_up", num_epochs=1)
    result = Trainer(config, show=False).train_and_evaluate()
    forecast = Forecaster.load(result.run_dir).predict(BARS)
    assert np.isfinite(forecast["close"]).all()


def test_a_layout_of_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYOUTS, "toy", NamedLayout({"when": "date", "last": "close"}, dates="%d/%m/%y %H:%M"))
    theirs = BARS.assign(date=pd.to_datetime(BARS["date"], utc=True).dt.strftime("%d/%m/%y %H:%M"))
    read, ours = (frame_bars(frame, "1h") for frame in (theirs.rename(columns={"date": "when", "close": "last"}), BARS))
    assert fingerprint(read) == fingerprint(ours)


def closes_alone(table: pd.DataFrame) -> pd.DataFrame:
    """Date and close."""
    return table[["date", "close"]]


def test_a_form_of_forecasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "toy", ForecastFormat(closes_alone, (".csv",)))
    write_forecasts(tmp_path / "f.csv", table("normal"), "toy")
    assert pd.read_csv(tmp_path / "f.csv")["close"].tolist() == table("normal")["close"].tolist()


class Backwards(Sampler):
    """The last combinations of a grid first."""

    def draw(self, space: Space, seed: int, trials: Sequence[Any]) -> Iterator[Params]:
        return reversed(list(space.points()))


def test_a_sampler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS, "backwards", Backwards)
    study = searched(tmp_path, {"seed": [1, 2, 3]}, 2, sampler="backwards", base={"num_epochs": 1})
    assert {int(trial.params["seed"]) for trial in study.trials} == {2, 3}


def toy(run: RunFacts) -> Section:
    """A sentence."""
    return Section("toy", "A toy section", [f"Trained in {len(run.epochs)} epochs."])


def test_a_report_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbar.report.run_page.SECTIONS", [*SECTIONS, toy])
    result = train(tmp_path, BARS, num_epochs=1)
    page = write_report(result.run_dir, bars=BARS).read_text()
    assert '<h2 id="toy">A toy section</h2>' in page and "Trained in 1 epochs." in page


class HuberHead(MeanHead):
    """Squared error of small changes, absolute of large ones; ``threshold`` is where one becomes the other."""

    threshold: float = 1.0

    @classmethod
    def of(cls, config: ExperimentConfig) -> Head:
        return cls(config.dataset_config.horizon, config.model_config.threshold)  # type: ignore[attr-defined]

    def loss(self, outputs: dict[str, Any], y_BH: Any) -> Any:
        error = jnp.abs(outputs["location"] - y_BH)
        return jnp.where(error < self.threshold, error**2 / 2, self.threshold * (error - self.threshold / 2))


@checked
class HuberConfig(ModelConfig):
    """A model with one more hyper-parameter."""

    threshold: Annotated[Float, Field(gt=0)] = 1.0
    """Where squares end."""


def test_a_hyper_parameter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field with its reader: it is checked, names the run, is saved, and changes what is trained."""
    monkeypatch.setitem(OUTPUT_MODES, "huber", Output(HuberHead, kind="mean"))
    plain = make_config(log_dir=str(tmp_path), output_mode="huber", num_epochs=2)
    fields = plain.model_config.to_dict()
    with pytest.raises(ConfigError, match=r"threshold: found -1\.0, should be a finite number > 0"):
        HuberConfig(**fields, threshold=-1.0)
    configs = [replace(plain, model_config=HuberConfig(**fields, threshold=t)) for t in (1e-3, 10.0)]
    results = [Trainer(config, BARS, show=False).train_and_evaluate() for config in configs]
    assert results[0].run_dir != results[1].run_dir and results[0].metrics != results[1].metrics
    assert "threshold: 0.001" in (results[0].run_dir / "config.yaml").read_text()
