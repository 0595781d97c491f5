"""What a training says of itself before and after its epochs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_bars, make_frame, with_columns
from experiments import make_dataset
from trainings import BARS, make_config, train

from nextbar import refit
from nextbar.data.dataset import build_dataset
from nextbar.runs.folder import RunFolder
from nextbar.train.announcement import announce


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", "nextbar")
    return caplog


def announced(log: pytest.LogCaptureFixture, folder: Path, **fields: Any) -> str:
    log.clear()
    facts = make_dataset(tickers="made_up")[1].describe()
    announce([RunFolder(make_config(folder, **fields), "f" * 64)], facts)
    return log.text


@pytest.mark.parametrize(
    ("warmup", "epochs", "mode", "share"),
    [(5, 3, "cosine", "60 %"), (3, 3, "cosine", "100 %"), (2, 3, "cosine", ""), (5, 3, "linear", ""),
     (5, 3, "constant", "")],
)  # fmt: skip
def test_a_warmup_that_never_ends_is_warned_of(
    warmup: int, epochs: int, mode: str, share: str, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    text = announced(log, tmp_path, warmup_epochs=warmup, num_epochs=epochs, lr_mode=mode)
    assert ("warmup_epochs" in text) == bool(share)
    if share:
        said = (
            f"warmup_epochs ({warmup}) is not below num_epochs ({epochs}): the learning rate only rises, to {share} of"
        )
        assert said in text


def test_all_lines_about_epochs_count_to_the_same_end(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """Of a training, and of a refit, which is shorter, also when it is gone on with."""
    result = train(tmp_path, num_epochs=3)
    assert re.findall(r"epoch (\d)/(\d)", log.text) == [("1", "3"), ("2", "3"), ("3", "3")]
    assert f"finished after 3 epochs, best is epoch {result.best_epoch}" in log.text
    log.clear()
    again = refit(result.run_dir, BARS, show=False)
    done = str(result.best_epoch)
    assert {end for _, end in re.findall(r"epoch (\d)/(\d)", log.text)} == {done}
    assert f"finished after {done} epoch" in log.text and again.best_epoch == result.best_epoch


def test_a_refit_that_is_gone_on_with_counts_its_own_epochs(
    tmp_path: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainings import interrupt

    from nextbar.runs.summary import read_summary
    from nextbar.train.result import Plan
    from nextbar.train.trainer import Trainer

    config, plan = make_config(tmp_path, num_epochs=5), Plan(epochs=3)
    with monkeypatch.context() as patch:
        interrupt(patch, epoch=3)
        with pytest.raises(KeyboardInterrupt):
            Trainer(config, BARS, plan=plan, show=False).train_and_evaluate()
    log.clear()
    result = Trainer(config, BARS, plan=plan, show=False).train_and_evaluate()
    assert "going on after epoch 2 of 3" in log.text and "epoch 3/3" in log.text
    assert read_summary(result.run_dir)["epochs"] == 3


def test_a_training_without_a_whole_epoch_has_no_best(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    result = train(tmp_path, learning_rate=1e30, num_epochs=2)
    assert result.best_epoch is None and result.status == "diverged"
    assert "diverged after 0 epochs, none of them whole, so there is no best" in log.text and "None" not in log.text


def empty_at(values: np.ndarray, rows: list[int]) -> np.ndarray:
    values = values.copy()
    values[rows] = np.nan
    return values


def test_what_empty_values_cost_is_said(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """Each empty bar spoils the windows whose six bars of context hold it; a computed column's first bars none. An own
    column is filled."""
    bars = make_bars(n=150)
    mood = np.random.default_rng(0).normal(size=150)
    spoilt = with_columns(bars, mood=empty_at(mood, [60, 100]), volume=empty_at(bars.columns["volume"], [60]))
    config = make_config(tmp_path, indicators=["mood", "rsi"], empty_values="drop")
    dataset = build_dataset(config, [spoilt])
    (series,) = dataset.describe()["series"]
    assert series["empty_bars"] == {"volume": 1, "mood": 2} and series["windows_lost"] == 12
    sound = build_dataset(config, [with_columns(bars, mood=mood)])
    counts = [sum(one.describe()["windows"].values()) for one in (sound, dataset)]
    assert counts[0] - counts[1] == 12
    assert sound.describe()["series"][0] | {"empty_bars": {}, "windows_lost": 0} == sound.describe()["series"][0]
    announce([RunFolder(config, "f" * 64)], dataset.describe())
    assert "made_up: 12 windows are left out: volume is empty in 1 bars, mood is empty in 2 bars" in log.text
    config = make_config(tmp_path, indicators=["mood", "rsi"])
    announce([RunFolder(config, "f" * 64)], build_dataset(config, [spoilt]).describe())
    assert "made_up: mood is empty in 2 bars; filled as empty_values says: last" in log.text
    assert "made_up: 6 windows are left out: volume is empty in 1 bars\n" in log.text


def test_an_own_column_that_is_empty_in_places_is_noticed_when_it_is_read(log: pytest.LogCaptureFixture) -> None:
    from nextbar import Trainer

    frame = make_frame(make_bars(n=150)).assign(mood=1.0)
    frame.loc[[7, 9], "mood"] = np.nan
    (bars,) = Trainer(make_config(Path("runs"), indicators=["mood"]), frame).read()
    said = "mood is empty in 2 of 150 rows (first: record 8)"
    assert bars.notices == (said,) and said in log.text
    log.clear()
    assert Trainer(make_config(Path("runs")), frame).read()[0].notices == ()  # nobody uses it
