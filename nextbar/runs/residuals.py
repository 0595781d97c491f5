"""The validation residuals of a run's epoch, by which its intervals are adjusted."""

from __future__ import annotations

from pathlib import Path

from nextbar.errors import RunError
from nextbar.metrics.conformal import Conformal
from nextbar.runs.records import read_conformal
from nextbar.storage.address import named


def residuals_of(run_dir: Path | None, epoch: int | None) -> Conformal:
    """The residuals of the best epoch, which alone has them.

    Args:
        run_dir: folder of the run; None: the model has none.
        epoch: the epoch that forecasts.

    Raises:
        RunError: there are none, or they are of another epoch.
    """
    run = named(run_dir) if run_dir else "the model"
    kept = read_conformal(run_dir) if run_dir else None
    if kept is None:
        raise RunError(
            f"{run} has no conformal.json with validation residuals: the run did not end, "
            "had no validation span (refit), or is of an earlier version; use the run it comes from, or train anew"
        )
    own, conformal = kept
    if own != epoch:
        raise RunError(
            f"the validation residuals in {run} are those of epoch {own}, not of {epoch}; "
            "load the best epoch (epoch=None), or leave conformal out"
        )
    return conformal
