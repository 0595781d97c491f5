"""The strongest simple rival: chosen on validation, fitted before it, and blind to whatever came later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from builders import make_bars, make_config, with_columns
from experiments import GRID

from nextbar.bars.bars import Bars
from nextbar.baselines import rivals
from nextbar.baselines.base import Baseline
from nextbar.baselines.candidates import ORDER, baselines_of, fit_baseline, forecasts
from nextbar.baselines.garch import Garch, GjrGarch
from nextbar.baselines.history import History
from nextbar.baselines.point import Persistence
from nextbar.baselines.range_har import RangeHarBaseline
from nextbar.baselines.rivals import Rival, by_validation, fit_candidates, strongest_rival
from nextbar.baselines.spread import Constant, Ewma
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset, build_dataset
from nextbar.data.splits import Cuts
from nextbar.metrics.scorer import Scorer
from nextbar.metrics.task import Task
from nextbar.train.scored_spans import ScoredSpans, reference_of

MODES: dict[str, dict[str, Any]] = {
    "mean": {"output_mode": "mean"},
    "distribution": {"output_mode": "distribution", "target": "log_return"},
    "prices": {"output_mode": "distribution", "target": "close", "horizon": 2},
    "discrete_grid": {"output_mode": "discrete_grid", "discrete_grid_levels": GRID},
}
N = 700


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    rivals._candidates.clear()
    yield
    rivals._candidates.clear()


def market(n: int = N) -> list[Bars]:
    """Two tickers of heavy-tailed moves whose spread wanders; prices far apart."""
    series = []
    for seed, (ticker, price) in enumerate((("aaa", 100.0), ("bbb", 9000.0))):
        rng = np.random.default_rng(seed)
        spread_N = np.exp(np.convolve(rng.normal(size=n), 0.25 * 0.97 ** np.arange(n))[:n])
        move_N = 0.004 * spread_N * rng.standard_t(4, n)
        close_N = price * np.exp(move_N.cumsum())
        open_N = np.r_[price, close_N[:-1]]
        top, low = (0.003 * spread_N * rng.exponential(size=n) for _ in range(2))
        prices = {
            "open": open_N,
            "high": np.maximum(open_N, close_N) * np.exp(top),
            "low": np.minimum(open_N, close_N) * np.exp(-low),
            "close": close_N,
        }
        series.append(with_columns(make_bars(ticker, n=n), **prices))
    return series


def changed(bars: Bars, begin: int, seed: int = 9) -> Bars:
    """Other prices from the bar on that opens at ``begin``."""
    factor_N = np.where(bars.time_N >= begin, np.random.default_rng(seed).uniform(0.5, 2, len(bars)), 1.0)
    return with_columns(bars, **{name: bars.columns[name] * factor_N for name in ("open", "high", "low", "close")})


def experiment(mode: str = "distribution", **fields: Any) -> ExperimentConfig:
    return make_config(tickers=["aaa", "bbb"], **MODES[mode] | fields)


def spans_of(config: ExperimentConfig, bars: list[Bars]) -> tuple[Dataset, ScoredSpans]:
    dataset = build_dataset(config, bars)
    return dataset, ScoredSpans(config, dataset)


@pytest.mark.parametrize("mode", MODES)
def test_it_is_the_one_with_the_lowest_ranking_score_on_validation(mode: str) -> None:
    """Each candidate scored here by its frame-based forecasts' own path: fitted on the bars before the cut."""
    config = experiment(mode)
    dataset, spans = spans_of(config, market())
    task = Task.of(config)
    rival = spans.rival
    scorer = Scorer(dataset.outcomes("validation"), reference_of(dataset, "validation", task), task)
    known = [History.of(b.between(None, dataset.cuts.training_end - 1)) for b in dataset.bars]
    assert all(history.time_N[-1] + 3600 < dataset.cuts.training_end for history in known)
    found = {}
    for name, scores in rival.scores.items():
        baseline = next(b for b in baselines_of(task) if b.name == name).learn(known, dataset.calendars)
        forecasts = [
            baseline.forecast(History.of(b), calendar, dataset.panel.within(dataset.origins["validation"], s))
            for s, (b, calendar) in enumerate(zip(dataset.bars, dataset.calendars, strict=True))
        ]
        joined = type(forecasts[0])(
            *(None if p[0] is None else np.concatenate(p) for p in zip(*forecasts, strict=True))
        )
        scored = scorer.score(joined)
        found[name] = scorer.ranking(scored)
        assert scores == pytest.approx({task.leading: scored.mean.pooled[task.leading], "ranking_score": found[name]})
    assert rival.baseline is not None and rival.baseline.name == min(found, key=found.__getitem__)
    assert list(found) == [name for name in ORDER if name in found]
    laws = {f"{family}_{tail}" for family in ("constant", "ewma", "garch", "gjr_garch", "range_har")
            for tail in ("normal", "t")} | {"range_har_trailing_t"}  # fmt: skip
    plain = {"persistence", "drift", "seasonal"}
    expected = plain | {"drift_median", "ar", "ar_median"}
    of_mode = {"mean": expected, "discrete_grid": laws | {"frequencies"}}
    assert set(found) == of_mode.get(mode, laws | plain | {"range_har_skew_t", "range_har_trailing_skew_t"})
    assert not rival.left_out


def test_heavy_tails_that_wander_are_not_the_plain_baselines() -> None:
    _, spans = spans_of(experiment(), market())
    assert spans.rival.baseline is not None
    assert spans.rival.baseline.name in {
        "range_har_t",
        "range_har_trailing_t",
        "range_har_skew_t",
        "range_har_trailing_skew_t",
        "garch_t",
        "gjr_garch_t",
        "ewma_t",
    }
    assert spans.rival.scores[spans.rival.baseline.name]["ranking_score"] < -0.1


@pytest.mark.parametrize("mode", MODES)
def test_bars_of_the_test_span_choose_nothing(mode: str) -> None:
    """Whatever they are, the rival, its parameters and its forecasts of validation are bit-equal."""
    config = experiment(mode)
    dataset, spans = spans_of(config, market())
    # a bar belongs to test when it closes at the cut or later
    other_dataset, other = spans_of(config, [changed(b, dataset.cuts.test - 3600) for b in market()])
    assert other_dataset.cuts == dataset.cuts and other_dataset.fingerprint != dataset.fingerprint
    assert json.dumps(spans.rival.to_dict()) == json.dumps(other.rival.to_dict())
    for ours, theirs in zip(*(s._beside_rival["validation"].rival_forecast for s in (spans, other)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("mode", MODES)
def test_a_bar_of_validation_changes_no_parameter_and_no_forecast_before_it(mode: str) -> None:
    """Of no candidate. From the bar on all are changed; the first of them has not closed at the origins compared."""
    config = experiment(mode)
    dataset, _ = spans_of(config, market())
    task, origin_N = Task.of(config), dataset.origins["validation"]
    middle = int(np.median(dataset.panel.time_R[origin_N]))
    other = build_dataset(config, [changed(b, middle) for b in market()])
    fits = [fit_candidates(d, task, d.cuts.training_end).fitted for d in (dataset, other)]
    early_N = origin_N[dataset.panel.time_R[origin_N] < middle]
    assert 20 < len(early_N) < len(origin_N)
    for name, baseline in fits[0].items():
        assert json.dumps(baseline.to_dict()) == json.dumps(fits[1][name].to_dict()), name
        found = [
            forecasts(fit[name], {}, d.panel, d.calendars, early_N, reference_of(d, "validation", task))
            for fit, d in zip(fits, (dataset, other), strict=True)
        ]
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_the_training_span_is_what_it_learns_from() -> None:
    """The counterpart: its last bar counts."""
    config = experiment()
    dataset, spans = spans_of(config, market())
    last = int(dataset.bars[0].time_N[dataset.bars[0].close_time_N < dataset.cuts.training_end][-1])
    _, other = spans_of(config, [changed(b, last) for b in market()])
    assert spans.rival.to_dict() != other.rival.to_dict()


def test_the_chosen_one_may_learn_from_validation_afterwards() -> None:
    config = experiment()
    dataset, spans = spans_of(config, market())
    task = Task.of(config)
    later = spans.rival.fitted(dataset, dataset.cuts.test)
    assert later.scores == spans.rival.scores
    assert spans.rival.baseline is not None and later.baseline is not None
    assert later.baseline.name == spans.rival.baseline.name
    expected = fit_candidates(dataset, task, dataset.cuts.test).fitted[later.baseline.name]
    assert later.baseline.to_dict() == expected.to_dict() != spans.rival.baseline.to_dict()


@pytest.mark.parametrize(("mode", "first"), [("mean", "persistence"), ("distribution", "range_har_t")])
def test_without_validation_it_is_the_first_of_a_fixed_order(mode: str, first: str) -> None:
    dataset, _ = spans_of(experiment(mode), market())
    rival = strongest_rival(dataset, Task.of(experiment(mode)), None)
    assert rival.baseline is not None and rival.baseline.name == first and rival.scores == {}


def test_of_two_equally_good_ones_it_is_the_first_of_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "_validated", lambda *_: {"garch_t": {"ranking_score": -1.0},
                                                         "ewma_t": {"ranking_score": -1.0},
                                                         "constant_t": {"ranking_score": None}})  # fmt: skip
    _, spans = spans_of(experiment(), market())
    assert spans.rival.baseline is not None and spans.rival.baseline.name == "garch_t"


def test_where_no_series_has_a_baseline_the_leading_error_chooses() -> None:
    scores = {"garch_t": (1.4, None), "ewma_t": (1.2, None), "drift": (None, None), "constant_t": (1.2, None)}

    def names(**ranking: float) -> list[str]:
        return by_validation({n: {"nll": e, "ranking_score": ranking.get(n, r)} for n, (e, r) in scores.items()})

    assert names() == ["ewma_t", "constant_t", "garch_t", "drift"]
    assert names(drift=0.3, garch_t=-0.1) == ["garch_t", "drift", "ewma_t", "constant_t"], "errors are no scores"
    assert by_validation({}) == []


def test_no_ranges_no_range_har() -> None:
    """The feature set close has the close alone, also where the bars have more: that is all a run is made of."""
    _, spans = spans_of(experiment(features="close"), market())
    laws = {f"range_har_{kind}" for kind in ("normal", "t", "trailing_t", "skew_t", "trailing_skew_t")}
    assert set(spans.rival.left_out) == laws
    assert spans.rival.left_out["range_har_t"] == "it needs open, high and low, which aaa_1h does not have"
    assert "garch_t" in spans.rival.scores


def test_what_takes_long_is_left_out_by_the_number_of_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of counts, so that the same bars have the same rivals on every machine."""
    dataset, spans = spans_of(experiment("prices"), market())
    training = sum(int((b.close_time_N < dataset.cuts.training_end).sum()) for b in dataset.bars)
    monkeypatch.setattr(Garch, "most_bars", 2 * training)  # two steps
    monkeypatch.setattr("nextbar.baselines.spread.MOST_BARS", 2 * training)
    assert not fit_candidates(dataset, spans.task, dataset.cuts.training_end).left_out
    monkeypatch.setattr(Garch, "most_bars", 2 * training - 1)
    monkeypatch.setattr("nextbar.baselines.spread.MOST_BARS", 2 * training - 1)
    left_out = fit_candidates(dataset, spans.task, dataset.cuts.training_end).left_out
    assert set(left_out) == {"constant_t", "ewma_t", "garch_t", "garch_normal", "gjr_garch_t", "gjr_garch_normal"}
    assert left_out["garch_t"] == (
        f"{2 * training:,} training bars x steps, and it is fitted on {2 * training - 1:,} at most"
    )


def test_limits_are_stated_where_fits_take_long() -> None:
    task = Task(output_mode="distribution")
    for rule in (Garch, GjrGarch, Ewma, Constant, RangeHarBaseline):
        assert np.isfinite(rule(task, "student_t").most_bars)
    for quick in (Ewma(task), Constant(task), Persistence(task)):
        assert not np.isfinite(quick.most_bars), "whatever is asked, one law is left"


def test_a_trained_ticker_of_a_handful_of_bars_has_its_own_unit_and_the_parameters_of_others() -> None:
    """Nine moves before validation, three times as wild: too few to learn from, and the others' spread is not its own.
    Beside the plain baseline too, which is fitted on its bars up to the first origin of test."""
    config = make_config(tickers=["aaa", "bbb"], **MODES["distribution"], seq_len=2)
    calm, wild = make_bars("aaa", n=N), make_bars("bbb", n=N, seed=1, move=0.03)
    time_N = calm.close_time_N
    wild, cuts = wild.between(initial=int(time_N[439])), Cuts(int(time_N[450]), int(time_N[580]))
    dataset = build_dataset(config, [calm, wild], cuts)
    spans = ScoredSpans(config, dataset)
    assert dataset.learnt == (True, False)
    origin_N = dataset.origins["test"]
    series_N, reference = dataset.panel.series_R[origin_N], spans.scorers["test"].reference
    known_N = wild.columns["close"][wild.time_N <= dataset.panel.time_R[origin_N[series_N == 1][0]]]
    assert reference.move_std_SH[1, 0] == pytest.approx(np.diff(np.log(known_N)).std(), rel=1e-12)
    alone = Constant(spans.task, "student_t").learn([History.of(calm.first(450))], dataset.calendars[:1])
    rival = fit_baseline(Constant(spans.task, "student_t"), dataset, dataset.cuts.training_end)
    found = forecasts(rival, {}, dataset.panel, dataset.calendars, origin_N, reference)
    shape = alone._learnt[0]
    np.testing.assert_allclose(found.df_NH[series_N == 1], shape.df_H[0], rtol=1e-9)
    np.testing.assert_allclose(found.scale_NH[series_N == 1], shape.scale_H[0] * reference.move_std_SH[1, 0], rtol=1e-9)


def test_ranges_of_which_a_resolution_has_too_few_are_no_rival() -> None:
    """A hundred days beside their hours: nothing would forecast the days."""
    hours = make_bars("aaa", n=2400)
    days = make_bars("aaa", "1d", n=100, seed=1)
    config = make_config(tickers=["aaa"], resolution=["1h", "1d"], **MODES["distribution"], seq_len=2)
    dataset, spans = spans_of(config, [hours, days])
    assert dataset.learnt == (True, False)
    rival = strongest_rival(dataset, spans.task, spans.scorers["validation"])
    assert rival.baseline is not None
    assert rival.left_out["range_har_t"] == "it needs 101 training bars of a series at 1d"


def test_where_nothing_can_be_fitted_there_is_no_rival() -> None:
    """A close that stands still in training has no spread; the reasons are kept."""
    still = [with_columns(b, close=np.where(np.arange(N) < 500, 5.0, b.columns["close"])) for b in market()]
    dataset = build_dataset(experiment(), still)
    rival = strongest_rival(dataset, Task.of(experiment()), None)
    assert rival.baseline is None and "has no spread" in rival.left_out["garch_t"]
    again = Rival.from_dict(json.loads(json.dumps(rival.to_dict())), Task.of(experiment()))
    assert again == rival and again.words == ""
    origin_N = dataset.origins["test"]
    reference = reference_of(dataset, "test", Task.of(experiment()))
    assert again.strongest(dataset.panel, dataset.calendars, origin_N, reference) is None


@pytest.mark.parametrize("mode", MODES)
def test_written_down_and_read_again_it_forecasts_the_same(mode: str) -> None:
    config = experiment(mode)
    dataset, spans = spans_of(config, market())
    again = Rival.from_dict(json.loads(json.dumps(spans.rival.to_dict(), allow_nan=False)), spans.task)
    origin_N = np.random.default_rng(0).permutation(dataset.origins["test"])  # in any order
    reference = spans.scorers["test"].reference
    for ours, theirs in zip(
        *(rival.strongest(dataset.panel, dataset.calendars, origin_N, reference) for rival in (again, spans.rival)),
        strict=True,
    ):
        if isinstance(ours, tuple):
            for one, other in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(one, other)
        else:
            assert ours == theirs


def test_candidates_are_fitted_once_for_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for experiments with another context; not for other bars, another question or other cuts."""
    fits: list[str] = []
    learn = Baseline.learn

    def counted(self: Baseline, *args: Any) -> Baseline:
        fits.append(self.name)
        return learn(self, *args)

    monkeypatch.setattr(Baseline, "learn", counted)
    for fields, expected in (
        ({}, 6),
        ({"seq_len": 9}, 0),
        ({"horizon": 2}, 6),
        ({"validation_split": 0.1}, 6),
        ({}, 0),
    ):
        fits.clear()
        assert spans_of(experiment("mean", **fields), market())[1].rival.baseline is not None
        assert len(fits) == expected, fields
    fits.clear()
    assert spans_of(experiment("mean"), market(N + 1))[1].rival.baseline is not None
    assert len(fits) == 6 and len(rivals._candidates) == rivals.KEPT
    assert spans_of(experiment("mean", horizon=3), market())[1].rival.baseline is not None
    assert len(rivals._candidates) == rivals.KEPT, "those of the first data set are forgotten"


def test_of_many_windows_some_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every n-th, so that all of the span and all series have a say."""
    config = experiment("distribution")
    dataset, spans = spans_of(config, market())
    validation = spans.scorers["validation"]
    monkeypatch.setattr(rivals, "MOST_VALUES", 90)
    assert len(dataset.origins["validation"]) == 224
    candidates = fit_candidates(dataset, spans.task, dataset.cuts.training_end)
    found = rivals._validated(candidates, dataset, validation)
    errors_N = validation.leading_errors(
        forecasts(candidates.fitted["ewma_t"], {}, dataset.panel, dataset.calendars,
                         dataset.origins["validation"], validation.reference)
    )[::3]  # fmt: skip
    series_N = validation.outcomes.series_N[::3]
    expected = np.mean([errors_N[series_N == s].mean() for s in (0, 1)])
    assert found["ewma_t"]["nll"] == pytest.approx(expected, rel=1e-12)
