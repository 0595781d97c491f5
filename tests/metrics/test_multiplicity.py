"""Corrected p-values against statsmodels, and what many tests say together."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from nextbar.metrics.multiplicity import holm, judged, listed

WORDS = ("All is well", "All is not well")


@pytest.mark.parametrize("m", [1, 2, 12])
def test_it_is_statsmodels_correction(m: int) -> None:
    p_M = np.random.default_rng(m).random(m) ** 3
    assert holm(p_M.tolist()) == pytest.approx(multipletests(p_M, method="holm")[1].tolist())
    assert holm([0.2, 0.01, 0.01]) == pytest.approx([0.2, 0.03, 0.03])


def row(p: float, series: str = "abc", step: int = 1) -> dict[str, object]:
    return {"series": series, "step": step, "one, p": p, "other, p": 0.5}


def sentence(*rows: dict[str, object], fewest: tuple[tuple[int, int], ...] = ()) -> str:
    return judged("title", list(rows), ("one, p", "other, p"), fewest, WORDS)["sentence"]


def test_what_is_said_follows_from_the_corrected_p_values() -> None:
    assert (
        sentence(row(0.02))
        == "All is not well, by 1 of 2 tests (p below 0.05, corrected), most clearly abc (p = 0.04)."
    )
    assert sentence(row(0.02), row(0.03)) == "All is well, as far as 4 tests can tell (smallest p 0.08, corrected)."
    several = sentence(row(0.001, step=1), row(1e-6, "xyz", step=2))
    assert several.startswith("All is not well, by 2 of 4 tests") and "xyz, 2 bars ahead (p = 4e-06)" in several
    assert "abc, 1 bar ahead" in sentence(row(1e-6), row(0.5, step=2))


def test_what_cannot_be_tested_is_said() -> None:
    few = ((12, 100), (60, 100))
    assert sentence(fewest=few[:1]) == (
        "Not tested: 1 sequence is too short to be tested: 12 windows that share no bar, and it takes 100."
    )
    assert sentence(row(0.5), fewest=few).endswith(
        "corrected). 2 sequences are too short to be tested: 12 windows that share no bar, and it takes 100."
    )


def test_names_are_listed_as_people_do() -> None:
    assert (listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])) == ("a", "a and b", "a, b and c")
