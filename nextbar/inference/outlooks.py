"""Outlooks: a model's forecast from the last bar of each series, and the reason where there is none."""

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
from nextbar.inference.model_input import ModelInput, forecast_keys, read_model_inputs
from nextbar.metrics.point_errors import PointErrors
from nextbar.move_bins import bin_labels

if TYPE_CHECKING:
    from nextbar.inference.forecaster import Forecaster


class Outlooks(NamedTuple):
    """Outlooks of the series that can be forecast."""

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
    present, inputs, pasts, left_out = Present(now), list[ModelInput](), list[Bars](), list[str]()
    for bars in series:
        try:
            past = present.closed_bars(bars)
            inputs += read_model_inputs([past], config, preparation, present=present, told=forecaster.told_short)
            pasts.append(past)
        except (DataError, ConfigError) as error:
            left_out.append(first_line(error))
    present.tell(stale=False)
    if not inputs:
        return Outlooks([], left_out)
    shown = [i.bars for i in inputs]
    origin_N = preparation.panel(shown).join([i.origin_N for i in inputs])
    forecast = forecaster.forecast(shown, [i.fit for i in inputs], origin_N)
    names = forecaster.names(shown)
    return Outlooks(
        [
            outlook(
                names[s],
                pasts[s],
                forecast_keys([inputs[s]], spec, with_resolution=False),
                forecast.rows(np.array([s])),
                forecaster.task,
                errors,
            )
            for s in range(len(inputs))
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
