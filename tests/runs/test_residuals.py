"""Validation residuals are those of one epoch of one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from nextbar.errors import RunError
from nextbar.metrics.conformal import Conformal
from nextbar.runs.records import write_conformal
from nextbar.runs.residuals import residuals_of

RESIDUALS = {"count": 3, "rank": [1, 2, 3], "value": [[0.5], [1.0], [2.0]]}


def test_they_are_those_of_the_epoch_that_was_the_best(tmp_path: Path) -> None:
    kept = Conformal.from_dict({"series": {"made_up": RESIDUALS}, "pooled": RESIDUALS})
    write_conformal(tmp_path, 2, kept)
    assert residuals_of(tmp_path, 2).to_dict() == kept.to_dict()
    for epoch in (1, None):
        with pytest.raises(RunError, match=rf"in {tmp_path} are those of epoch 2, not of {epoch}; load the best epoch"):
            residuals_of(tmp_path, epoch)


def test_a_model_without_any_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=rf"{tmp_path} has no conformal\.json with validation residuals"):
        residuals_of(tmp_path, 1)
    with pytest.raises(RunError, match=r"the model has no conformal\.json"):
        residuals_of(None, 1)
