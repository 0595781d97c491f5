"""The strongest baseline of a backtest, by what was known before its first fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nextbar.backtesting.participants import Participant
from nextbar.baselines.candidates import ORDER
from nextbar.baselines.rivals import by_validation
from nextbar.runs.records import read_rival


def strongest_of(others: Sequence[Participant], first_run: Path) -> str | None:
    """The baseline that was best on the validation span of the first fold's run, fitted on its training span.

    So the choice knows no bar of the out-of-sample period, and it is one for all folds. Where nothing was validated it
    is the first of a fixed order.

    Args:
        others: who takes part.
        first_run: folder of the first fold's run.

    Returns:
        Its name; None where no candidate takes part, or the run is of a version without rivals.
    """
    record = read_rival(first_run)
    names = [other.name for other in others if other.kind == "baseline" and not other.direction_only]
    if record is None or not names:
        return None
    if ranked := by_validation({name: scores for name, scores in record["validation"].items() if name in names}):
        return ranked[0]
    return next((name for name in ORDER if name in names and name not in record["left_out"]), None)
