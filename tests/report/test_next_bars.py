"""The forecast that a run's page leads with: from the bars that the files hold now, by whatever folder it is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_config, make_frame
from page_text import Text, unpacked

from nextbar.errors import DataError
from nextbar.inference.forecaster import Forecaster
from nextbar.report import write_report
from nextbar.train.trainer import Trainer

BARS = make_bars("abc", n=260)


def save(folder: Path, n: int) -> Path:
    file = folder / "1h" / "abc_1h.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    make_frame(BARS.first(n)).drop(columns=["ticker", "resolution"]).to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on 200 bars of a file."""
    folder = tmp_path_factory.mktemp("next")
    save(folder / "data", 200)
    where = {"log_dir": str(folder), "datapath": str(folder / "data")}
    config = make_config(**where, tickers=["abc"], output_mode="distribution", num_epochs=1)
    return Trainer(config, show=False).train_and_evaluate().run_dir


@pytest.fixture
def data(run: Path) -> Path:
    """The file as it was in training."""
    return save(run.parents[1] / "data", 200)


def drawn(page: Path) -> dict[str, np.ndarray]:
    data = json.loads(re.search(r'id="report-data">(.*?)</script>', page.read_text())[1])
    (figure,) = (figure for figure in data["figures"] if figure["id"] == "fan")
    return {trace["name"]: unpacked(trace["y"]) for trace in figure["drawings"][0]["data"]}


def test_the_page_leads_with_the_forecast_of_the_last_bar_and_what_predict_says(run, data, tmp_path):
    page = write_report(run, tmp_path)
    text = page.read_text()
    table = Forecaster.load(run).predict(make_frame(BARS.first(200)), [0.95])
    assert drawn(page)["close"][-1] == BARS.columns["close"][199]
    np.testing.assert_allclose(drawn(page)["forecast"][1:], table["close"])
    np.testing.assert_allclose(drawn(page)["95 of 100, from"][1:], table["close-lo-95"])
    for part in (
        'id="fan"',
        "Two times in three the next close lies within ±",
        'class="verdict',
        'class="tiles"',
        "<nav",
    ):
        at = text.index(part)
        text = text[at:]  # in this order
    label = re.search(r'id="fan"[^>]*aria-label="([^"]*)"', page.read_text())[1]
    assert label.startswith("The next bar. abc stood at") and "times in twenty" in label.lower()


def test_of_a_file_that_has_grown_the_newest_bar_is_forecast_from_and_the_scores_stay(run, data, tmp_path):
    before = write_report(run, tmp_path / "before.html")
    save(run.parents[1] / "data", 260)
    after = write_report(run, tmp_path / "after.html")
    assert drawn(after)["close"][-1] == BARS.columns["close"][259] != drawn(before)["close"][-1]
    scores = [re.search(r'<ul class="tiles">.*?</ul>', page.read_text())[0] for page in (before, after)]
    assert scores[0] == scores[1]
    assert "left out, since they came after the run" in Text(after.read_text()).said


def test_where_the_data_are_gone_the_page_says_so_and_has_the_rest(run, data, tmp_path, caplog):
    data.unlink()
    page = write_report(run, tmp_path)
    said = Text(page.read_text()).said
    assert "No forecast of the next bars: the run's own bars: " in said and 'id="fan"' not in page.read_text()
    assert "The model " in said and "How it learnt" in said and "without forecasts" in caplog.text
    with pytest.raises(DataError):
        write_report(run, tmp_path, data=tmp_path / "absent")


def test_revised_bars_are_refused_unless_they_are_asked_for(run, data, tmp_path):
    frame = pd.read_csv(data)
    frame.loc[50, ["open", "high", "low", "close"]] *= 1.01
    frame.to_csv(data, index=False)
    with pytest.raises(DataError, match="not those that"):
        write_report(run, tmp_path)
    assert 'id="fan"' in write_report(run, tmp_path, revised=True).read_text()


def test_a_run_is_reported_from_any_folder_and_the_page_names_none(run, data, tmp_path, monkeypatch):
    here = write_report(run, tmp_path / "here.html").read_bytes()
    monkeypatch.chdir(run.parent)
    assert write_report(run.name, tmp_path / "there.html").read_bytes() == here
    monkeypatch.chdir(tmp_path)
    assert write_report(run, "relative.html").read_bytes() == here
    own = here[: here.index(b'id="report-data"')]
    assert str(run.parents[1]).encode() not in own and b"file:" not in own
