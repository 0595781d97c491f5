"""The verdict in a sentence: every kind of verdict, without a figure."""

from __future__ import annotations

import re
from typing import Any

import pytest
from page_text import Text

from nextbar.metrics.comparison import verdict
from nextbar.metrics.significance import least_origins
from nextbar.metrics.task import Task
from nextbar.report.verdict import in_a_sentence, tone, verdict_box

TASK = Task(output_mode="distribution")
ENOUGH = least_origins(1)


def report(
    gain: float | None, statistic: float | None, p: float = 0.5, tickers: int = 1, **more: Any
) -> dict[str, Any]:
    test = None if statistic is None else {"statistic": statistic, "p_value": p, "n": 300, "df": 9}
    node = {"model": {"nll": 1.5}, "skill": {"nll": gain}, "baseline": {"nll": 1.25}}
    return {**node, "by_ticker": dict.fromkeys(map(str, range(tickers)), node), "origins": ENOUGH,
            "diebold_mariano": test} | more  # fmt: skip


@pytest.mark.parametrize(
    ("made", "said", "colour"),
    [
        (report(0.1, 3.0, 0.01), "The model beats GARCH(1,1) with a normal tail, the strongest simple rival: it is "
         "better by more than luck.", "good"),
        (report(-0.1, -3.0, 0.01, 3), "The model does not beat GARCH(1,1) with a normal tail, the strongest simple "
         "rival: it is worse by more than luck.", "bad"),
        (report(0.1, 1.0), "The model has a lower error than GARCH(1,1) with a normal tail, the strongest simple "
         "rival: the difference cannot be told from luck.", None),
        (report(-0.1, -1.0), "The model does not beat GARCH(1,1) with a normal tail, the strongest simple rival: "
         "the difference cannot be told from luck.", None),
        (report(0.1, -3.0, 0.01), "The model does not clearly beat GARCH(1,1) with a normal tail, the strongest "
         "simple rival: the loss that is tested is significantly worse.", None),
        (report(-0.1, 3.0, 0.01), "The model does not beat GARCH(1,1) with a normal tail, the strongest simple "
         "rival: the loss that is tested is significantly better.", None),
        (report(0.0, None), "The model does not beat GARCH(1,1) with a normal tail, the strongest simple rival: it "
         "forecasts the same.", None),
        (report(0.1, None), "The model has a lower error than GARCH(1,1) with a normal tail, the strongest simple "
         "rival: the difference does not vary, so it cannot be tested.", None),
        (report(0.1, 3.0, 0.01, origins=2), "No verdict, too few origins to say.", "good"),
        (report(None, None), "No verdict: nll of the model or of GARCH(1,1) with a normal tail is not a finite "
         "number.", None),
    ],
)  # fmt: skip
def test_a_verdict_is_one_sentence_and_its_figures_stand_behind_it(made: Any, said: str, colour: str | None) -> None:
    whole = verdict(made, TASK, "GARCH(1,1) with a normal tail")
    assert in_a_sentence(whole) == said
    assert tone(made, "nll") == colour
    if said.startswith("The model"):
        assert not re.search(r"\d", said.replace("(1,1)", ""))
        page = Text(verdict_box(whole, "On test.", colour, figures=["More."]))
        assert page.said == f"{said}On test.In figures{whole}More."


def test_a_rival_that_is_not_the_strongest_is_not_called_so_and_other_sentences_stay() -> None:
    whole = verdict(report(0.1, 1.0), TASK, "persistence")
    assert in_a_sentence(whole, is_strongest=False) == (
        "The model has a lower error than persistence: the difference cannot be told from luck."
    )
    other = "Beats persistence on nll by more than luck."
    assert in_a_sentence(other) == other and "details" not in Text(verdict_box(other, "", None)).tags
