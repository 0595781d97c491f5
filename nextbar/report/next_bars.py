"""What a run's page leads with: the forecast of the next bars, from the last ones that its data hold now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nextbar.bars.bars import Bars
from nextbar.bars.new_bars import own_bars, read_new_bars
from nextbar.config import ExperimentConfig
from nextbar.display.fan import moment
from nextbar.display.figure import Figure
from nextbar.display.markup import Child, Html, element, table
from nextbar.errors import RunError
from nextbar.forecasts.in_words import amount, chances, distance, move_range
from nextbar.forecasts.outlook import BANDS, Outlook
from nextbar.metrics.point_errors import PointErrors
from nextbar.metrics.task import Task
from nextbar.runs.bars import hold

if TYPE_CHECKING:
    from nextbar.inference.evaluation import Evaluation

MOST_ROWS = 200
"""rows of the table below the fan"""


class NextBars(NamedTuple):
    """The fan, the same in a table, and sentences on what is not forecast."""

    figure: Figure | None
    numbers: Html | None
    lacking: tuple[str, ...]

    def parts(self) -> list[Child | Figure]:
        """In the order of the page."""
        return [self.figure, *(element("p", text, class_="note") for text in self.lacking), self.numbers]


def latest_bars(
    path: Path, config: ExperimentConfig, recorded: str | None, bars: Any, data: str | Path | None, revised: bool
) -> list[Bars]:
    """The scored series with all bars that there are now, also those that came after the run.

    Raises:
        DataError: they cannot be read, or were revised and ``revised`` is False.
    """
    if bars is not None or data is not None:
        return read_new_bars(config, bars, data, scored_only=True)
    return hold(path, own_bars(config, recorded=recorded, later=True), later=True, revised=revised).bars


def next_bars(path: Path, series: Sequence[Bars], evaluation: Evaluation | None, gone: str = "") -> NextBars:
    """The forecast of a run from the last bars of some series.

    Args:
        path: the run folder.
        series: the bars.
        evaluation: of a model without a law it says how far its forecasts were off.
        gone: why there are no bars; empty where there are.
    """
    from nextbar.inference.forecaster import Forecaster
    from nextbar.inference.outlooks import outlooks

    try:
        forecaster = Forecaster.load(path)
    except RunError as error:
        return NextBars(None, None, (f"No forecast of the next bars: {error}.",))
    if gone:
        return NextBars(None, None, (f"No forecast of the next bars: {gone}.",))
    found = outlooks(forecaster, series, _errors(evaluation, forecaster.task))
    lacking = tuple(f"No forecast of the next bars: {reason}." for reason in found.left_out)
    return NextBars(found.figure(), _numbers(found.outlooks), lacking)


def _errors(evaluation: Evaluation | None, task: Task) -> PointErrors | None:
    """Errors of a point forecast's test span, in which nothing was chosen."""
    span = evaluation.spans.get("test") if evaluation else None
    if span is None or task.output_mode != "mean":
        return None
    return PointErrors.of("test", span.outcomes, span.forecast, task)


def _numbers(outlooks: Sequence[Outlook]) -> Html | None:
    """All steps of a single series, the first and the last of several; behind a click."""
    if not outlooks:
        return None
    horizon = len(outlooks[0].time_H)
    steps = range(horizon) if len(outlooks) == 1 else sorted({0, horizon - 1})
    rows = [_row(outlook, h) for outlook in outlooks for h in steps][:MOST_ROWS]
    head = ("series", "bar opens", *_head(outlooks[0]))
    cut = "" if len(rows) == len(steps) * len(outlooks) else f" The first {MOST_ROWS} rows."
    caption = f"The forecast in numbers (UTC).{cut} nextbar predict writes them all."
    title = "The numbers" if len(outlooks) == 1 else "All series in numbers"
    return element("details", element("summary", title), table(head, rows, caption=caption, text_columns=2))


def _head(outlook: Outlook) -> list[str]:
    if outlook.probs_HK is not None:
        edges = outlook.task.edges
        return [f"{move_range(edges, k, k)}, chance" for k in range(len(edges) - 1)]
    bands = [f"{100 * share:g} of 100, {side}" for share in BANDS if share in outlook.bands for side in ("from", "to")]
    within = [] if outlook.reach_H is None else ["two in three within ±"]
    rise = [] if outlook.rise_H is None else ["higher than now"]
    return ["last close", "forecast", *within, *bands, *rise]


def _row(outlook: Outlook, h: int) -> tuple[Child, ...]:
    begin = outlook.name, moment(outlook.time_H[h], outlook.past.step)
    if outlook.probs_HK is not None:
        return *begin, *(f"{100 * p:.1f} %" for p in outlook.probs_HK[h])
    assert outlook.close_H is not None
    cells = [amount(outlook.last_close), amount(outlook.close_H[h])]
    if outlook.reach_H is not None:
        cells.append(distance(outlook, outlook.reach_H[h]))
    cells += [amount(end[h]) for share in BANDS for end in outlook.bands.get(share, ())]
    if outlook.rise_H is not None:
        cells.append(chances(outlook.rise_H[h]))
    return *begin, *cells
