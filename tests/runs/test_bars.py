"""A run's own bars: of a file that has grown what came later is left out, and a revised one is refused."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bar_files import write
from builders import make_bars, make_frame, with_columns
from made_runs import MadeRun, make_run

from nextbar.bars.bars import Bars
from nextbar.checksums import write_json
from nextbar.config import ExperimentConfig
from nextbar.errors import ConfigError, DataError, RunError
from nextbar.inference.evaluation import Evaluation
from nextbar.inference.evaluator import evaluate
from nextbar.report import write_report
from nextbar.runs.summary import read_summary
from nextbar.searching import Study

N, LATER = 150, 40
NAMES = ("abc", "xyz")


def save(folder: Path, *series: Bars) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for bars in series:
        write(folder, make_frame(bars).drop(columns=["ticker", "resolution"]), "parquet", bars.ticker)


def history(name: str, n: int = N) -> Bars:
    """Bars and, with more of them, what came later."""
    whole = make_bars(name, n=N + LATER, seed=NAMES.index(name))
    return whole.between(final=int(whole.close_time_N[n - 1]))


@pytest.fixture
def made(tmp_path: Path) -> MadeRun:
    """A run of two tickers, whose files are those it was made of."""
    bars = [history(name) for name in NAMES]
    save(tmp_path / "bars", *bars)
    made = make_run(
        tmp_path, bars, tickers=list(NAMES), datapath=str(tmp_path / "bars"), output_mode="distribution", losses=(0.1,)
    )
    write_json(made.run_dir / "summary.json", read_summary(made.run_dir) | {"metrics": evaluate(made.run_dir).metrics})
    return made


def folder_of(made: MadeRun) -> Path:
    return Path(made.config.dataset_config.datapath)


def test_a_file_that_has_grown_is_scored_as_before(made: MadeRun, caplog: pytest.LogCaptureFixture) -> None:
    before = evaluate(made.run_dir, conformal=True)
    assert before.notices == ()
    save(folder_of(made), *(history(name, N + LATER) for name in NAMES))
    with caplog.at_level(logging.WARNING, "nextbar"):
        after = evaluate(made.run_dir, conformal=True)
    assert after.metrics == before.metrics
    assert after.spans["test"].calibration == before.spans["test"].calibration
    assert [len(b) for b in after.bars] == [N, N]
    for text in (caplog.text, " ".join(after.notices)):
        assert "40 bars of abc_1h after 2020-01-12T05:00:00Z" in text and "--new" in text
    page = write_report(made.run_dir).read_text()
    assert "40 bars of abc_1h after" in page


def since(evaluation: Evaluation) -> np.ndarray:
    """Opening times of the origins that are scored."""
    return np.concatenate([b.time_N for b in evaluation.bars])[evaluation.spans["test"].origin_N]


def test_new_scores_what_came_after_the_run_alone(made: MadeRun, tmp_path: Path) -> None:
    """The first label is that of the bar after the run's last one; the context reaches back."""
    with pytest.raises(DataError, match="nothing new: no window of these bars"):
        evaluate(made.run_dir, new=True)
    longer = [history("abc", N + LATER), history("xyz", N + 3)]
    save(folder_of(made), *longer)
    found = evaluate(made.run_dir, new=True)
    last = int(made.bars[0].time_N[-1])
    assert list(found.spans) == ["test"] and found.metrics["test"]["windows"] == LATER + 3
    assert since(found).min() == last
    given = evaluate(made.run_dir, longer, new=True)
    assert given.metrics == found.metrics
    assert evaluate([made.run_dir, made.run_dir], new=True).metrics["test"]["windows"] == LATER + 3


def test_new_looks_beyond_the_final_date(tmp_path: Path) -> None:
    bars = history("abc", N + LATER)
    save(tmp_path / "bars", bars)
    final = str(np.datetime64(int(bars.close_time_N[N - 1]), "s")) + "Z"
    made = make_run(tmp_path, [bars], tickers="abc", datapath=str(tmp_path / "bars"), final_date=final, losses=(0.1,))
    assert len(made.dataset.bars[0]) == N
    own = evaluate(made.run_dir)
    assert own.notices == () and own.metrics["test"]["windows"] == 30
    assert evaluate(made.run_dir, new=True).metrics["test"]["windows"] == LATER


def test_revised_bars_are_refused_unless_asked_for(made: MadeRun) -> None:
    before = evaluate(made.run_dir).metrics["test"]["model"]["mae"]
    bars = history("abc", N + LATER)
    close = bars.columns["close"].copy()
    close[140:145] = bars.columns["high"][140:145]
    save(folder_of(made), with_columns(bars, close=close))
    named = r"abc_1h: bars were revised from 2020-01-11T08:00:00Z on.*1 of its 5 blocks.*revised=True, --revised"
    for new in (False, True):
        with pytest.raises(DataError, match=rf"(?s){named}"):
            evaluate(made.run_dir, new=new)
    with pytest.raises(DataError, match="were revised"):
        write_report(made.run_dir)
    after = evaluate(made.run_dir, revised=True)
    assert after.metrics["test"]["windows"] == 60 and after.metrics["test"]["model"]["mae"] != before
    assert "scored on revised bars: abc_1h" in after.notices[0] and "left out" in after.notices[1]
    assert "scored on revised bars" in write_report(made.run_dir, revised=True).read_text()
    with pytest.raises(ConfigError, match="revised is about the run's own bars"):
        evaluate(made.run_dir, [bars], revised=True)
    assert evaluate(made.run_dir, [bars]).metrics["test"]["windows"] == 30 + LATER  # given ones are what they are


class WonBy(Study):
    """A study whose best run is a given one."""

    def __init__(self, made: MadeRun, bars: list[Bars] | None = None) -> None:
        self._made, self._bars = made, None if bars is None else lambda config: bars

    best = property(lambda self: self._made.run_dir)  # type: ignore[assignment]
    best_trial = None  # type: ignore[assignment]

    def config(self, trial: Any) -> ExperimentConfig:
        return self._made.config


def test_the_interval_of_a_studys_winner_is_of_the_bars_it_was_scored_on(made: MadeRun) -> None:
    before = WonBy(made).winner_interval
    assert before is not None
    longer = [history(name, N + LATER) for name in NAMES]
    save(folder_of(made), *longer)
    assert WonBy(made).winner_interval == WonBy(made, longer).winner_interval == before
    revised = [with_columns(b, close=b.columns["high"]) for b in longer]
    save(folder_of(made), *revised)
    for study in (WonBy(made), WonBy(made, revised)):
        assert re.match(r"No interval: (?s:.*)abc_1h: bars were revised from", study.sureness)


def test_bars_before_the_runs_first_are_no_part_of_it(made: MadeRun, tmp_path: Path) -> None:
    """Indicators would begin elsewhere."""
    bars = history("abc")
    late = bars.between(initial=int(bars.close_time_N[29]))
    save(tmp_path / "late", late)
    run = make_run(
        tmp_path / "logs", [late], tickers="abc", indicators=["ema_8"], datapath=str(tmp_path / "late"), losses=(0.1,)
    )
    before = evaluate(run.run_dir)
    save(tmp_path / "late", bars)
    after = evaluate(run.run_dir)
    assert after.metrics == before.metrics
    np.testing.assert_array_equal(after.bars[0].columns["ema_8"], before.bars[0].columns["ema_8"])


def test_a_run_of_an_earlier_version_is_scored_as_ever(made: MadeRun) -> None:
    (made.run_dir / "bars.json").unlink()
    save(folder_of(made), history("abc", N + LATER))
    found = evaluate(made.run_dir)
    assert found.metrics["test"]["windows"] == 60 + LATER and "earlier version" in found.notices[0]
    with pytest.raises(RunError, match=r"earlier version.*Give later bars alone"):
        evaluate(made.run_dir, new=True)


def test_a_damaged_record_is_told(made: MadeRun) -> None:
    write_json(made.run_dir / "bars.json", {"series": [{"ticker": "abc"}]})
    with pytest.raises(RunError, match=r"bars\.json cannot be read"):
        evaluate(made.run_dir)


def test_the_folder_is_found_from_anywhere(made: MadeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative ``datapath`` means the folder it meant when the run was trained; where that is gone, one from here."""
    home, away = tmp_path / "home", tmp_path / "away"
    away.mkdir()
    save(home / "bars", history("abc"))
    monkeypatch.chdir(home)
    run = make_run(Path("runs"), [history("abc")], tickers="abc", datapath="bars", losses=(0.1,))
    assert "datapath: bars\n" in (run.run_dir / "config.yaml").read_text()
    wanted = evaluate(run.run_dir).metrics
    path = run.run_dir.absolute()
    monkeypatch.chdir(away)
    assert evaluate(path).metrics == wanted
    home.rename(away / "home")
    path = away / "home" / path.relative_to(home)
    with pytest.raises(DataError, match=rf"no folder '{home / 'bars'}', where the bars were .* no 'bars' in '{away}'"):
        evaluate(path)
    monkeypatch.chdir(away / "home")
    assert evaluate(path).metrics == wanted
