"""Participants without a law on the page of a backtest."""

from __future__ import annotations

from pathlib import Path

import pytest
from backtests import make_market, run, untrained
from rivals_of import FakeRival

from nextbar.report import write_report

__all__ = ["untrained"]


@pytest.mark.usefixtures("untrained")
def test_a_crps_of_quantiles_is_marked_and_everybody_has_seconds(tmp_path: Path) -> None:
    result = run(tmp_path, overrides={"output_mode": "distribution"}, predictors=[FakeRival()])
    html = write_report(result.path, bars=make_market()).read_text()
    node = result.scores["fake:Mean"]
    assert f"{node['pooled']['crps']:.5g}~" in html and "~ crps by the quantile score" in html
    assert '<th scope="col" class="number">seconds</th>' in html
    plain = run(tmp_path / "plain", overrides={"output_mode": "distribution"})
    assert "~ crps" not in write_report(plain.path, bars=make_market()).read_text()
