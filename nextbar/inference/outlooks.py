"""Outlooks: what a model forecasts from the last bar of each series, and why it forecasts nothing of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nextbar.bars.bars import Bars
from nextbar.bars.present import Present
from nextbar.display.fan import fan_figure
from nextbar.display.figure import Figure
from nextbar.errors import ConfigError, DataError, first_line
from nextbar.forecasts.in_words import in_words
from nextbar.forecasts.outlook import Outlook, outlook
from nextbar.inference.model_input import ModelInput
from nextbar.inference.model_inputs import ModelInputs, read_model_inputs
from nextbar.metrics.point_errors import PointErrors
from nextbar.move_bins import bin_labels

if TYPE_CHECKING:
    from nextbar.inference.forecaster import Forecaster


class Outlooks(NamedTuple):
    """The outlook of each series that there is one of."""

    outlooks: list[Outlook]
    left_out: list[str]
    """of each other series the reason"""

    def figure(self) -> Figure | None:
        """The fans; None without an outlook."""
        if not self.outlooks:
            return None
        first = self.outlooks[0]
        fans = [outlook.fan(in_words(outlook)) for outlook in self.outlooks]
        return fan_figure(fans, bin_labels(first.task.edges), _caption(first))


def outlooks(
    forecaster: Forecaster, series: Sequence[Bars], errors: PointErrors | None = None, now: object = None
) -> Outlooks:
    """The outlooks from the last closed bars.

    Args:
        forecaster: the model, or several.
        series: bars of each series.
        errors: how far point forecasts of a past span were off, for the bands of such forecasts.
        now: see ``Forecaster.predict``.
    """
    config, preparation, spec = forecaster.config.dataset_config, forecaster.preparation, forecaster.preparation.spec
    present, each, pasts, left_out = Present(now), list[ModelInput](), list[Bars](), list[str]()
    for bars in series:
        try:
            past = present.closed_bars(bars, preparation.calendar(bars.ticker, bars.resolution))
            each += read_model_inputs([past], config, preparation, present=present, warned=forecaster.warned_short).each
            pasts.append(past)
        except (DataError, ConfigError) as error:
            left_out.append(first_line(error))
    present.tell(stale=False)
    if not each:
        return Outlooks([], left_out)
    inputs = ModelInputs(each)
    origin_N = preparation.panel(inputs.bars).join(inputs.origins)
    forecast = forecaster.forecast(inputs.bars, inputs.fits, origin_N)
    names = forecaster.names(inputs.bars)
    return Outlooks(
        [
            outlook(
                names[s],
                pasts[s],
                ModelInputs([each[s]]).keys(spec),
                forecast.rows(np.array([s])),
                forecaster.task,
                errors,
            )
            for s in range(len(each))
        ],
        left_out,
    )


def _caption(first: Outlook) -> str:
    """What the bands, or the colours, are."""
    if first.probs_HK is not None:
        return "Chances that the model gives to moves from the last close."
    if not first.bands:
        return "The close so far, and from the dotted line on what is forecast."
    seen = "as the model sees it" if first.errors is None else f"as forecasts of the {first.errors.span} span were off"
    return (
        "The close so far, and from the dotted line on what is forecast. The number at the edge of a band says how "
        f"many of 100 closes lie in it, {seen}."
    )
