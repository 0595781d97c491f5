"""The verdict in a sentence: every kind of verdict, without a figure."""

from __future__ import annotations

import re
from typing import Any

import pytest
from page_text import Text

from nextbar.metrics.comparison import verdict
from nextbar.metrics.significance import least_origins
from nextbar.metrics.superiority import Held, one_sided
from nextbar.report.verdict import in_a_sentence, tone, verdict_box

ENOUGH = least_origins(1)
GARCH = "GARCH(1,1) with a normal tail"


def dm(statistic: float | None, p: float = 0.5) -> Any:
    return None if statistic is None else {"statistic": statistic, "p_value": p, "n": 300, "df": 9}


def report(
    loss: float, test: Any, other: tuple[float, Any] | None = None, tickers: int = 1, origins: int = ENOUGH
) -> dict[str, Any]:
    """A loss of 1.5 against that of the strongest, and perhaps another forecast that costs nothing."""
    node: dict[str, Any] = {"model": {"nll": 1.5}, "skill": {"nll": loss - 1.5}, "baseline": {"nll": loss}}
    against: dict[str, Held] = {"garch_normal": {"words": GARCH, "loss": loss, "test": test}}
    if other:
        against["start"] = {"words": "the network's own start (untrained)", "loss": other[0], "test": other[1]}
    hardest = max(against, key=lambda name: one_sided(against[name]["test"]))
    record = {"loss": "nll", "model": 1.5, "against": against, "hardest": hardest, "better_on": []}
    return {**node, "by_ticker": dict.fromkeys(map(str, range(tickers)), node), "origins": origins, "tested": record,
            "diebold_mariano": test}  # fmt: skip


OPENING = f"The model {{}} {GARCH}, the strongest simple rival: "


@pytest.mark.parametrize(
    ("made", "said", "colour"),
    [
        (report(1.75, dm(3.0, 0.01)), OPENING.format("beats") + "it is better by more than luck.", "good"),
        (report(1.75, dm(3.0, 0.01), (1.75, dm(2.5, 0.02))), OPENING.format("beats") + "it is better by more than luck "
         "than each of 2 forecasts that cost nothing, of which the network's own start (untrained) is the hardest to "
         "beat.", "good"),
        (report(1.25, dm(-3.0, 0.01), tickers=3), OPENING.format("does not beat") + "it is worse by more than luck.",
         "bad"),
        (report(1.75, dm(1.0)), OPENING.format("has a lower loss than") + "the difference cannot be told from luck.",
         None),
        (report(1.75, dm(3.0, 0.01), (1.75, dm(0.5))), OPENING.format("has a lower loss than") + "the difference from "
         "the network's own start (untrained), which costs nothing either, cannot be told from luck.", None),
        (report(1.75, dm(3.0, 0.01), (1.25, dm(-0.5))), OPENING.format("has a lower loss than") + "it does not beat "
         "the network's own start (untrained), which costs nothing either.", None),
        (report(1.25, dm(-1.0)), OPENING.format("does not beat") + "the difference cannot be told from luck.", None),
        (report(1.5, dm(None)), OPENING.format("does not beat") + "it forecasts the same.", None),
        (report(1.75, dm(None)), OPENING.format("has a lower loss than") + "the difference cannot be told from luck.",
         None),
        (report(1.75, dm(3.0, 0.01), origins=2), "No verdict, too few origins to say.", "good"),
        (report(1.75, dm(1.0)) | {"tested": None, "diebold_mariano": None}, "No verdict: the loss of the model or of "
         f"{GARCH} is not a finite number.", None),
    ],
)  # fmt: skip
def test_a_verdict_is_one_sentence_and_its_figures_stand_behind_it(made: Any, said: str, colour: str | None) -> None:
    whole = verdict(made, GARCH, 1)
    assert in_a_sentence(whole) == said
    assert tone(made, "nll") == colour
    if said.startswith("The model"):
        assert not re.search(r"\d", said.replace("(1,1)", "").replace("each of 2", ""))
        page = Text(verdict_box(whole, "On test.", colour, figures=["More."]))
        assert page.said == f"{said}On test.In figures{whole}More."


def test_a_rival_that_is_not_the_strongest_is_not_called_so_and_other_sentences_stay() -> None:
    whole = verdict(report(1.75, dm(1.0)), "persistence", 1)
    assert in_a_sentence(whole, is_strongest=False) == (
        "The model has a lower loss than persistence: the difference cannot be told from luck."
    )
    other = "Beats persistence on nll by more than luck."
    assert in_a_sentence(other) == other and "details" not in Text(verdict_box(other, "", None)).tags


@pytest.mark.parametrize(
    ("whole", "said"),
    [
        ("Does not clearly beat drift: mae 1.5 against 1.75, but the loss that is tested is significantly worse "
         "(Diebold-Mariano -3.00, p = 0.01, 300 origins).",
         "The model does not clearly beat drift, the strongest simple rival: the loss that is tested is significantly "
         "worse."),
        ("Lower error than drift: mae 1.5 against 1.75. The difference cannot be told from luck (Diebold-Mariano "
         "+1.00, p = 0.5, 300 origins).",
         "The model has a lower error than drift, the strongest simple rival: the difference cannot be told from "
         "luck."),
        ("Lower error than drift: mae 1.5 against 1.75. The difference does not vary, so it cannot be tested.",
         "The model has a lower error than drift, the strongest simple rival: the difference does not vary, so it "
         "cannot be tested."),
    ],
)  # fmt: skip
def test_the_verdict_of_an_earlier_version_is_read_as_well(whole: str, said: str) -> None:
    assert in_a_sentence(whole) == said
