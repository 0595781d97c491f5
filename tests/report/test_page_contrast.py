"""Every colour that a text may have is told from what it may stand on, by day and by night."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from contrast import colour, contrast, over, schemes

from nextbar.display.colours import style_sheet

LEAST = 4.5
RULES = (resources.files("nextbar.report") / "assets" / "report.css").read_text(encoding="utf-8")
TEXTS = sorted(set(re.findall(r"(?<![-\w])color: var\(--([\w-]+)\)", RULES)))
GROUNDS = sorted(set(re.findall(r"background: var\(--([\w-]+)\)", RULES)))
BANDS = ("span-training", "span-validation", "span-test", "band")
"""behind which a chart's text may come to lie, in the colour of the ink"""


def test_the_reference_is_that_of_the_guideline() -> None:
    white, black, grey = colour("#ffffff"), colour("rgb(0, 0, 0)"), colour("#767676")
    assert contrast(black, white) == pytest.approx(21) and contrast(white, white) == pytest.approx(1)
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.005)
    assert contrast(colour("rgba(0, 0, 0, 0.5)"), white) == pytest.approx(contrast(colour("#808080"), white), rel=0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_are_legible_on_every_ground(scheme: str) -> None:
    assert {"ink", "quiet", "good", "bad", "open", "model"} <= set(TEXTS) and {"paper", "raised"} <= set(GROUNDS)
    value = {name: colour(text) for name, text in schemes(style_sheet())[scheme].items() if name != "font"}
    found = {(text, ground): contrast(value[text], value[ground]) for text in TEXTS for ground in GROUNDS}
    found |= {("ink", band): contrast(value["ink"], over(value[band], value["raised"])) for band in BANDS}
    assert {pair: ratio for pair, ratio in found.items() if ratio < LEAST} == {}
    assert not re.search(r"[^-]opacity: 0?\.\d", RULES.replace("fill-opacity", ""))  # which would undo it
