"""Earlier runs whose validation span reaches into the test span of today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from builders import make_config

from nextbar.auditing import past_choices
from nextbar.auditing.past_choices import chosen_on_test
from nextbar.data.splits import Cuts
from nextbar.runs.info import RunInfo

CUTS, END = Cuts(100, 200), 300


@pytest.mark.parametrize(
    ("theirs", "overrides", "found"),
    [
        (Cuts(150, 250), {}, True),
        (Cuts(210, 290), {}, True),
        (Cuts(100, 200), {}, False),  # the same splits
        (Cuts(10, 90), {}, False),  # of last year
        (Cuts(150, 250), {"tickers": "another"}, False),
        (Cuts(150, 250), {"resolution": "4h"}, False),
    ],
)
def test_a_choice_on_bars_of_the_test_span_is_told(
    theirs: Cuts, overrides: dict[str, Any], found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tuned"
    runs = [RunInfo(folder / "1", "finished", ranking=0.9), RunInfo(folder / "2", "failed")]
    monkeypatch.setattr(past_choices, "runs_below", lambda _: runs)
    monkeypatch.setattr(past_choices, "read_config", lambda _: make_config(**overrides))
    monkeypatch.setattr(past_choices, "read_cuts", lambda _: theirs)
    leaks = list(chosen_on_test(make_config(log_dir=str(tmp_path)), CUTS, END))
    assert [leak.stage for leak in leaks] == ["selection"] * found
    if found:
        assert "1 run of" in leaks[0].text and "chose by validation" in leaks[0].text
