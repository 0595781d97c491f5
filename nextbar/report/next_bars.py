"""First section of a run's page: the forecast of the next bars from the last ones that its data hold now."""

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
from nextbar.errors import DataError, RunError, printable
from nextbar.forecasts.in_words import amount, chances, distance, move_range
from nextbar.forecasts.outlook import BANDS, Outlook
from nextbar.logger import get_logger
from nextbar.metrics.point_errors import PointErrors
from nextbar.metrics.task import Task

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
    config: ExperimentConfig, recorded: str | None, bars: Any, data: str | Path | None
) -> tuple[list[Bars], str]:
    """The scored series with all bars that there are now, also those that came after the run.

    Args:
        config: the run's.
        recorded: where its files lay.
        bars: a frame instead of them.
        data: other files instead of them.

    Returns:
        The series; or none, and why the run's own bars cannot be read.

    Raises:
        DataError: bars that were handed in cannot be read.
    """
    if bars is not None or data is not None:
        return read_new_bars(config, bars, data, scored_only=True), ""
    try:
        return own_bars(config, recorded=recorded, later=True), ""
    except DataError as error:
        get_logger().warning("the report is without forecasts: %s", error)
        return [], printable(str(error))


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
    forecast = outlooks(forecaster, series, _errors(evaluation, forecaster.task))
    lacking = tuple(f"No forecast of the next bars: {reason}." for reason in forecast.left_out)
    return NextBars(forecast.figure(), _numbers(forecast.outlooks), lacking)


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
    cells = [_cells(outlook, h) for outlook in outlooks for h in steps][:MOST_ROWS]
    head = list(dict.fromkeys(name for row in cells for name in row))  # a series may lack some
    rows = [[row.get(name) for name in head] for row in cells]
    cut = "" if len(rows) == len(steps) * len(outlooks) else f" The first {MOST_ROWS} rows."
    caption = f"The forecast in numbers (UTC).{cut} nextbar predict writes them all."
    title = "The numbers" if len(outlooks) == 1 else "All series in numbers"
    return element("details", element("summary", title), table(head, rows, caption=caption, text_columns=2))


def _cells(outlook: Outlook, h: int) -> dict[str, Child]:
    """One step by column."""
    cells: dict[str, Child] = {
        "series": outlook.name,
        "bar opens": moment(outlook.time_H[h], outlook.past.step),
        "last close": amount(outlook.last_close),
    }
    if outlook.probs_HK is not None:
        chance_K = (f"{100 * probability:.1f} %" for probability in outlook.probs_HK[h])
        return cells | {move_range(outlook.task.edges, k, k): chance for k, chance in enumerate(chance_K)}
    assert outlook.close_H is not None
    cells["forecast"] = amount(outlook.close_H[h])
    cells["two in three within ±"] = None if outlook.reach_H is None else distance(outlook, outlook.reach_H[h])
    for share in BANDS:
        for side, end in zip(("from", "to"), outlook.bands.get(share, (None, None)), strict=True):
            cells[f"{100 * share:g} of 100, {side}"] = None if end is None else amount(end[h])
    cells["higher than now"] = None if outlook.rise_H is None else chances(outlook.rise_H[h])
    return {name: value for name, value in cells.items() if value is not None}
