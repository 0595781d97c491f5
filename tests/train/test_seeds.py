"""Several seeds of one experiment: what spreads, and by how much."""

from __future__ import annotations

import io
import re
import statistics
from pathlib import Path
from typing import Any

import pytest
from bar_files import bars_table
from rich.console import Console
from trainings import BARS, make_config
from typer.testing import CliRunner

from nextbar.cli.app import app
from nextbar.errors import ConfigError
from nextbar.train import seeds as module
from nextbar.train.result import Result
from nextbar.train.seeds import Seeds, seeds_table, train_seeds
from nextbar.train.trainer import Trainer


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seeds]:
    log_dir = tmp_path_factory.mktemp("seeds")
    return log_dir, train_seeds(make_config(log_dir, seed=5, learning_rate=1e-2), 3, BARS, show=False)


def test_every_seed_is_a_run_of_its_own_in_the_experiment(three: tuple[Path, Seeds]) -> None:
    log_dir, found = three
    assert found.seeds == (5, 6, 7)
    assert {result.run_dir.parent for result in found.results} == {log_dir / "test"}
    # the very run that is made of that seed alone: it has ended, and is reported
    for seed, result in zip(found.seeds, found.results, strict=True):
        config = make_config(log_dir, seed=seed, learning_rate=1e-2)
        assert Trainer(config, BARS, show=False).train_and_evaluate() == result


def test_the_spread_is_that_of_the_runs(three: tuple[Path, Seeds]) -> None:
    _, found = three
    for span in ("validation", "test"):
        report = found.metrics[span]
        assert report["seeds"] == 3
        for part in ("model", "skill"):
            values = [result.metrics[span][part]["mae"] for result in found.results]
            assert len(set(values)) == 3
            assert report[part]["mae"] == {
                "mean": pytest.approx(statistics.fmean(values)),
                "std": pytest.approx(statistics.stdev(values)),
                "min": min(values),
                "max": max(values),
            }
        assert report["baseline"] == found.results[2].metrics[span]["baseline"]


def made(*maes: float | None) -> Seeds:
    """Results with nothing but these; None: one that diverged at once."""
    reports: list[dict[str, Any]] = [
        {}
        if mae is None
        else {"test": {"model": {"mae": mae, "r2": None}, "skill": {"mae": -mae}, "baseline": {"mae": 4.0}}}
        for mae in maes
    ]
    results = [Result(Path("r"), None, "finished" if report else "diverged", report) for report in reports]
    return Seeds(tuple(results), tuple(range(len(maes))))


def test_what_diverged_or_is_undefined_does_not_count() -> None:
    report = made(1.0, None, 3.0).metrics["test"]
    assert report["seeds"] == 2
    assert report["model"] == {"mae": {"mean": 2.0, "std": pytest.approx(2**0.5), "min": 1.0, "max": 3.0}, "r2": None}
    assert made(None).metrics == {}
    assert made(2.0).metrics["test"]["skill"]["mae"] == {"mean": -2.0, "std": None, "min": -2.0, "max": -2.0}


def test_the_table_shows_spread_baseline_and_skill() -> None:
    text = io.StringIO()
    report = made(1.0, 3.0).metrics["test"]
    report["baseline"]["r2"] = None
    Console(file=text, width=100).print(seeds_table("test", report))
    lines = [re.split(" {2,}", line.strip()) for line in text.getvalue().splitlines() if re.match("(mae|r2)", line)]
    assert "test: 2 seeds" in text.getvalue()
    assert lines == [["mae", "2", "1.4142", "1", "3", "4", "-2.0000", "1.4142"], ["r2"]]


@pytest.mark.parametrize("seeds", [0, -1, True, 2.0])
def test_a_number_of_seeds_that_is_none_is_refused(seeds: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"seeds: found {seeds}, should be how many to train, a whole number ≥ 1"):
        train_seeds(make_config(tmp_path), seeds, BARS)


def test_seeds_beyond_the_largest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="seed: found 4294967296"):
        train_seeds(make_config(tmp_path, seed=2**32 - 1), 2, BARS)


def test_the_command_prints_a_folder_for_each_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "nextbar")
    (tmp_path / "1h").mkdir()
    bars_table(150).to_csv(tmp_path / "1h" / "abc_1h.csv", index=False)
    make_config(tmp_path / "runs", datapath=str(tmp_path), tickers="abc", num_epochs=1).save(tmp_path / "e.yaml")
    shown: list[Any] = []
    monkeypatch.setattr(module, "console", lambda: Console(file=io.StringIO()))
    monkeypatch.setattr(module, "seeds_table", lambda span, report: shown.append((span, report["seeds"])) or span)
    result = CliRunner().invoke(app, ["train", str(tmp_path / "e.yaml"), "--seeds", "2"])
    assert result.exit_code == 0, result.stderr
    folders = result.stdout.splitlines()
    assert len(set(folders)) == 2 and all(Path(folder, "summary.json").is_file() for folder in folders)
    assert shown == [("validation", 2), ("test", 2)]
