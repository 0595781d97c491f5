"""Run folders that hold a summary and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from builders import make_config

from nextbar.checksums import write_json

LEADING = {"mean": "mae", "distribution": "nll"}


def make_run(
    path: Path, gain: float | None = 0.1, *, mode: str = "mean", bars: str | None = "aa", **facts: Any
) -> Path:
    """A run folder whose validation error is so much better than the baseline's, on the test span half of that."""
    path.mkdir(parents=True)
    make_config(output_mode=mode).save(path / "config.yaml")
    spans = {"validation": gain, "test": None if gain is None else gain / 2}
    metrics = {
        span: {"skill": {LEADING[mode]: value}, "by_ticker": {"made_up": {"skill": {LEADING[mode]: value}}}}
        for span, value in spans.items()
    }
    summary = {"status": "finished", "best_epoch": 2, "epochs": 3, "metrics": metrics, "message": ""}
    write_json(path / "summary.json", summary | {"scored_bars": bars} | facts)
    return path
