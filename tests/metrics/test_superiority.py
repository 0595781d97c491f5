"""Superiority over everything that costs nothing, and the law that a verdict quotes what it tests."""

from __future__ import annotations

import math
import re
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_spans import EDGES, NAMES, make_scorer, random_bins, random_forecast
from scipy import stats

from nextbar.metrics.scorer import FreeForecast, Scorer
from nextbar.metrics.significance import diebold_mariano
from nextbar.metrics.superiority import SIGNIFICANT, FreeLosses, beats, one_sided, superiority
from nextbar.metrics.timeline import per_timestamp
from nextbar.types import Forecast

QUESTIONS = (
    {"output_mode": "mean"},
    {"output_mode": "mean", "target": "log_return"},
    {"output_mode": "distribution"},
    {"output_mode": "distribution", "target": "log_return"},
    {"output_mode": "discrete_grid", "edges": EDGES},
)
NUMBERS = re.compile(r": (?P<loss>[a-z_ ]+) (?P<model>[-\d.e+]+) against (?P<rival>[-\d.e+]+)")
HARDEST = re.compile(r"\((?P<loss>[a-z_ ]+) (?P<rival>[-\d.e+]+), Diebold-Mariano (?P<statistic>[-+\d.]+),")


def shaken(scorer: Scorer, seed: int, share: float, noise: float) -> Forecast:
    """A forecast somewhere between a made-up one and noise around it."""
    rng = np.random.default_rng(seed)
    if scorer.task.edges:
        logits_NHK = random_bins(scorer).log_probs_NHK * share + noise * rng.normal(
            size=(*scorer.outcomes.close_NH.shape, len(EDGES) - 1)
        )
        return Forecast(log_probs_NHK=logits_NHK - np.log(np.exp(logits_NHK).sum(-1, keepdims=True)))
    made = random_forecast(scorer)
    move_NH = 0.01 * noise * rng.normal(size=made.location_NH.shape)
    if scorer.task.target == "close":
        move_NH *= scorer.outcomes.last_close_N[:, None]
    return made._replace(location_NH=share * made.location_NH + move_NH, scale_NH=made.scale_NH * np.exp(noise))


def by_definition(scorer: Scorer, forecast: Forecast, strongest: Forecast) -> dict[str, np.ndarray]:
    """Losses per timestamp by name, written down anew."""
    last_N1, close_NH = scorer.outcomes.last_close_N[:, None], scorer.outcomes.close_NH
    move_NH = np.log(close_NH / last_N1)
    if scorer.task.edges:
        chosen_NH = np.searchsorted(np.array(EDGES[1:-1]), 100 * (close_NH / last_N1 - 1), side="right")
        loss_NH = -np.take_along_axis(forecast.log_probs_NHK, chosen_NH[..., None], axis=-1)[..., 0]
        return {"log_loss": per_timestamp(scorer.outcomes, loss_NH.mean(axis=1))}
    location_NH, scale_NH = forecast.location_NH, forecast.scale_NH
    if scorer.task.output_mode == "mean":
        is_close = scorer.task.target == "close"
        predicted_NH = np.log((last_N1 + location_NH) / last_N1) if is_close else location_NH
        return {"squared log error": per_timestamp(scorer.outcomes, ((predicted_NH - move_NH) ** 2).mean(axis=1))}
    origins = len(np.unique(scorer.outcomes.origin_time_N))
    tail = min(max(12 * scorer.task.horizon / origins, 0.005), 0.05)  # of the censored interval
    reach_NH = NormalDist().inv_cdf(1 - tail) * strongest.scale_NH
    low_NH, high_NH = strongest.location_NH - reach_NH, strongest.location_NH + reach_NH
    change_NH, unit_NH = (close_NH - last_N1, close_NH / 100) if scorer.task.target == "close" else (move_NH, 0.01)
    z_NH = (change_NH - location_NH) / scale_NH
    loss_NH = 0.5 * z_NH**2 + np.log(scale_NH / unit_NH) + 0.5 * math.log(2 * math.pi)
    law = stats.norm(location_NH, scale_NH)
    loss_NH = np.where(change_NH <= low_NH, -law.logcdf(low_NH), loss_NH)
    loss_NH = np.where(change_NH >= high_NH, -law.logsf(high_NH), loss_NH)
    return {"censored nll": per_timestamp(scorer.outcomes, loss_NH.mean(axis=1))}


@settings(max_examples=60, deadline=None)
@given(
    question=st.sampled_from(QUESTIONS),
    horizon=st.sampled_from([1, 3]),
    seeds=st.lists(st.integers(0, 2**31), min_size=3, max_size=3, unique=True),
    shares=st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), min_size=3, max_size=3),
    noises=st.lists(st.sampled_from([0.0, 0.02, 0.2, 0.6]), min_size=3, max_size=3),
)
def test_a_verdict_names_and_quotes_the_loss_that_it_tests(
    question: dict[str, object], horizon: int, seeds: list[int], shares: list[float], noises: list[float]
) -> None:
    """The numbers are means of that loss, and their difference has the sign of the statistic beside them."""
    scorer = make_scorer(horizon, **question)
    model, strongest, other = (shaken(scorer, *drawn) for drawn in zip(seeds, shares, noises, strict=True))
    held = scorer.beside(FreeForecast("a", "A", strongest), [FreeForecast("b", "B", other)])
    report = held.report(model)
    made = {"model": model, "A": strongest, "B": other}
    losses = {name: by_definition(scorer, forecast, strongest) for name, forecast in made.items()}
    said = NUMBERS.search(report["verdict"]) or re.search(
        r"same \((?P<loss>[a-z_ ]+) (?P<model>[-\d.e+]+) against (?P<rival>[-\d.e+]+)\)", report["verdict"]
    )
    assert said, report["verdict"]
    (name,) = losses["model"]
    means = {who: float(loss[name].mean()) for who, loss in losses.items()}
    assert said["loss"] == name == report["tested"]["loss"]
    assert float(said["model"]) == pytest.approx(means["model"], rel=1e-4)
    assert float(said["rival"]) == pytest.approx(means["A"], rel=1e-4)
    for who, node in report["tested"]["against"].items():
        if node["test"] and node["words"] in means:
            assert np.sign(node["test"]["statistic"]) == np.sign(means[node["words"]] - means["model"]), who
    if hardest := HARDEST.search(report["verdict"]):
        node = report["tested"]["against"][report["tested"]["hardest"]]
        assert hardest["loss"] == name and float(hardest["rival"]) == pytest.approx(node["loss"], rel=1e-4)
        difference = node["loss"] - report["tested"]["model"]
        assert float(hardest["statistic"]) == 0 or np.sign(float(hardest["statistic"])) == np.sign(difference)
    opening = report["verdict"].split()[0]
    assert {"Beats": True, "Lower": True, "Does": False}[opening] == (float(said["model"]) < float(said["rival"])) or (
        said["model"] == said["rival"]
    )


def test_the_largest_p_value_decides_and_names_the_hardest() -> None:
    rng = np.random.default_rng(1)
    model_T = rng.normal(size=400)
    losses = {gain: model_T + gain + 0.5 * rng.normal(size=400) for gain in (0.5, 0.1, 0.02, -0.3)}
    held = [FreeLosses(str(gain), f"{gain} worse", loss_T) for gain, loss_T in losses.items()]
    one_sided_p = {p.name: one_sided(diebold_mariano(model_T, p.loss_T, 1)) for p in held}
    for some in (held[:1], held[:2], held[:3], held):
        record = superiority("nll", model_T, some, 1)
        assert record is not None
        assert record["hardest"] == max((p.name for p in some), key=one_sided_p.get)
        report = {"tested": record, "skill": {}}
        assert beats(report, "nll") == all(one_sided_p[p.name] < SIGNIFICANT / 2 for p in some)
    assert beats({"tested": superiority("nll", model_T, held[:2], 1), "skill": {}}, "nll")
    assert not beats({"tested": superiority("nll", model_T, held[:3], 1), "skill": {}}, "nll")


def test_the_same_forecast_is_never_beaten_and_a_broken_one_is_left_out() -> None:
    model_T = np.random.default_rng(2).normal(size=400)
    worse, same = FreeLosses("worse", "worse", model_T + 1 + 0.1 * model_T), FreeLosses("same", "same", model_T)
    broken = FreeLosses("broken", "broken", np.where(np.arange(400) == 7, np.nan, model_T))
    record = superiority("nll", model_T, [worse, same, broken], 1)
    assert record is not None and set(record["against"]) == {"worse", "same"} and record["hardest"] == "same"
    assert not beats({"tested": record, "skill": {}}, "nll")
    assert superiority("nll", model_T, [broken, worse], 1) is None
    assert superiority("nll", broken.loss_T, [worse], 1) is None
    assert one_sided(None) == 1.0


def test_everything_that_costs_nothing_takes_part_once() -> None:
    """The plain baseline has no second place where it is a rival, and a further forecast is one more."""
    scorer = make_scorer(1, output_mode="mean")
    flat = Forecast(location_NH=np.zeros_like(scorer.outcomes.close_NH))
    held = scorer.beside(FreeForecast("drift", "drift", random_forecast(scorer)))
    assert [p.name for p in held.participants] == ["drift", "baseline"]
    both = scorer.beside(FreeForecast("drift", "drift", flat), [FreeForecast("persistence", "persistence", flat)])
    assert [p.name for p in both.participants] == ["drift", "persistence"]
    more = both.held_against(both.participant(FreeForecast("start", "the network's own start", flat)))
    assert [p.name for p in more.participants] == ["drift", "persistence", "start"] and len(both.participants) == 2
    assert [p.name for p in scorer.participants] == ["baseline"] and set(NAMES) == set(scorer.outcomes.names)
