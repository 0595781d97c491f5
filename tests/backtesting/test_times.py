"""The seconds that participants take: measured, kept, and left out of all that repeats bit by bit."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from backtests import Own, run, untrained

from nextbar.backtesting.result import Backtest
from nextbar.backtesting.times import TIMES, Times, known_times, read_times, total
from nextbar.errors import Damaged

__all__ = ["untrained"]


class Slow(Own):
    def fit(self, frame: object) -> None:
        time.sleep(0.05)
        super().fit(frame)  # type: ignore[arg-type]


@pytest.mark.usefixtures("untrained")
def test_everybody_is_measured_in_every_fold(tmp_path: Path) -> None:
    result = run(tmp_path, predictors=[Slow("slow")])
    assert result.seconds.keys() == {"transformer", "persistence", "slow"}
    assert all(set(kinds) == {"fit", "predict"} for kinds in result.seconds.values())
    assert set(result.seconds["slow"]["fit"]) == {"1", "2"}
    assert all(0.05 <= seconds < 5 for seconds in result.seconds["slow"]["fit"].values())
    assert "seconds" not in (result.path / "summary.json").read_text()
    assert Backtest.load(result.path).seconds_of("slow") == pytest.approx(
        total(result.seconds["slow"], "fit", "predict")
    )


@pytest.mark.usefixtures("untrained")
def test_a_fit_that_is_not_done_anew_takes_no_time(tmp_path: Path) -> None:
    result = run(tmp_path, folds=3, refit_every=2, predictors=[Slow("slow")])
    assert set(result.seconds["slow"]["fit"]) == {"1", "3"} and set(result.seconds["slow"]["predict"]) == {
        "1",
        "2",
        "3",
    }


@pytest.mark.usefixtures("untrained")
def test_the_table_has_a_column_of_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(tmp_path, predictors=[Own()])
    result.show()
    assert "seconds" in capsys.readouterr().err
    (result.path / TIMES).unlink()  # as in the folders of earlier versions
    earlier = Backtest.load(result.path)
    earlier.show()
    assert "seconds" not in capsys.readouterr().err and earlier.seconds_of("own") is None


def test_what_was_measured_before_is_kept_where_nothing_is_done_anew(tmp_path: Path) -> None:
    times = Times(tmp_path)
    with times.measured("model", "fit", 1):
        time.sleep(0.02)
    first = read_times(tmp_path)["model"]["fit"]["1"]
    again = Times(tmp_path)
    with again.measured("model", "fit", 1, keep=True):
        pass
    assert read_times(tmp_path)["model"]["fit"]["1"] == first
    with again.measured("model", "fit", 1):
        pass
    assert read_times(tmp_path)["model"]["fit"]["1"] < first


def test_a_file_that_is_damaged_is_passed_over(tmp_path: Path) -> None:
    with Times(tmp_path).measured("model", "fit", 1):
        pass
    path = tmp_path / TIMES
    for text in ("{", path.read_text().replace('"fit"', '"fot"')):
        path.write_text(text)
        assert known_times(tmp_path) == {} == Times(tmp_path).seconds
        with pytest.raises(Damaged):
            read_times(tmp_path)
    path.unlink()
    assert read_times(tmp_path) == {}
