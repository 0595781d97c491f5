"""A run kept up to date: each bar forecast once, scored once, and whatever is killed ends as if nothing had been."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import MONDAY, make_bars, make_frame, with_columns
from experiments import GRID
from made_runs import MadeRun, make_run
from trainings import train

from nextbar.bars.bars import Bars
from nextbar.errors import ConfigError, DataError, RunBusy, RunError
from nextbar.folders import claim
from nextbar.inference.evaluator import evaluate
from nextbar.inference.forecaster import Forecaster
from nextbar.runs.faults import run_faults
from nextbar.runs.records import read_bars_record
from nextbar.runs.summary import read_summary
from nextbar.updating.updater import Updated, update
from nextbar.updating.watching import watch

TWO = ["aaa", "bbb"]
RUNS: dict[str, dict[str, Any]] = {
    "mean": {"tickers": TWO},
    "distribution": {
        "tickers": TWO, "output_mode": "distribution", "tail": "skew_t", "target": "log_return", "features": "returns",
        "horizon": 3,
    },
    "discrete_grid": {"tickers": TWO, "output_mode": "discrete_grid", "discrete_grid_levels": GRID},
}  # fmt: skip


def later(run: MadeRun, n: int, first: int = 0) -> list[Bars]:
    """The run's bars and those that came since, of a series that is as long as 300 bars; without the first."""
    whole = [make_bars(b.ticker, b.resolution, 300, seed=i, price=100 * 10**i) for i, b in enumerate(run.bars)]
    return [b.first(n).last(n - first) for b in whole]


def made(folder: Path, **fields: Any) -> MadeRun:
    whole = [make_bars(ticker, "1h", 300, seed=i, price=100 * 10**i) for i, ticker in enumerate(fields["tickers"])]
    return make_run(folder, bars=[b.first(150) for b in whole], **fields)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, MadeRun]:
    return {name: made(tmp_path_factory.mktemp(name), **fields) for name, fields in RUNS.items()}


@pytest.fixture
def run(runs: dict[str, MadeRun], tmp_path: Path) -> MadeRun:
    return copied(runs["mean"], tmp_path)


def copied(run: MadeRun, folder: Path) -> MadeRun:
    target = shutil.copytree(run.run_dir, folder / "test" / run.run_dir.name)
    return MadeRun(target, run.config, run.bars, run.dataset)


def lines(updated: Updated) -> list[dict[str, Any]]:
    return [json.loads(line) for line in updated.log.read_text().splitlines()]


def of_kind(updated: Updated, kind: str) -> list[dict[str, Any]]:
    return [line for line in lines(updated) if line["kind"] == kind]


@pytest.mark.parametrize("name", ["mean", "distribution", "discrete_grid"])
def test_each_bar_since_the_run_is_forecast_once_and_scored_as_evaluation_does(
    name: str, runs: dict[str, MadeRun], tmp_path: Path
) -> None:
    run = copied(runs[name], tmp_path)
    bars, horizon = later(run, 190), run.config.dataset_config.horizon
    updated = update(run.run_dir, bars)
    assert updated.made == 2 * 41 and updated.scored == 2 * (41 - horizon)
    log, again = updated.log.read_bytes(), update(run.run_dir, bars)
    assert (again.made, again.scored) == (0, 0) and updated.log.read_bytes() == log
    assert again.forecasts.equals(updated.forecasts)

    assert updated.forecasts.equals(Forecaster.load(run.run_dir).predict(bars))
    is_law = run.config.dataset_config.output_mode == "distribution"
    every = Forecaster.load(run.run_dir).predict(bars, [0.8] if is_law else None, last_only=False)
    watched = watch(run.run_dir)
    table = watched.forecasts.sort_values(["ticker", "origin", "step"]).reset_index(drop=True)
    wanted = every[every["origin"] >= table["origin"].min()].reset_index(drop=True)
    assert table[list(wanted)].equals(wanted)

    report = evaluate(run.run_dir, bars, new=True).metrics["test"]
    score, leading = watched.scores[0], watched.error
    assert score.forecasts == report["windows"] == updated.scored
    assert score.model == pytest.approx(report["model"][leading], rel=1e-9)
    assert score.rival == pytest.approx(report["strongest"][leading], rel=1e-9)
    assert score.skill == pytest.approx(report["skill"][leading], rel=1e-6, abs=1e-9)
    for level, share in score.coverage.items():
        assert share == pytest.approx(report["model"][f"coverage_{level}"], abs=1e-9)
    assert watched.rival == report["strongest_name"]
    assert list(run_faults(run.run_dir)) == []


def test_bar_by_bar_it_says_the_same_but_that_nothing_is_late(run: MadeRun) -> None:
    at_once = update(copied(run, run.run_dir.parents[1] / "once").run_dir, later(run, 165))
    for n in range(150, 166):
        updated = update(run.run_dir, later(run, n))
        assert (updated.made, updated.scored) == (2, 2 if n > 150 else 0)
    pairs = zip(of_kind(updated, "forecast"), of_kind(at_once, "forecast"), strict=True)
    known = [f["known"] for f in of_kind(at_once, "forecast")]
    for one, other in pairs:
        assert (one["late"], other["late"]) == (False, one["known"] != known[-1])
        assert all(one[key] == other[key] for key in ("series", "origin", "dates", "law", "close", "unit"))
        np.testing.assert_allclose(one["rival"]["law"]["location"], other["rival"]["law"]["location"], rtol=1e-12)
    scores, others = of_kind(updated, "score"), of_kind(at_once, "score")
    assert [s["closes"] for s in scores] == [s["closes"] for s in others] and len(scores) == 15
    np.testing.assert_allclose([s["evidence"] for s in scores], [s["evidence"] for s in others], rtol=1e-9)


@pytest.mark.slow
def test_cut_anywhere_by_a_kill_the_log_becomes_what_it_would_have_been(run: MadeRun) -> None:
    """Two updates, the second of which refits; cut at 20 places, whole lines and half ones."""
    update(run.run_dir, later(run, 160))
    updated = update(run.run_dir, later(run, 180), refit_every="1d")
    assert updated.refitted and updated.model.name != run.run_dir.name
    whole = updated.log.read_bytes()
    first = whole.index(b'{"kind":"bars"', whole.index(b'"kind":"score"'))
    ends = [i + 1 for i in range(first, len(whole)) if whole[i : i + 1] == b"\n"]
    rng = np.random.default_rng(0)
    for end in (*rng.choice(np.arange(first, len(whole)), 10), *rng.choice(ends, 10)):
        updated.log.write_bytes(whole[:end])
        update(run.run_dir, later(run, 180), refit_every="1d")
        assert updated.log.read_bytes() == whole, end


def test_half_a_line_is_written_anew(run: MadeRun) -> None:
    updated = update(run.run_dir, later(run, 170))
    whole = updated.log.read_bytes()
    for cut in (1, 400, 3000, len(whole) // 2):
        updated.log.write_bytes(whole[:-cut])
        assert watch(run.run_dir).made <= updated.made, "half a line is passed over"
        update(run.run_dir, later(run, 170))
        assert updated.log.read_bytes() == whole, cut


@pytest.mark.slow
def test_a_refit_forecasts_from_its_last_bar_on_and_the_log_says_who(run: MadeRun) -> None:
    updated = update(run.run_dir, later(run, 180), refit_every="30h")
    (begun,), (ended,) = of_kind(updated, "refit"), of_kind(updated, "refitted")
    assert begun["from"] == run.run_dir.name and ended["run"] == updated.model.name
    summary = read_summary(updated.model)
    assert summary["refit_of"] == run.run_dir.name and summary["data"]["until"] == begun["until"] == ended["until"]
    by_model = Counter(f["model"] for f in of_kind(updated, "forecast"))
    assert by_model == {run.run_dir.name: 60, updated.model.name: 2}
    assert updated.forecasts.equals(Forecaster.load(updated.model).predict(later(run, 180)))

    again = update(run.run_dir, later(run, 185), refit_every="30h")
    assert not again.refitted and again.model == updated.model and again.made == 10
    without = update(run.run_dir, later(run, 220))
    assert not without.refitted and without.model == updated.model
    third = update(run.run_dir, later(run, 220), refit_every="30h")
    assert third.refitted and len(of_kind(third, "refitted")) == 2
    assert watch(run.run_dir).refits == (updated.model.name, third.model.name)


def test_a_refit_that_had_begun_is_ended_on_its_own_bars(run: MadeRun) -> None:
    """The next day's bars are there by then, and nobody asks for a refit any more."""
    updated = update(run.run_dir, later(run, 180), refit_every="30h")
    whole = updated.log.read_bytes()
    updated.log.write_bytes(whole[: whole.index(b'{"kind":"refitted"')])
    shutil.rmtree(updated.model)
    waits = copied(run, run.run_dir.parents[1] / "waits")
    shutil.copy(updated.log, waits.run_dir.parent)
    assert update(waits.run_dir, later(run, 182, first=120)).made == 6, "there is not all of the history: it waits"
    again = update(run.run_dir, later(run, 182))
    assert again.refitted and again.model == updated.model
    assert [f["model"] for f in of_kind(again, "forecast")][-6:] == [updated.model.name] * 6
    assert (again.made, again.scored) == (6, 4)


def test_a_refit_that_was_stopped_begins_anew_on_bars_that_were_revised(
    run: MadeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a link to the run is as good as its folder, also once the refit, which lies beside the run, forecasts."""
    (tmp_path / "live").symlink_to(run.run_dir)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("nextbar.train.loop.run_epochs", stopped)
        update(tmp_path / "live", later(run, 180), refit_every="30h")
    updated = update(tmp_path / "live", revised_bars(run, 181, 170), revised=True)
    assert updated.refitted and len(of_kind(updated, "refit")) == 1
    assert of_kind(updated, "refitted")[0]["run"] == updated.model.name
    statuses = Counter(read_summary(path.parent)["status"] for path in tmp_path.glob("test/*/summary.json"))
    assert statuses == {"finished": 2, "failed": 1}, "the run, its refit, and the one that was stopped"
    again = update(tmp_path / "live", revised_bars(run, 182, 170))
    assert (again.run, again.model, again.made) == (run.run_dir.resolve(), updated.model, 2)
    assert watch(tmp_path / "live").model == watch(run.run_dir).model == updated.model.name
    assert list(run_faults(tmp_path / "live")) == []


def stopped(*_: Any, **__: Any) -> None:
    raise SystemExit("stopped")


def test_a_refit_takes_all_of_the_history(run: MadeRun) -> None:
    with pytest.raises(DataError, match=r"aaa_1h begins at .*Give all of them"):
        update(run.run_dir, later(run, 180, first=100), refit_every="1h")
    with pytest.raises(DataError, match="bbb_1h is not there"):
        update(run.run_dir, later(run, 181)[:1], refit_every="1h")
    assert update(run.run_dir, later(run, 182, first=100)).made == 2 * 33


def test_a_short_file_with_the_last_bars_is_enough(run: MadeRun) -> None:
    update(run.run_dir, later(run, 160))
    updated = update(run.run_dir, later(run, 170, first=150))
    assert (updated.made, updated.scored) == (20, 20)
    with pytest.raises(DataError, match=r"begin at .* and those that are known end at"):
        update(run.run_dir, later(run, 190, first=175))
    with pytest.raises(DataError, match="older file"):
        update(run.run_dir, later(run, 169))


def revised_bars(run: MadeRun, n: int, row: int, factor: float = 1.01) -> list[Bars]:
    first, *others = later(run, n)
    close_N = first.columns["close"].copy()
    close_N[row] *= factor
    return [with_columns(first, close=close_N, high=np.maximum(first.columns["high"], close_N)), *others]


def test_a_revised_bar_is_named_with_its_values_and_refused(run: MadeRun) -> None:
    updated = update(run.run_dir, later(run, 170))
    before = updated.log.read_bytes()
    with pytest.raises(DataError, match=r"aaa_1h: close was \S+ and is \S+ \(\+1.00 %\).* in the bar of 2020-01-12T16"):
        update(run.run_dir, revised_bars(run, 175, 160))
    assert updated.log.read_bytes() == before, "nothing was written"
    again = update(run.run_dir, revised_bars(run, 175, 160), revised=True)
    assert updated.log.read_bytes().startswith(before)
    assert len(again.revised) == 1 and again.made == again.scored == 10
    assert watch(run.run_dir).revisions == again.revised
    assert update(run.run_dir, revised_bars(run, 175, 160)).revised == (), "they are what the log knows now"


def test_a_revision_of_the_runs_own_bars_is_dated(run: MadeRun) -> None:
    with pytest.raises(DataError, match=r"aaa_1h: bars were revised from \S+ on"):
        update(run.run_dir, revised_bars(run, 170, 40))
    again = update(run.run_dir, revised_bars(run, 170, 40), revised=True)
    assert "were revised" in again.revised[0]
    assert update(run.run_dir, revised_bars(run, 171, 40)).revised == ()
    assert read_bars_record(run.run_dir) is not None


def test_bars_that_went_or_came_are_revisions_and_a_hole_has_no_outcome(run: MadeRun) -> None:
    update(run.run_dir, later(run, 170))
    holed = [make_bars(b.ticker, "1h", 300, seed=i, price=100 * 10**i, holes={172}) for i, b in enumerate(run.bars)]
    updated = update(run.run_dir, [b.first(178) for b in holed])
    assert watch(run.run_dir).missed == 2
    assert updated.made == 2 * 3, "from the 171st and 172nd bar and from the sixth after the hole"
    with pytest.raises(DataError, match="is there now, which was not"):
        update(run.run_dir, later(run, 180))
    gone = [make_bars(b.ticker, "1h", 300, seed=i, price=100 * 10**i, holes={160, 172}) for i, b in enumerate(run.bars)]
    with pytest.raises(DataError, match="is not there any more"):
        update(run.run_dir, [b.first(178) for b in gone])
    assert update(run.run_dir, [b.first(185) for b in gone], revised=True).made > 0


def test_where_nothing_can_be_forecast_what_is_due_is_scored_all_the_same(run: MadeRun) -> None:
    update(run.run_dir, later(run, 170))
    holed = [make_bars(b.ticker, "1h", 300, seed=i, price=100 * 10**i, holes={173}) for i, b in enumerate(run.bars)]
    with pytest.raises(DataError, match=r"no series can be forecast from its last bar:\n .*bars are missing"):
        update(run.run_dir, [b.first(174) for b in holed])
    assert watch(run.run_dir).scores[0].forecasts == 2 * 23


def test_an_unseen_ticker_is_forecast_beside_the_others(run: MadeRun) -> None:
    stranger = make_bars("ccc", "1h", 300, seed=9, price=7.0)
    updated = update(run.run_dir, [*later(run, 180), stranger.first(180)])
    assert list(updated.forecasts["ticker"]) == ["aaa", "bbb", "ccc"] and updated.made == 3 * 31
    assert {score.name for score in watch(run.run_dir).scores} >= {"ccc_1h"}
    young = make_bars("ddd", "1h", 300, seed=8).last(120)
    assert update(run.run_dir, [young.first(30)]).made == 25, "a ticker that begins after the run's end"


def test_several_resolutions_are_bet_on_apart(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"resolution": ["1h", "4h"], "tickers": ["aaa"]}
    whole = [make_bars("aaa", "1h", 400), make_bars("aaa", "4h", 200, seed=1, start=MONDAY - dt.timedelta(hours=400))]
    run = make_run(tmp_path, bars=[whole[0].first(320), whole[1].first(180)], **fields)
    updated = update(run.run_dir, whole)
    assert updated.made == 81 + 21 and updated.scored == 80 + 20
    assert {s["resolution"] for s in of_kind(updated, "score")} == {"1h", "4h"}
    assert all(s["wealth"] == 0 for s in of_kind(updated, "score"))
    assert list(updated.forecasts["resolution"]) == ["1h", "4h"]


def test_a_model_that_knows_nothing_is_told_from_its_rival(runs: dict[str, MadeRun], tmp_path: Path) -> None:
    """Random parameters have a far higher loss, and once there is an alarm, it stays."""
    run = copied(runs["discrete_grid"], tmp_path)
    updated = update(run.run_dir, later(run, 300))
    assert updated.alarm is not None and updated.evidence > 20
    first = next(s["due"] for s in of_kind(updated, "score") if s["evidence"] >= 20)
    assert updated.alarm == first == watch(run.run_dir).alarm


@pytest.mark.slow
def test_an_ensemble_is_one_model_and_its_refit_begins_with_all_members(tmp_path: Path) -> None:
    whole = make_bars(n=200)
    result = train(tmp_path, make_frame(whole.first(150)), output_mode="distribution", seeds=2, num_epochs=1)
    updated = update(tmp_path / "test", [whole], refit_every="1d")
    assert updated.run == result.run_dir and updated.refitted and updated.made == 51
    assert np.shape(of_kind(updated, "forecast")[0]["law"]["locations"]) == (1, 2)
    assert updated.forecasts.equals(Forecaster.load(updated.model).predict([whole]))
    assert watch(tmp_path / "test").run == result.run_dir, "which the experiment's latest refit repeats"


def test_two_at_once_are_refused(run: MadeRun) -> None:
    log = update(run.run_dir, later(run, 160)).log
    with claim(log, RunBusy("never")), pytest.raises(RunBusy, match="brings the run up to date; wait"):
        update(run.run_dir, later(run, 170))


def test_a_frame_is_as_good_as_bars(run: MadeRun) -> None:
    updated = update(run.run_dir, make_frame(*later(run, 160)))
    assert updated.run == run.run_dir.absolute() and updated.made == 22


def test_bad_arguments_are_told(run: MadeRun) -> None:
    with pytest.raises(ConfigError, match=r"refit_every: found '3 days', should be a whole number"):
        update(run.run_dir, later(run, 160), refit_every="3 days")
    with pytest.raises(ConfigError, match="levels"):
        update(run.run_dir, later(run, 160), levels=[90])
    with pytest.raises(ConfigError, match="no argument 'revise'"):
        update(run.run_dir, later(run, 160), revise=True)  # type: ignore[call-arg]
    with pytest.raises(DataError, match="no column volume"):
        update(run.run_dir, make_frame(*later(run, 160)).drop(columns="volume"))
    with pytest.raises(DataError, match="no file or folder"):
        update(run.run_dir, data=run.run_dir / "nothing")
    (run.run_dir / "bars.json").unlink()
    with pytest.raises(RunError, match="kept no record of its bars"):
        update(run.run_dir, later(run, 160))
    assert not list(run.run_dir.parent.glob("*.jsonl"))
