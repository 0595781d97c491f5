"""Victories where nothing can be learnt, and where something can: a small share of ``bench/verdicts.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from nextbar.metrics.superiority import beats, one_sided

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
pytest.importorskip("verdicts", reason="the measurements are not part of an installed package")

from verdicts import LEARNING, MODES, NOTHING, market, trained

pytestmark = pytest.mark.slow

EACH = 20
LEADING = {"mean": "mae"}


def report_of(kind: str, mode: str, seed: int, bars: int, epochs: int, folder: Path) -> dict[str, Any]:
    fields = MODES[mode] | (LEARNING if kind == "planted" else {})
    return trained(market(kind, bars, seed), seed, epochs, str(folder), **fields)


@pytest.mark.parametrize("mode", ["mean", "student_t"])
def test_a_victory_is_claimed_by_luck_alone_as_seldom_as_said(tmp_path: Path, mode: str) -> None:
    """On markets where the start says all there is, and never unless every p-value is small."""
    claims = 0
    for seed in range(EACH):
        report = report_of(NOTHING[seed % len(NOTHING)], mode, 100 + seed, 1_000, 2, tmp_path)
        against = report["tested"]["against"]
        assert "start" in against and len(against) > 5
        is_claimed = report["verdict"].startswith("Beats")
        assert is_claimed == beats(report, LEADING.get(mode, "nll"))
        assert is_claimed == all(one_sided(node["test"]) < 0.025 for node in against.values())
        claims += is_claimed
    assert claims <= binom.ppf(0.999, EACH, 0.05)


def test_what_is_planted_is_found_and_said(tmp_path: Path) -> None:
    mode, gain = "normal", 0.02
    reports = [report_of("planted", mode, 500 + seed, 12_000, 40, tmp_path) for seed in range(5)]
    assert sum(report["verdict"].startswith("Beats") for report in reports) >= 4
    for report in reports:
        start = report["tested"]["against"]["start"]
        assert start["loss"] - report["tested"]["model"] > gain
        assert report["model"]["acc_dir"] > 60
        assert np.isfinite(start["loss"])
