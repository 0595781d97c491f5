"""Skill, the verdict in words and the number runs are ranked by, from reports written by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nextbar.metrics.comparison import (
    Compared,
    Score,
    beats,
    beside,
    finite,
    held_against,
    mean_skill,
    ranking_score,
    skill,
    too_few,
    verdict,
)
from nextbar.metrics.task import Task

MEAN, LAW = Task(output_mode="mean"), Task(output_mode="distribution", horizon=3)
NUMBERS = "mae 0.5 against 1.25"


def node(error: str, model: float | None, baseline: float | None, gain: float | None) -> dict[str, Any]:
    return {"model": {error: model}, "baseline": {error: baseline}, "skill": {error: gain}}


def report(
    gain: float | None = 0.6,
    statistic: float | None = 3.456,
    p_value: float = 0.01234,
    origins: int = 300,
    gains: tuple[float | None, ...] = (0.6,),
    error: str = "mae",
) -> dict[str, Any]:
    """0.5 against 1.25; ``gains`` are those of the tickers t0, t1 ..., without a ``statistic`` there is no test."""
    test = None if statistic is None else {"statistic": statistic, "p_value": p_value, "df": 9, "n": origins}
    tickers = {f"t{i}": node(error, 0.5, 1.25, one) for i, one in enumerate(gains)}
    return node(error, 0.5, 1.25, gain) | {"by_ticker": tickers, "diebold_mariano": test, "origins": origins}


@pytest.mark.parametrize(
    ("gain", "statistic", "p_value", "said"),
    [
        (0.6, 3.456, 0.01234, "Beats persistence: {}. It is better by more than luck (Diebold-Mariano +3.46, "
         "p = 0.012, 300 origins)."),
        (-0.6, -3.456, 0.01234, "Does not beat persistence: {}. It is worse by more than luck (Diebold-Mariano -3.46, "
         "p = 0.012, 300 origins)."),
        (0.6, 1.0, 0.05, "Lower error than persistence: {}. The difference cannot be told from luck (Diebold-Mariano "
         "+1.00, p = 0.05, 300 origins)."),
        (-0.6, 1.0, 0.3, "Does not beat persistence: {}. The difference cannot be told from luck (Diebold-Mariano "
         "+1.00, p = 0.3, 300 origins)."),
        (0.0, -1.0, 0.3, "Does not beat persistence: {}. The difference cannot be told from luck (Diebold-Mariano "
         "-1.00, p = 0.3, 300 origins)."),
        (0.6, -3.0, 0.0499, "Does not clearly beat persistence: {}, but the loss that is tested is significantly worse "
         "(Diebold-Mariano -3.00, p = 0.05, 300 origins)."),
        (-0.6, 3.0, 0.001, "Does not beat persistence: {}, but the loss that is tested is significantly better "
         "(Diebold-Mariano +3.00, p = 0.001, 300 origins)."),
        (0.0, 3.0, 0.001, "Does not beat persistence: {}, but the loss that is tested is significantly better "
         "(Diebold-Mariano +3.00, p = 0.001, 300 origins)."),
        (0.6, None, 0.0, "Lower error than persistence: {}. The difference does not vary, so it cannot be tested."),
        (-2e-6, None, 0.0, "Does not beat persistence: {}. The difference does not vary, so it cannot be tested."),
        (1e-6, None, 0.0, "Does not beat persistence: it forecasts the same ({})."),
        (-1e-6, None, 0.0, "Does not beat persistence: it forecasts the same ({})."),
    ],
)  # fmt: skip
def test_the_verdict_on_one_ticker(gain: float, statistic: float | None, p_value: float, said: str) -> None:
    made = report(gain, statistic, p_value)
    assert verdict(made, MEAN) == said.format(NUMBERS)
    assert beats(made, MEAN) == said.startswith("Beats")


def test_the_verdict_on_several_tickers_counts_those_that_are_better() -> None:
    said = verdict(report(gains=(0.6, 0.0, None, -0.1, 1.0)), MEAN)
    assert said == (
        f"Beats persistence: {NUMBERS}, mean skill +0.6000, better on 2 of 5 tickers. It is better by more than luck "
        "(Diebold-Mariano +3.46, p = 0.012, 300 origins)."
    )
    assert f"{NUMBERS}, mean skill +0.6000, better on 2 of 2 tickers." in verdict(report(gains=(0.6, 0.6)), MEAN)


@pytest.mark.parametrize(
    ("task", "error", "origins", "said"),
    [
        (MEAN, "mae", 20, "No verdict, too few origins to say: 20, and the test takes 21. Persistence is what it is "
         "held against: mae 0.5 against 1.25."),
        (LAW, "nll", 26, "No verdict, too few origins to say: 26, and the test takes 27 for forecasts over 3 bars. "
         "Persistence with a constant spread is what it is held against: nll 0.5 against 1.25."),
    ],
)  # fmt: skip
def test_few_origins_have_no_verdict(task: Task, error: str, origins: int, said: str) -> None:
    assert verdict(report(statistic=None, origins=origins, error=error), task) == said
    assert too_few(origins + 1, task.horizon) is None
    assert "too few" not in verdict(report(statistic=None, origins=origins + 1, error=error), task)


def test_without_a_skill_the_verdict_says_why() -> None:
    made = report(gain=None, statistic=None, gains=(None, None, 0.5, None))
    assert verdict(made, MEAN) == "No verdict: mae of the model or of persistence is not a finite number."
    for ticker, pair in (("t0", (0.5, 0.0)), ("t1", (0.25, 0.0)), ("t3", (0.0, 0.0))):
        made["by_ticker"][ticker] = node("mae", *pair, None)
    assert verdict(made, MEAN) == "No verdict: mae of persistence is zero on t0, t1, so there is no share of it."
    made["by_ticker"]["t2"]["no_baseline"], made["by_ticker"]["t3"]["no_baseline"] = "this one", "and that one"
    assert verdict(made, MEAN) == "No verdict: this one; and that one."
    assert not beats(made, MEAN)


def test_who_else_it_is_held_against_has_its_name() -> None:
    said = verdict(report(), MEAN, "drift")
    assert said.startswith(f"Beats drift: {NUMBERS}. It is better")
    assert verdict(report(gain=0.0, statistic=None), MEAN, "drift").startswith("Does not beat drift: it forecasts")


@pytest.mark.parametrize(
    ("gain", "statistic", "p_value"),
    [(0.6, 3.0, 0.05), (0.0, 3.0, 0.01), (0.6, 0.0, 0.01), (-0.1, 3.0, 0.01), (None, 3.0, 0.01), (0.6, None, 0.01)],
)
def test_only_a_lower_error_and_a_significantly_lower_loss_beat(
    gain: float | None, statistic: float | None, p_value: float
) -> None:
    assert beats(report(), MEAN) is True
    assert beats(report(gain=1e-3, statistic=1e-3), MEAN) is True
    assert beats(report(gain, statistic, p_value), MEAN) is False


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
    made = report(gains=(0.5, 0.1))
    assert ranking_score(made, "mean") == pytest.approx(0.7)
    assert ranking_score(report(gains=(0.5, 0.1), error="nll"), "distribution") == pytest.approx(-0.3)
    made["by_ticker"]["t0"]["no_baseline"] = "too few moves"
    assert ranking_score(made, "mean") == pytest.approx(0.9)
    made["by_ticker"]["t1"]["no_baseline"] = "too few moves"
    assert ranking_score(made, "mean") == math.inf
    assert ranking_score(report(gains=(0.5, None)), "mean") == math.inf


def test_a_ranking_is_relative_to_the_plain_baseline_whoever_is_strongest() -> None:
    made = report(gains=(0.5, 0.1))
    for node_ in made["by_ticker"].values():
        node_["skill_baseline"] = {"mae": 0.25}
    assert ranking_score(made, "mean") == pytest.approx(0.75)


def test_the_verdict_is_against_the_strongest_rival() -> None:
    made = report()
    made["strongest"] = {"mae": 0.625}
    assert f"mae {made['model']['mae']:.5g} against 0.625" in verdict(made, MEAN, "range HAR with a Student-t tail")
    few = report() | {"origins": 3}
    assert "Range HAR with a Student-t tail is what it is held against" in verdict(
        few, MEAN, "range HAR with a Student-t tail"
    )
