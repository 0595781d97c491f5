"""Variance recursions and laws against loops, closed forms, scipy and arch."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from builders import make_bars, make_frame, with_columns
from scipy import stats

from nextbar.baselines import name_of
from nextbar.baselines.garch import Garch, GjrGarch
from nextbar.baselines.moves import Moves
from nextbar.baselines.spread import ENOUGH, Constant, Ewma, step_moves, thinned
from nextbar.baselines.student_t import MAX_DF, MIN_DF, NARROWEST, _loss, fit_student_t
from nextbar.baselines.variance import Filter
from nextbar.errors import ConfigError
from nextbar.metrics.task import Task

TRAIN, N = 800, 1000


def law_task(horizon: int = 1, target: str = "log_return") -> Task:
    return Task(output_mode="distribution", horizon=horizon, target=target)


def clustered(z_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Moves with GARCH(1,1) variance 0.05 + 0.2 m^2 + 0.75 v out of independent ones, and their standard deviations."""
    sd_N = np.ones(len(z_N))
    for i in range(1, len(z_N)):
        sd_N[i] = np.sqrt(0.05 + (0.2 * z_N[i - 1] ** 2 + 0.75) * sd_N[i - 1] ** 2)
    return sd_N * z_N, sd_N


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Five degrees of freedom, moves of about one percent."""
    move_N, _ = clustered(np.random.default_rng(0).standard_t(5, N) * np.sqrt(3 / 5))
    return make_frame(with_columns(make_bars(n=N), close=100 * np.exp(0.01 * move_N.cumsum())))


def returns(frame: pd.DataFrame) -> np.ndarray:
    return np.diff(np.log(frame["close"].to_numpy()))


def table(predictor: Ewma | Garch | Constant, frame: pd.DataFrame) -> pd.DataFrame:
    return predictor.fit(frame[:TRAIN]).predict(frame)


def test_recursion_is_the_loop() -> None:
    rng = np.random.default_rng(1)
    move_N = rng.normal(size=300)
    given = Filter(0.1, 0.02, 0.08, 0.9, 1.7, np.ones(4), np.empty(0))
    expected = [1.7]
    for move in move_N[1:]:
        expected.append(0.02 + 0.08 * (move - 0.1) ** 2 + 0.9 * expected[-1])
    np.testing.assert_allclose(given.next_variance(move_N), expected, rtol=1e-12)
    np.testing.assert_array_equal(given.next_variance(move_N[:1]), [1.7])
    total_NH = np.empty((300, 4))
    for n, variance in enumerate(expected):
        total = 0.0
        for h in range(4):
            total += variance
            total_NH[n, h] = total
            variance = 0.02 + 0.98 * variance
    np.testing.assert_allclose(given.ahead(np.array(expected), 4), total_NH, rtol=1e-12)


def test_ewma_is_the_loop(frame: pd.DataFrame) -> None:
    """Zero mean, decay 0.94, from the variance of training, of so few bars that it still shows; flat over the steps."""
    n_train = 40
    found = Ewma(law_task(3)).fit(frame[:n_train]).predict(frame)
    r_N = returns(frame)
    variance = r_N[: n_train - 1].var()
    expected = []
    for i, r in enumerate(r_N):
        variance = 0.94 * variance + 0.06 * r**2
        if i >= n_train - 2:
            expected.append(np.sqrt(variance * np.arange(1, 4)))
    np.testing.assert_allclose(found["scale"].to_numpy().reshape(-1, 3), expected, rtol=1e-10)
    np.testing.assert_allclose(found["close"].to_numpy()[::3], frame["close"][n_train - 1 :], rtol=1e-15)


@pytest.mark.parametrize("rule", [Garch, GjrGarch])
@pytest.mark.parametrize("tail", ["normal", "student_t"])
def test_garch_is_archs(frame: pd.DataFrame, tail: str, rule: type[Garch]) -> None:
    """Fitted by hand on percent returns of training and filtered on; several steps as arch's own forecast sums up."""
    from arch.univariate import GARCH, ConstantMean, Normal, StudentsT

    horizon, percent_N = 5, 100 * returns(frame)

    def model(x_N: np.ndarray) -> ConstantMean:
        law = Normal() if tail == "normal" else StudentsT()
        return ConstantMean(x_N, volatility=GARCH(p=1, o=int(rule is GjrGarch), q=1), distribution=law)

    fitted = model(percent_N[: TRAIN - 1]).fit(disp="off")
    whole = model(percent_N).fix(fitted.params)
    ahead = whole.forecast(horizon=horizon, start=TRAIN - 2, reindex=False)
    found = table(rule(law_task(horizon), tail), frame)
    scale_NH = 100 * found["scale"].to_numpy().reshape(-1, horizon)
    np.testing.assert_allclose(scale_NH[:-1, 0], whole.conditional_volatility[TRAIN - 1 :], rtol=1e-3)
    if tail == "normal":
        np.testing.assert_allclose(scale_NH, np.sqrt(ahead.variance.to_numpy().cumsum(axis=1)), rtol=1e-3)
    else:
        np.testing.assert_allclose(found["df"].to_numpy()[::horizon], fitted.params["nu"], rtol=1e-2)
    close_NH = found["close"].to_numpy().reshape(-1, horizon)
    drift_H = np.log(close_NH / frame["close"].to_numpy()[TRAIN - 1 :, None])
    expected_H = fitted.params["mu"] * np.arange(1, horizon + 1)
    np.testing.assert_allclose(100 * drift_H, np.broadcast_to(expected_H, drift_H.shape), atol=1e-4)


def test_a_fall_adds_to_the_variance_and_half_of_it_to_what_is_expected() -> None:
    """The recursion as a loop; several steps ahead the mean over many moves drawn from a symmetric law."""
    rng = np.random.default_rng(3)
    move_N = rng.normal(size=50)
    given = Filter(0.1, 0.05, 0.03, 0.85, 1.2, np.ones(3), np.empty(0), gamma=0.12)
    variance = 1.2
    for move in move_N[1:]:
        error = move - 0.1
        variance = 0.05 + (0.15 if error < 0 else 0.03) * error**2 + 0.85 * variance
    found_N = given.next_variance(move_N)
    assert found_N[-1] == pytest.approx(variance, rel=1e-12)
    drawn_NH, path_N = np.empty((200_000, 3)), np.full(200_000, variance)
    for h in range(3):
        drawn_NH[:, h] = path_N
        error_N = np.sqrt(path_N) * rng.normal(size=len(path_N))
        path_N = 0.05 + (0.03 + 0.12 * (error_N < 0)) * error_N**2 + 0.85 * path_N
    expected_H = drawn_NH.mean(axis=0).cumsum()
    np.testing.assert_allclose(given.ahead(found_N[-1:], 3)[0], expected_H, rtol=0.005)


def test_gjr_is_the_symmetric_one_where_its_optimiser_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of a move lies among the moves; a fit that says otherwise is none."""
    rng = np.random.default_rng(9)
    move_N = np.r_[0.0, 0.01 * rng.normal(size=300)]
    moves = Moves(np.arange(301), "UTC", move_N / move_N.std(), np.ones(1), np.ones(301))
    symmetric = Garch(law_task())._learn_filter(moves)
    asymmetric = GjrGarch(law_task())._learn_filter(moves)
    assert asymmetric is not None and asymmetric.gamma != 0
    whole = GjrGarch._fitted

    def leaves(self: GjrGarch, x_N: np.ndarray, order: int) -> Filter | None:
        fitted = whole(self, x_N, order)
        return fitted._replace(mean=1e5) if order and fitted else fitted

    monkeypatch.setattr(GjrGarch, "_fitted", leaves)
    found = GjrGarch(law_task())._learn_filter(moves)
    assert found is not None and symmetric is not None and found[:5] == symmetric[:5] and found.gamma == 0

    monkeypatch.setattr(Garch, "_fitted", lambda self, x_N, order: symmetric._replace(mean=-1e5))
    found = Garch(law_task())._learn_filter(moves)
    assert found is not None and found.mean == moves.move_N[1:].mean() and found[1:5] == symmetric[1:5]


def test_garch_starts_as_arch_does(frame: pd.DataFrame) -> None:
    """In training, where the start still shows, the filter is what arch was fitted with."""
    from arch.univariate import GARCH, ConstantMean

    task = law_task()
    predictor = Garch(task).fit(frame[:TRAIN])
    predictor._last = {}  # from the first bar on
    r_N = returns(frame)[: TRAIN - 1]
    fitted = ConstantMean(r_N / r_N.std(), volatility=GARCH(p=1, q=1), rescale=False).fit(disp="off")
    scale_N = predictor.predict(frame[:TRAIN])["scale"].to_numpy()
    np.testing.assert_allclose(scale_N[:-1], fitted.conditional_volatility * r_N.std(), rtol=1e-6)


@pytest.mark.parametrize("tail", ["normal", "student_t"])
def test_garch_fits_in_silence(tail: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where arch's optimiser gives up: six moves in forty, from seeds where it does for the heavy tail."""
    for seed in (0, 3, 5, 14):
        rng = np.random.default_rng(seed)
        _ = rng.standard_t(1, 40), rng.normal(size=40)
        move_N = rng.normal(size=40) * (rng.uniform(size=40) < 0.15)
        moves = Moves(np.arange(40), "UTC", move_N / move_N.std(), np.ones(4), np.ones(40))
        with warnings.catch_warnings(record=True) as caught:
            learnt = Garch(law_task(4), tail)._learn_filter(moves)
        assert learnt is not None and not caught
        assert learnt.factor_H.tolist() == [1.0] * (4 if tail == "normal" else 1)
        assert len(learnt.df_H) == (tail == "student_t")
    assert capsys.readouterr() == ("", "")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tail", ["normal", "student_t"])
def test_garch_is_told_in_the_unit_of_its_moves(frame: pd.DataFrame, tail: str) -> None:
    """Though arch would rather have percentages."""
    move_N = np.r_[0, returns(frame)]
    assert np.var(move_N) < 1e-3
    learnt = Garch(law_task(), tail)._learn_filter(Moves(np.arange(N), "UTC", move_N, np.ones(1), np.ones(N)))
    assert learnt is not None and 0 < learnt.omega < np.var(move_N)
    assert learnt.start == pytest.approx(np.var(move_N), rel=0.9)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_size_of_moves_does_not_matter(frame: pd.DataFrame, scale: float) -> None:
    """A far too small or large unit is where an optimiser gives up."""
    shift = np.log(frame["close"]).diff().fillna(0).cumsum()
    changes = frame.assign(close=scale * (shift - shift[:TRAIN].mean()))  # not above zero: changes take part
    found = table(Garch(law_task(target="close")), changes)["scale"]
    expected = table(Garch(law_task(target="close")), frame)["scale"] / frame["close"][TRAIN - 1 :].to_numpy()
    np.testing.assert_allclose(found / scale, expected, rtol=1e-6)


def test_garch_finds_the_true_law() -> None:
    """On a series that is GARCH, its loss is that of the true law; EWMA's and the constant's are 0.036 and 0.14 above.

    The optimum of this series is known: about 1.279 nats, 1.315 for EWMA, 1.419 for a constant. Over five steps
    squared moves are as large as forecast.
    """
    n, n_train, horizon = 200_000, 60_000, 5
    z_N = np.random.default_rng(6).normal(size=n)
    move_N, sd_N = clustered(z_N)
    path_N = 0.01 * move_N.cumsum()
    frame = make_frame(with_columns(make_bars(n=n), close=100 * np.exp(path_N)))
    late = slice(n_train, n - horizon + 1)

    def nll(sd_N: np.ndarray) -> float:
        return float(np.mean(np.log(sd_N) + 0.5 * np.log(2 * np.pi) + 0.5 * (move_N[late] / sd_N) ** 2))

    scale_NH = {}
    for rule in (Garch, Ewma, Constant):
        found = rule(law_task(horizon)).fit(frame[:n_train]).predict(frame)
        scale_NH[rule] = 100 * found["scale"].to_numpy().reshape(-1, horizon)[:-horizon]
    true = nll(sd_N[late])
    assert true == pytest.approx(1.279, abs=0.02)
    regret = {rule: nll(scale[:, 0]) - true for rule, scale in scale_NH.items()}
    assert abs(regret[Garch]) < 0.002
    assert regret[Ewma] == pytest.approx(0.036, abs=0.01) and regret[Constant] == pytest.approx(0.14, abs=0.03)
    for h in range(1, horizon + 1):
        origin_N = np.arange(n_train - 1, n - horizon)
        ahead_N = 100 * (path_N[origin_N + h] - path_N[origin_N])
        assert np.mean((ahead_N / scale_NH[Garch][:, h - 1]) ** 2) == pytest.approx(1, abs=0.04)


def test_constant_laws(frame: pd.DataFrame) -> None:
    """Mean and standard deviation of the h-step returns; scipy's likeliest Student-t."""
    task, path_N = law_task(3), np.log(frame["close"].to_numpy())[:TRAIN]
    normal, heavy = (table(Constant(task, tail), frame)[:3] for tail in ("normal", "student_t"))
    assert "df" not in normal
    last = frame["close"][TRAIN - 1]
    for h in range(1, 4):
        move_N = path_N[h:] - path_N[:-h]
        spread_N = path_N[h : len(path_N) - 3 + h] - path_N[:-3]  # of whole windows, as the reference's
        assert normal["close"][h - 1] == pytest.approx(last * np.exp(move_N.mean()), rel=1e-12)
        assert normal["scale"][h - 1] == pytest.approx(spread_N.std(), rel=1e-9)
        df, location, unit = stats.t.fit(move_N / move_N.std())
        assert heavy["df"][h - 1] == pytest.approx(df, rel=1e-2)
        assert heavy["close"][h - 1] == pytest.approx(last * np.exp(location * move_N.std()), rel=1e-5)
        assert heavy["scale"][h - 1] == pytest.approx(unit * np.sqrt(df / (df - 2)) * move_N.std(), rel=1e-2)


@pytest.mark.parametrize("rule", [Ewma, Garch])
def test_tail_of_each_step_is_fitted_to_standardised_moves(frame: pd.DataFrame, rule: type[Ewma | Garch]) -> None:
    horizon = 4
    predictor = rule(law_task(horizon), "student_t").fit(frame[:TRAIN])
    learnt = predictor._learnt[0]
    assert learnt.df_H.shape == learnt.factor_H.shape == (horizon,)
    r_N = np.r_[0, returns(frame)[: TRAIN - 1]] / predictor._reference.move_std_SH[0, 0]
    sd_NH = np.sqrt(learnt.ahead(learnt.next_variance(r_N), horizon))
    for h in range(2 if rule is Garch else 1, horizon + 1):
        z_N = np.array([r_N[i + 1 : i + 1 + h].sum() - h * learnt.mean for i in range(TRAIN - h)]) / sd_NH[:-h, h - 1]
        df, _, unit = stats.t.fit(z_N, floc=0)
        assert learnt.df_H[h - 1] == pytest.approx(df, rel=1e-2)
        assert learnt.factor_H[h - 1] == pytest.approx(unit * np.sqrt(df / (df - 2)), rel=1e-2)
    found = predictor.predict(frame[:TRAIN])
    np.testing.assert_allclose(
        found["scale"], sd_NH[-1] * learnt.factor_H * predictor._reference.move_std_SH[0, 0], rtol=1e-9
    )
    np.testing.assert_array_equal(found["df"], learnt.df_H)


def test_student_t_is_scipys() -> None:
    x_N = 3 + 2 * np.random.default_rng(3).standard_t(4, 4000)
    df, location, unit = stats.t.fit(x_N)
    found = fit_student_t(x_N)
    np.testing.assert_allclose(found, (location, unit * np.sqrt(df / (df - 2)), df), rtol=2e-4)
    df, _, unit = stats.t.fit(x_N, floc=2.5)
    np.testing.assert_allclose(fit_student_t(x_N, 2.5), (2.5, unit * np.sqrt(df / (df - 2)), df), rtol=2e-4)
    parameters = np.array([2.7, 0.3, 1.2])
    loss, slope = _loss(parameters, x_N)
    assert loss == pytest.approx(-stats.t.logpdf(x_N, np.exp(1.2), 2.7, np.exp(0.3)).mean(), rel=1e-12)
    for k in range(3):
        step = np.eye(3)[k] * 1e-6
        difference = (_loss(parameters + step, x_N)[0] - _loss(parameters - step, x_N)[0]) / 2e-6
        assert slope[k] == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize("unit", [0.01, 100.0])
def test_a_student_t_of_other_units_is_the_same_law(unit: float) -> None:
    x_N = 0.3 + np.random.default_rng(3).standard_t(4, 4000)
    location, scale, df = fit_student_t(x_N)
    np.testing.assert_allclose(fit_student_t(unit * x_N), (unit * location, unit * scale, df), rtol=1e-3)


def test_student_t_always_has_a_spread() -> None:
    rng = np.random.default_rng(4)
    wild, tame = fit_student_t(rng.standard_t(1.2, 3000)), fit_student_t(rng.uniform(-1, 1, 3000))
    assert wild.df == pytest.approx(MIN_DF) and np.isfinite(wild.scale)
    assert tame.df == pytest.approx(MAX_DF)


@pytest.mark.parametrize("unit", [0.01, 1.0, 100.0])
def test_a_law_of_moves_that_are_mostly_the_same_has_the_least_unit(unit: float) -> None:
    x_N = np.r_[np.zeros(900), unit * np.random.default_rng(6).normal(size=100)]
    found = fit_student_t(x_N, 0.0)
    assert found.scale * np.sqrt((found.df - 2) / found.df) == pytest.approx(NARROWEST * x_N.std(), rel=1e-6)


def test_a_law_is_named_by_its_family_and_tail() -> None:
    names = [name_of(rule(law_task(), tail)) for rule in (Constant, Ewma, Garch) for tail in ("normal", "student_t")]
    assert names == ["constant_normal", "constant_t", "ewma_normal", "ewma_t", "garch_normal", "garch_t"]
    assert [name_of(rule(law_task())) for rule in (Constant, Ewma, Garch)] == names[::2]


def test_without_the_package_arch_there_is_no_garch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbar.baselines.garch.find_spec", lambda name: None if name == "arch" else name)
    with pytest.raises(ConfigError) as error:
        Garch(law_task(), "student_t")
    assert str(error.value) == "baseline garch_t: the package arch is not installed; pip install 'nextbar[baselines]'"


def test_a_close_that_always_moves_alike_takes_the_laws_of_others(frame: pd.DataFrame) -> None:
    """Nothing can be learnt from a move that does not vary; in units of its own spread the mean law is another's."""
    steady = make_frame(with_columns(make_bars("steady", n=TRAIN), close=2.0 ** (np.arange(TRAIN) % 900 - 400)))
    both = pd.concat([frame[:TRAIN], steady])
    for rule in (Constant, Ewma):
        predictor = rule(law_task()).fit(both)
        learnt, typical = predictor._learnt[1], predictor._learnt[-1]
        for value, expected in zip(learnt, typical, strict=True):
            np.testing.assert_array_equal(value, expected)
        np.testing.assert_array_equal(learnt[0], predictor._learnt[0][0])
    for move_N, known in ((np.full(40, 0.25), False), (0.01 * np.cos(np.arange(40)), True)):
        moves = Moves(np.arange(40), "UTC", move_N, np.ones(1), np.ones(40))
        assert (Constant(law_task())._learn(moves) is not None) == known, "in whatever unit"


def test_moves_of_several_steps() -> None:
    move_N = np.random.default_rng(5).normal(size=50)
    np.testing.assert_allclose(step_moves(move_N, 7), [move_N[i + 1 : i + 8].sum() for i in range(43)], atol=1e-12)
    assert len(thinned(np.zeros(48_000), 96)) == 2000
    assert len(thinned(np.zeros(3 * ENOUGH), 96)) == ENOUGH and len(thinned(np.zeros(50), 96)) == 50
