"""The rival of a training: written down with the run, fitted once, and what the summary says of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainings import BARS, make_config, train

from nextbar.baselines import rivals
from nextbar.baselines.rivals import Rival
from nextbar.inference.evaluator import evaluate
from nextbar.metrics.task import Task
from nextbar.runs.records import RIVAL, read_rival
from nextbar.runs.summary import FINAL, read_summary
from nextbar.train import scored_spans
from nextbar.train.population import train_population
from nextbar.train.refit import refit
from nextbar.train.seeds import train_seeds


@pytest.fixture(autouse=True)
def fits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The fits of candidates, of nothing that was kept from other tests."""
    seen: list[int] = []
    fit = rivals.fit_candidates

    def counted(dataset: Any, task: Any, until: int) -> Any:
        seen.append(until)
        return fit(dataset, task, until)

    monkeypatch.setattr(rivals, "fit_candidates", counted)
    rivals._candidates.clear()
    yield seen
    rivals._candidates.clear()


def test_a_run_writes_its_rival_down_once(tmp_path: Path, fits: list[int]) -> None:
    """A finished run that is reported fits nothing, and neither does its evaluation."""
    result = train(tmp_path)
    record, summary = read_rival(result.run_dir), read_summary(result.run_dir)
    assert record is not None and len(fits) == 1
    assert {report["strongest_name"] for report in summary["metrics"].values()} == {record["name"]}
    best = min(record["validation"], key=lambda name: record["validation"][name]["ranking_score"])
    assert record["name"] == best
    assert summary["metrics"]["validation"]["strongest"]["mae"] == pytest.approx(record["validation"][best]["mae"])
    rivals._candidates.clear()
    before = (result.run_dir / RIVAL).read_bytes()
    assert train(tmp_path).metrics == result.metrics and len(fits) == 1
    found = evaluate(result.run_dir, BARS)
    assert len(fits) == 1 and (result.run_dir / RIVAL).read_bytes() == before
    assert json.loads(json.dumps(found.metrics["test"]["strongest"])) == summary["metrics"]["test"]["strongest"]


def test_several_trainings_on_one_data_set_fit_once(
    tmp_path: Path, fits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Side by side, one after another, and as seeds."""
    makers, scorer = [], scored_spans.Scorer

    def made(*arguments: Any) -> Any:
        makers.append(threading.current_thread().name)
        return scorer(*arguments)

    monkeypatch.setattr(scored_spans, "Scorer", made)
    train_population([make_config(tmp_path, seed=seed) for seed in (5, 6)], BARS, show=False)
    assert len(makers) == 3 and len({*makers}) == 1  # by none of the threads that score side by side
    train(tmp_path, learning_rate=3e-3)
    found = train_seeds(make_config(tmp_path), 2, BARS, show=False)
    assert len(fits) == 1
    report = found.metrics["test"]
    assert report["strongest"] == found.results[0].metrics["test"]["strongest"]
    assert report["strongest_name"] == found.results[1].metrics["test"]["strongest_name"]
    skills = [result.metrics["test"]["skill"]["mae"] for result in found.results]
    assert report["skill"]["mae"]["mean"] == pytest.approx(np.mean(skills))


def test_a_pruned_training_fits_nothing(tmp_path: Path, fits: list[int]) -> None:
    (result,) = train_population([make_config(tmp_path)], BARS, watches=[lambda epoch, score: "enough"], show=False)
    assert result.status == "pruned" and not fits and not (result.run_dir / RIVAL).exists()


def test_a_refit_has_a_rival_that_knows_all_bars_too(tmp_path: Path, fits: list[int]) -> None:
    """Nothing is validated, so it is the one that was chosen for the original."""
    first = train(tmp_path)
    again = refit(first.run_dir, BARS, show=False)
    chosen, record = read_rival(first.run_dir), read_rival(again.run_dir)
    assert chosen is not None and record is not None and record["fitted"] != chosen["fitted"]
    assert (record["name"], record["validation"]) == (chosen["name"], chosen["validation"])
    assert len(fits) == 2 and read_summary(again.run_dir)["metrics"] == {}
    assert set(record["others"]) == set(chosen["others"]) and record["others"] != chosen["others"]
    assert Rival.from_dict(record, Task(output_mode="mean")).baseline is not None


def test_a_final_fit_is_held_against_the_rival_that_validation_chose_fitted_on_as_much(
    tmp_path: Path, fits: list[int]
) -> None:
    """On training and validation; the first fit's scores stay against the one fitted on training alone."""
    result = train(tmp_path, final_fit=True, output_mode="distribution")
    first, final = (read_rival(path) for path in (result.run_dir, result.run_dir / FINAL))
    assert first is not None and final is not None and len(fits) == 2
    assert (first["name"], first["validation"]) == (final["name"], final["validation"])
    assert first["fitted"] != final["fitted"]
    summary = read_summary(result.run_dir)
    tests = summary["metrics"]["test"], summary["first_fit"]["metrics"]["test"]
    assert tests[0]["strongest_name"] == tests[1]["strongest_name"] == first["name"]
    assert tests[0]["strongest"]["nll"] != tests[1]["strongest"]["nll"]
    rivals._candidates.clear()
    found = evaluate(result.run_dir, BARS).metrics["test"]
    assert found["strongest"] == pytest.approx(tests[0]["strongest"], rel=1e-9) and len(fits) == 2
