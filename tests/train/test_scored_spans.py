"""The rival of a training: written down with the run, fitted once, and what the summary says of it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import make_bars, make_frame
from trainings import BARS, make_config, train

from nextbar.baselines import rivals
from nextbar.baselines.candidates import ORDER, fit_alone
from nextbar.baselines.rivals import Rival
from nextbar.data.dataset import build_dataset
from nextbar.data.origins import late_origins
from nextbar.engine.engine import Engine
from nextbar.inference.evaluator import evaluate
from nextbar.metrics.reference import least_bars
from nextbar.metrics.scorer import FreeForecast
from nextbar.metrics.task import Task
from nextbar.runs.records import RIVAL, read_cuts, read_preparation, read_rival, write_rival
from nextbar.runs.summary import FINAL, read_summary
from nextbar.train import scored_spans
from nextbar.train.population import train_population
from nextbar.train.refit import refit
from nextbar.train.scored_spans import ScoredSpans
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


@pytest.mark.parametrize("late_by", [0, 460], ids=["whole", "begins late"])
def test_a_test_ticker_is_held_against_rivals_fitted_on_it_alone(
    tmp_path: Path, late_by: int, caplog: pytest.LogCaptureFixture
) -> None:
    """From its first window on, or where it begins late once there are bars enough; so does its evaluation."""
    known, other = make_bars("aaa", n=700), make_bars("bbb", n=700, seed=1, price=3.0, move=0.04)
    other = other.between(initial=int(other.time_N[late_by]))
    fields = {"tickers": ["aaa"], "test_tickers": ["aaa", "bbb"], "output_mode": "distribution", "seq_len": 6}
    with caplog.at_level(logging.INFO, logger="nextbar"):
        result = train(tmp_path, make_frame(known, other), **fields)
    summary, record = read_summary(result.run_dir), read_rival(result.run_dir)
    assert record is not None and record["trained"] == [["aaa", "1h"]]
    task = Task(output_mode="distribution")
    cuts = read_cuts(result.run_dir)
    rows = np.flatnonzero(other.close_time_N + 3600 >= cuts.test)[:-1]
    first = int(late_origins(rows, least_bars(task))[0])
    fit = read_preparation(result.run_dir).find("bbb", "1h")
    assert fit is not None
    ((own,),) = ([one["fitted"] for one in record["own"] if one["series"] == ["bbb", "1h"]],)
    for name, baseline in fit_alone(ORDER, task, other.first(first + 1), fit.calendar).fitted.items():
        assert same_numbers(own[name], json.loads(json.dumps(baseline.to_dict()))), name
    assert len(own) == 1 + len(record["others"])
    is_late = first > int(rows[0])
    assert is_late == (late_by > 0) == ("bbb" in summary["data"]["scored_late"])
    assert is_late == ("bbb is scored from" in caplog.text)
    rivals._candidates.clear()
    found = evaluate(result.run_dir, [known, other])
    for span, report in summary["metrics"].items():
        assert found.metrics[span]["windows"] == report["windows"]
        assert found.metrics[span]["verdict"].startswith("No verdict") == report["verdict"].startswith("No verdict")
        if span == "validation" and late_by:  # none of its windows has bars enough before it
            assert report["verdict"].startswith("No verdict: bbb has no ")
            continue
        assert set(found.metrics[span]["tested"]["against"]) == set(report["tested"]["against"])
        for name, node in report["tested"]["against"].items():
            assert found.metrics[span]["tested"]["against"][name]["loss"] == pytest.approx(node["loss"], rel=1e-5), name
    assert ("so that rivals could be fitted" in " ".join(found.notices)) == is_late


def same_numbers(first: Any, second: Any) -> bool:
    """Plain values that are equal up to rounding."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same_numbers(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same_numbers, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return first == pytest.approx(second, rel=1e-9, abs=1e-12, nan_ok=True)
    return bool(first == second) or (first is None and second != second)


def test_a_verdict_is_over_every_rival_and_the_networks_own_start(tmp_path: Path) -> None:
    """In each output mode, and of an ensemble; what is kept with the run says the same later."""
    for fields in (
        {"output_mode": "mean"},
        {"output_mode": "distribution", "seeds": 2},
        {"output_mode": "discrete_grid", "discrete_grid_levels": [-np.inf, -1.0, 0.0, 1.0, np.inf]},
    ):
        result = train(tmp_path, **fields)
        record, report = read_rival(result.run_dir), result.metrics["test"]
        assert record is not None
        against = report["tested"]["against"]
        assert next(iter(against)) == record["name"] == report["strongest_name"]
        assert set(against) == {record["name"], *record["others"], "start"}
        assert report["diebold_mariano"] == against[record["name"]]["test"]
        again = evaluate(result.run_dir, BARS).metrics["test"]
        assert set(again["tested"]["against"]) == set(against) and again["verdict"] == report["verdict"]
        for name, node in against.items():
            assert again["tested"]["against"][name]["loss"] == pytest.approx(node["loss"], rel=1e-6), name


def test_the_start_is_what_the_network_says_before_its_first_epoch(tmp_path: Path) -> None:
    """The same as the first forecast of an engine that was never trained."""
    config = make_config(tmp_path, output_mode="distribution")
    bars = [make_bars(n=150)]
    dataset = build_dataset(config, bars)
    engine = Engine(config, dataset)
    state = engine.start(None)
    span = engine.evaluate(state.params, dataset.origins["test"])
    spans = ScoredSpans(config, dataset)
    expected = spans.scorers["test"].participant(FreeForecast("start", "", span.forecast)).loss_T
    result = train(tmp_path, output_mode="distribution")
    node = result.metrics["test"]["tested"]["against"]["start"]
    assert node["loss"] == pytest.approx(float(expected.mean()), rel=1e-6)
    assert node["words"] == "the network's own start"


def test_a_run_of_an_earlier_version_says_what_it_was_held_against(tmp_path: Path) -> None:
    result = train(tmp_path)
    record = read_rival(result.run_dir)
    assert record is not None
    write_rival(result.run_dir, {name: record[name] for name in ("name", "fitted", "validation", "left_out")})
    found = evaluate(result.run_dir, BARS)
    assert set(found.metrics["test"]["tested"]["against"]) - {"baseline"} == {record["name"]}
    assert "kept no other rival and not its own start" in " ".join(found.notices)
