"""The rival beside a run's scores: as it was written down, fitted anew for a run of before, or none, in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bar_files import write
from builders import make_bars, make_frame, with_columns
from made_runs import MadeRun, make_run

from nextbar.bars.bars import Bars
from nextbar.bars.calendar import Calendar
from nextbar.bars.dates import iso
from nextbar.baselines import rivals
from nextbar.baselines.candidates import ORDER, fit_alone
from nextbar.baselines.history import History
from nextbar.checksums import write_json, write_text
from nextbar.inference.evaluator import evaluate
from nextbar.metrics.comparison import ranking_score
from nextbar.metrics.reference import least_bars
from nextbar.metrics.scorer import Scorer
from nextbar.runs.records import RIVAL, read_rival, write_rival
from nextbar.train.scored_spans import ScoredSpans

TWO = ["aaa", "bbb"]


def write_all(folder: Path, series: list[Bars]) -> None:
    folder.mkdir()
    for b in series:
        write(folder, make_frame(b).drop(columns=["ticker", "resolution"]), "parquet", b.ticker)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> MadeRun:
    """A run of a version without rivals, whose bars lie in files."""
    folder = tmp_path_factory.mktemp("before")
    bars = [make_bars(ticker, n=460, seed=s, price=100 * 10**s).first(400) for s, ticker in enumerate(TWO)]
    write_all(folder / "bars", bars)
    made = make_run(folder, bars, tickers=TWO, output_mode="distribution", datapath=str(folder / "bars"))
    (made.run_dir / RIVAL).unlink()
    return made


@pytest.fixture
def of_now(before: MadeRun, tmp_path: Path) -> Path:
    """The same run with its rival written down."""
    path = Path(shutil.copytree(before.run_dir, tmp_path / before.run_dir.name))
    write_rival(path, ScoredSpans(before.config, before.dataset).rival.to_dict())
    return path


def test_a_run_of_before_has_its_rival_fitted_anew_where_its_bars_are_at_hand(before: MadeRun, of_now: Path) -> None:
    """It is the one that a training on these bars writes down; nothing is written into the old folder."""
    files = sorted(path.name for path in before.run_dir.iterdir())
    found, expected = (evaluate(path) for path in (before.run_dir, of_now))
    assert found.metrics == expected.metrics and not found.notices
    record = read_rival(of_now)
    assert record is not None and found.metrics["test"]["strongest_name"] == record["name"]
    assert sorted(path.name for path in before.run_dir.iterdir()) == files and RIVAL not in files


def test_without_its_bars_there_is_the_plain_baseline_and_a_notice(
    before: MadeRun, caplog: pytest.LogCaptureFixture
) -> None:
    found = evaluate(before.run_dir, before.bars)
    (notice,) = found.notices
    assert notice == (
        "scored beside the plain baseline alone: the run is of a version without rivals, and its training bars are not "
        "at hand"
    )
    assert notice in caplog.text
    for report in found.metrics.values():
        assert "strongest_name" not in report and set(report["strongest"]) == {"acc_dir"}
        assert "persistence with a constant spread" in report["verdict"]
        assert report["skill"]["nll"] == report["skill_baseline"]["nll"]


def test_bars_that_were_revised_fit_nothing(before: MadeRun, tmp_path: Path) -> None:
    """They are scored where that is asked for, beside the plain baseline."""
    folder = tmp_path / "bars"
    write_all(
        folder,
        [Bars(b.ticker, b.resolution, b.time_N, {n: 1.01 * v for n, v in b.columns.items()}) for b in before.bars],
    )
    path = Path(shutil.copytree(before.run_dir, tmp_path / "run"))
    summary = json.loads((path / "summary.json").read_text())
    write_json(path / "summary.json", summary | {"datapath": str(folder)})
    config = (path / "config.yaml").read_text().replace(str(before.config.dataset_config.datapath), str(folder))
    write_text(path / "config.yaml", config)
    found = evaluate(path, revised=True)
    assert any("none can be fitted (the bars are not those" in notice for notice in found.notices)
    assert "strongest_name" not in found.metrics["test"]


def test_new_bars_need_the_run_folder_alone_and_no_fit(
    of_now: Path, before: MadeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ticker that it does not know has fits of its own; of known ones the forecasts of known windows stay."""
    own = evaluate(of_now, before.bars)

    def refuse(*args: Any) -> None:
        raise AssertionError("nothing is fitted")

    monkeypatch.setattr(rivals, "fit_candidates", refuse)
    longer = [make_bars(b.ticker, n=460, seed=s, price=100 * 10**s) for s, b in enumerate(before.bars)]
    found = evaluate(of_now, [*longer, make_bars("new", n=460, seed=7, price=3.0)])
    report = found.metrics["test"]
    assert report["strongest_name"] == own.metrics["test"]["strongest_name"] and not found.notices
    assert np.isfinite(report["by_ticker"]["new"]["strongest"]["nll"])
    assert own.metrics["validation"]["by_ticker"]["aaa"] == found.metrics["validation"]["by_ticker"]["aaa"]
    known = len(own.spans["test"].origin_N) // 2
    ours, theirs = (e.spans["test"].scorer.rival_forecast.scale_NH[:known] for e in (own, found))
    np.testing.assert_array_equal(ours, theirs)


def test_later_bars_change_no_forecast_of_the_rival(of_now: Path, before: MadeRun) -> None:
    def changed(b: Bars, begin: int) -> Bars:
        factor_N = np.where(b.time_N >= begin, 1.5, 1.0)
        prices = {n: v * factor_N if n in ("open", "high", "low", "close") else v for n, v in b.columns.items()}
        return Bars(b.ticker, b.resolution, b.time_N, prices)

    own = evaluate(of_now, before.bars).spans["test"]
    begin = int(own.outcomes.origin_time_N[own.outcomes.series_N == 0][40])  # opens where the 40th origin has closed
    other = evaluate(of_now, [changed(b, begin) for b in before.bars]).spans["test"]
    early = own.outcomes.origin_time_N <= begin
    assert 40 < early.sum() < len(early)
    for name in ("location_NH", "scale_NH"):
        ours, theirs = (getattr(span.scorer.rival_forecast, name) for span in (own, other))
        np.testing.assert_array_equal(ours[early], theirs[early])
        assert (ours[~early] != theirs[~early]).any()


def test_a_run_whose_rival_is_another_or_none(of_now: Path, before: MadeRun) -> None:
    """What is written down counts."""
    plain = read_rival(of_now)
    assert plain is not None
    spans = ScoredSpans(before.config, before.dataset)
    candidates = rivals.fit_candidates(before.dataset, spans.task, before.dataset.cuts.training_end)
    write_rival(of_now, plain | {"name": "range_har_t", "fitted": candidates.fitted["range_har_t"].to_dict()})
    assert evaluate(of_now, before.bars).metrics["test"]["strongest_name"] == "range_har_t"
    write_rival(of_now, plain | {"name": None, "fitted": None, "left_out": {"garch_t": "its close stands still"}})
    found = evaluate(of_now, before.bars)
    assert found.notices == ("scored beside the plain baseline alone: its close stands still",)


def test_trials_are_ranked_by_the_plain_baseline_as_before(before: MadeRun, of_now: Path) -> None:
    alone, beside = (evaluate(path, before.bars).metrics["validation"] for path in (before.run_dir, of_now))
    assert ranking_score(alone, "distribution") == ranking_score(beside, "distribution")
    assert alone["skill"]["nll"] != beside["skill"]["nll"]


def other_market(ticker: str, seed: int, n: int = 700) -> Bars:
    """Bars of another volatility, tail and daily shape, at another price, by the seed."""
    rng = np.random.default_rng(seed)
    hour_N = np.arange(n) % 24
    spread_N = 10 ** rng.uniform(-4, -1.5) * np.exp(rng.uniform(0, 1) * np.cos(2 * np.pi * (hour_N - 14) / 24))
    spread_N *= np.exp(np.convolve(rng.normal(size=n), 0.3 * 0.95 ** np.arange(n))[:n])
    move_N = spread_N * rng.standard_t(rng.uniform(3, 30), n)
    close_N = 10 ** rng.uniform(-1, 4) * np.exp(np.cumsum(move_N))
    open_N = np.concatenate([close_N[:1], close_N[:-1]])
    wick_N = spread_N * np.abs(rng.normal(size=n))
    return with_columns(
        make_bars(ticker, n=n),
        open=open_N,
        high=np.maximum(open_N, close_N) * np.exp(wick_N),
        low=np.minimum(open_N, close_N) * np.exp(-wick_N),
        close=close_N,
    )


@pytest.mark.parametrize(
    "mode", [{"output_mode": "mean"}, {"output_mode": "distribution"}], ids=["mean", "distribution"]
)
@pytest.mark.parametrize("seed", range(5))
def test_the_rivals_of_a_series_that_was_not_trained_are_those_of_a_run_on_it_alone(
    tmp_path: Path, mode: dict[str, Any], seed: int
) -> None:
    """Each candidate's fit and forecasts, in each span; the trained series' own stay what they were."""
    known, unknown = other_market("aaa", 2 * seed), other_market("new", 2 * seed + 1)
    made = make_run(tmp_path, [known], tickers=["aaa"], seq_len=6, **mode)
    found = evaluate(made.run_dir, [known, unknown])
    own = evaluate(made.run_dir, [known])
    for span, evaluation in found.spans.items():
        scorer, panel = evaluation.scorer, made.dataset.preparation.panel([known, unknown])
        rows = evaluation.origin_N[panel.series_R[evaluation.origin_N] == 1] - len(known)
        calendar = Calendar.always(unknown.step, int(unknown.time_N[0]))
        alone = fit_alone(ORDER, scorer.task, unknown.first(int(rows.min()) + 1), calendar).fitted
        assert len(alone) >= 6
        losses = {p.name: p.loss_T for p in scorer.participants}
        assert set(losses) == set(alone), "all of them, fitted on this series"
        single = Scorer(scorer.outcomes.rows(scorer.outcomes.series_N == 1), scorer.reference, scorer.task)
        if scorer.region:  # of the strongest, by which laws are compared
            single.region = scorer.region.rows(np.flatnonzero(scorer.outcomes.series_N == 1))
        both = {p.name: p.loss_T for p in own.spans[span].scorer.participants}
        for name, baseline in alone.items():
            forecast = baseline.forecast(History.of(unknown), calendar, rows)
            expected_T = (both[name] + single.loss_T(single.losses(forecast))) / 2
            np.testing.assert_allclose(losses[name], expected_T, rtol=1e-7, err_msg=f"{span} {name}")


def test_a_series_is_scored_once_rivals_can_be_fitted_on_it(of_now: Path, before: MadeRun) -> None:
    """One that begins late is scored later, which is said; of one with a handful of bars there is no verdict."""
    longer = [make_bars(b.ticker, n=900, seed=s, price=100 * 10**s) for s, b in enumerate(before.bars)]
    whole = make_bars("new", n=900, seed=7, price=3.0)
    test = before.dataset.cuts.test
    late = whole.between(initial=int(whole.time_N[np.searchsorted(whole.close_time_N, test) - 50]))
    found = evaluate(of_now, [*longer, late])
    span = found.spans["test"]
    first = int(span.origin_N[span.outcomes.series_N == 2].min()) - 2 * 900 + 1
    since = iso(int(late.close_time_N[first - 1]))[:10]
    assert first == least_bars(span.scorer.task) > 51
    assert found.notices == (f"new is scored from {since} on in test, so that rivals could be fitted",)
    assert not found.metrics["test"]["verdict"].startswith("No verdict")
    few = evaluate(of_now, [*longer, late.first(120)])
    assert few.metrics["test"]["verdict"].startswith("No verdict: ")
    assert few.metrics["test"]["by_ticker"]["new"]["strongest"]["nll"] is None
    assert few.metrics["test"]["by_ticker"]["aaa"]["skill"]["nll"] is not None
