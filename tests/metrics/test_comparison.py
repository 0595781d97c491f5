"""Skill, the verdict in words and the number runs are ranked by, from reports written by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nextbar.metrics.comparison import (
    Compared,
    Score,
    beside,
    finite,
    held_against,
    mean_skill,
    ranking_score,
    skill,
    too_few,
    verdict,
)
from nextbar.metrics.significance import DieboldMariano, least_origins
from nextbar.metrics.superiority import Held, Superiority, beats, hardest, loses, one_sided

STRONGEST, HARDEST = "GARCH(1,1) with a normal tail", "the network's own start"
NUMBERS = "nll 0.5 against 1.25"


def node(error: str, model: float | None, baseline: float | None, gain: float | None) -> dict[str, Any]:
    return {"model": {error: model}, "baseline": {error: baseline}, "skill": {error: gain}}


def dm(statistic: float | None, p_value: float) -> DieboldMariano | None:
    return None if statistic is None else {"statistic": statistic, "p_value": p_value, "df": 9, "n": 300}


def report(
    loss: float = 1.25,
    statistic: float | None = 3.456,
    p_value: float = 0.01234,
    other: tuple[float, float | None, float] | None = None,
    origins: int = 300,
    gains: tuple[float | None, ...] = (0.6,),
    error: str = "nll",
) -> dict[str, Any]:
    """A loss of 0.5 against that of the strongest, and perhaps of an ``other`` forecast that costs nothing.

    ``gains`` are the skills of the tickers t0, t1 ...; without a ``statistic`` there is no test.
    """
    against: dict[str, Held] = {"garch_normal": {"words": STRONGEST, "loss": loss, "test": dm(statistic, p_value)}}
    if other:
        against["start"] = {"words": HARDEST, "loss": other[0], "test": dm(*other[1:])}
    record: Superiority = {
        "loss": error,
        "model": 0.5,
        "against": against,
        "hardest": max(against, key=lambda name: one_sided(against[name]["test"])),
        "better_on": [f"t{i}" for i, gain in enumerate(gains) if gain and gain > 0],
    }
    return node(error, 0.5, 1.25, gains[0]) | {
        "by_ticker": {f"t{i}": node(error, 0.5, 1.25, gain) for i, gain in enumerate(gains)},
        "tested": record,
        "diebold_mariano": against["garch_normal"]["test"],
        "origins": origins,
    }


BETTER, WORSE, OPEN = (1.25, 3.456, 0.01234), (0.25, -3.456, 0.01234), (1.25, 1.0, 0.3)


@pytest.mark.parametrize(
    ("strongest", "other", "said"),
    [
        (BETTER, None, "Beats {}: nll 0.5 against 1.25. It is better by more than luck (Diebold-Mariano +3.46, "
         "p = 0.012, 300 origins)."),
        (BETTER, (0.75, 2.5, 0.04), "Beats {}: nll 0.5 against 1.25. It is better by more than luck than each of 2 "
         "forecasts that cost nothing, of which the network's own start is the hardest to beat (nll 0.75, "
         "Diebold-Mariano +2.50, p = 0.04, 300 origins)."),
        (BETTER, (2.0, 9.0, 1e-9), "Beats {0}: nll 0.5 against 1.25. It is better by more than luck than each of 2 "
         "forecasts that cost nothing, of which {0} is the hardest to beat (Diebold-Mariano +3.46, p = 0.012, 300 "
         "origins)."),
        (BETTER, (0.75, 1.5, 0.05), "Lower loss than {}: nll 0.5 against 1.25. The difference from the network's own "
         "start, which costs nothing either, cannot be told from luck (nll 0.75, Diebold-Mariano +1.50, p = 0.05, 300 "
         "origins)."),
        (BETTER, (0.25, -1.5, 0.2), "Lower loss than {}: nll 0.5 against 1.25. It does not beat the network's own "
         "start, which costs nothing either (nll 0.25, Diebold-Mariano -1.50, p = 0.2, 300 origins)."),
        (BETTER, (0.5, None, 0.0), "Lower loss than {}: nll 0.5 against 1.25. It does not beat the network's own "
         "start, which costs nothing either (nll 0.5, the difference does not vary, so there is no test)."),
        (OPEN, (2.0, 9.0, 1e-9), "Lower loss than {}: nll 0.5 against 1.25. The difference cannot be told from luck "
         "(Diebold-Mariano +1.00, p = 0.3, 300 origins)."),
        (WORSE, BETTER, "Does not beat {}: nll 0.5 against 0.25. It is worse by more than luck (Diebold-Mariano "
         "-3.46, p = 0.012, 300 origins)."),
        ((0.25, -1.0, 0.3), None, "Does not beat {}: nll 0.5 against 0.25. The difference cannot be told from luck "
         "(Diebold-Mariano -1.00, p = 0.3, 300 origins)."),
        ((1.25, None, 0.0), None, "Lower loss than {}: nll 0.5 against 1.25. The difference cannot be told from luck "
         "(the difference does not vary, so there is no test)."),
        ((0.5000001, None, 0.0), BETTER, "Does not beat {}: it forecasts the same (nll 0.5 against 0.5)."),
    ],
)  # fmt: skip
def test_the_verdict_on_one_ticker(strongest: Any, other: Any, said: str) -> None:
    made = report(*strongest, other=other)
    assert verdict(made, STRONGEST, 1) == said.format(STRONGEST)
    assert beats(made, "nll") == said.startswith("Beats")
    assert loses(made, "nll") == ("worse by more than luck" in said)


def test_the_verdict_on_several_tickers_counts_those_that_are_better() -> None:
    assert f"{NUMBERS}, lower on 2 of 5 tickers. It is better" in verdict(
        report(gains=(0.6, 0.0, None, -0.1, 1.0)), STRONGEST, 1
    )


@pytest.mark.parametrize(
    ("horizon", "origins", "said"),
    [
        (1, least_origins(1) - 1, "No verdict, too few origins to say: {}, and the test takes {}. "),
        (3, least_origins(3) - 1, "No verdict, too few origins to say: {}, and the test takes {} for forecasts over 3 "
         "bars. "),
    ],
)  # fmt: skip
def test_few_origins_have_no_verdict(horizon: int, origins: int, said: str) -> None:
    held = f"{STRONGEST} is what it is held against: {NUMBERS}."
    few = report(statistic=None, origins=origins)
    assert verdict(few, STRONGEST, horizon) == said.format(origins, origins + 1) + held
    assert too_few(origins + 1, horizon) is None
    assert "too few" not in verdict(report(statistic=None, origins=origins + 1), STRONGEST, horizon)


def test_without_a_finite_loss_or_a_rival_the_verdict_says_why() -> None:
    made = report(gains=(None, 0.5, None)) | {"tested": None, "diebold_mariano": None}
    assert verdict(made, "drift", 1) == "No verdict: the loss of the model or of drift is not a finite number."
    made = report(gains=(None, 0.5, None))
    made["by_ticker"]["t1"]["no_baseline"], made["by_ticker"]["t2"]["no_rival"] = "this one", "and that one"
    assert verdict(made, "drift", 1) == "No verdict: this one; and that one."


@pytest.mark.parametrize(
    ("gain", "statistic", "p_value"),
    [(0.6, 3.0, 0.05), (0.0, 3.0, 0.01), (0.6, 0.0, 0.01), (-0.1, 3.0, 0.01), (None, 3.0, 0.01), (0.6, None, 0.01)],
)
def test_in_a_report_of_an_earlier_version_skill_and_tested_loss_must_both_be_better(
    gain: float | None, statistic: float | None, p_value: float
) -> None:
    def old(gain: float | None, statistic: float | None, p_value: float) -> dict[str, Any]:
        return node("mae", 0.5, 1.25, gain) | {"diebold_mariano": dm(statistic, p_value)}

    assert beats(old(0.6, 3.0, 0.01), "mae") and loses(old(-0.6, -3.0, 0.01), "mae")
    assert not beats(old(gain, statistic, p_value), "mae")
    assert hardest(old(0.6, 3.0, 0.01)) == ("baseline", dm(3.0, 0.01))
    assert hardest(old(0.6, 3.0, 0.01) | {"strongest_name": "drift"})[0] == "drift"


def test_skill_by_hand() -> None:
    assert skill("mae", 0.5, 2.0) == 0.75 and skill("mae", 3.0, 2.0) == -0.5
    assert skill("nll", 0.5, 2.0) == 1.5 and skill("acc", 0.5, 2.0) == -1.5 and skill("acc_dir", 3.0, 2.0) == 1
    assert skill("mae", 1e300, 1e-300) is None, "no share is infinite"
    assert [skill("mae", *pair) for pair in ((0.0, 0.0), (1.0, 0.0), (math.nan, 1.0), (1.0, math.inf))] == [
        0.0, None, None, None,
    ]  # fmt: skip
    assert [finite(value) for value in (None, math.nan, -math.inf, 0.0, 2.5)] == [None, None, None, 0.0, 2.5]


def test_the_mean_skill_leaves_out_what_is_undefined() -> None:
    assert mean_skill("mae", [(1.0, 2.0), (None, 1.0), (1.0, None), (2.0, 2.0)]) == 0.25
    assert mean_skill("mae", [(1.0, 2.0), (1.0, 0.0)]) is None, "one without a share"
    assert mean_skill("mae", [(1.0, 2.0), (math.nan, 1.0)]) is None, "one that is broken"
    assert mean_skill("mae", [(None, None)]) is None and mean_skill("mae", []) is None


def test_side_by_side_there_is_no_skill_of_r2_and_nothing_that_is_not_finite() -> None:
    model = Score({"mae": 1.0, "r2": math.nan}, {"mae": [1.0, 3.0], "r2": [0.5, math.inf]})
    baseline = Score({"mae": 2.0, "r2": None}, {"mae": [2.0, 4.0], "r2": [None, 0.25]})
    assert beside(Compared(model, baseline)) == {
        "model": {"mae": 1.0, "r2": None},
        "baseline": {"mae": 2.0, "r2": None},
        "skill": {"mae": 0.5},
        "by_step": {
            "model": {"mae": [1.0, 3.0], "r2": [0.5, None]},
            "baseline": {"mae": [2.0, 4.0], "r2": [None, 0.25]},
            "skill": {"mae": [0.5, 0.25]},
        },
    }
    one = Score({"mae": 1.0}, {"mae": [1.0]})
    assert beside(Compared(one, one)) == {"model": {"mae": 1.0}, "baseline": {"mae": 1.0}, "skill": {"mae": 0.0}}
    swapped = beside(Compared(model, baseline), [Compared(baseline, model), Compared(model, baseline)])
    assert swapped["skill"] == {"mae": -0.25}
    assert swapped["by_step"]["skill"]["mae"] == pytest.approx([-0.25, (0.25 - 1 / 3) / 2])
    assert swapped["model"] == {"mae": 1.0, "r2": None}, "of the two themselves"


def test_skill_is_over_the_strongest_rival_where_it_has_the_metric_and_over_the_baseline_beside_it() -> None:
    model = Score({"mae": 1.0, "acc_dir": 60.0}, {"mae": [1.0, 3.0], "acc_dir": [60.0, None]})
    baseline = Score({"mae": 4.0, "acc_dir": 50.0}, {"mae": [4.0, 12.0], "acc_dir": [50.0, 50.0]})
    strongest = Score({"mae": 2.0}, {"mae": [2.0, 4.0]})
    found = beside(Compared(model, baseline, strongest))
    assert found["strongest"] == {"mae": 2.0}
    assert found["skill"] == {"mae": 0.5, "acc_dir": 10.0} and found["skill_baseline"] == {"mae": 0.75, "acc_dir": 10.0}
    steps = found["by_step"]
    assert steps["strongest"] == {"mae": [2.0, 4.0]}
    assert steps["skill"] == {"mae": [0.5, 0.25], "acc_dir": [10.0, None]}
    assert steps["skill_baseline"]["mae"] == [0.75, 0.75]
    assert held_against(found, "mae") == 2.0 and held_against(found, "acc_dir") == 50.0
    assert held_against({"baseline": {"mae": 4.0}}, "mae") == 4.0, "in reports of before"
    two = beside(
        Compared(model, baseline, strongest),
        [Compared(model, baseline, strongest), Compared(baseline, baseline, strongest)],
    )
    assert two["skill"]["mae"] == pytest.approx((0.5 - 1) / 2) and two["skill_baseline"]["mae"] == pytest.approx(0.375)


def test_a_ranking_is_the_mean_over_tickers_lower_better() -> None:
    made = report(gains=(0.5, 0.1), error="mae")
    assert ranking_score(made, "mean") == pytest.approx(0.7)
    assert ranking_score(report(gains=(0.5, 0.1), error="nll"), "distribution") == pytest.approx(-0.3)
    made["by_ticker"]["t0"]["no_baseline"] = "too few moves"
    assert ranking_score(made, "mean") == pytest.approx(0.9)
    made["by_ticker"]["t1"]["no_baseline"] = "too few moves"
    assert ranking_score(made, "mean") == math.inf
    assert ranking_score(report(gains=(0.5, None), error="mae"), "mean") == math.inf


def test_a_ranking_is_relative_to_the_plain_baseline_whoever_is_strongest() -> None:
    made = report(gains=(0.5, 0.1), error="mae")
    for node_ in made["by_ticker"].values():
        node_["skill_baseline"] = {"mae": 0.25}
    assert ranking_score(made, "mean") == pytest.approx(0.75)
