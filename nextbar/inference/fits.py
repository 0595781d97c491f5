"""Indicators, calendar and statistics of a series, as the model that is to forecast it was trained with them."""

from __future__ import annotations

from nextbar.bars.bars import Bars
from nextbar.bars.calendars import learn_beside
from nextbar.config import DatasetConfig
from nextbar.data.indicators import add_indicators
from nextbar.data.preparation import Preparation
from nextbar.data.scaling import needs_training
from nextbar.data.series_fit import SeriesFit
from nextbar.data.window_spec import WindowSpec
from nextbar.errors import DataError


def with_features(bars: Bars, config: DatasetConfig, spec: WindowSpec) -> Bars:
    """The bars with their indicators.

    Raises:
        DataError: a column that the model was trained with is missing.
    """
    missing = [name for name in spec.volumes if name not in bars.columns]
    if missing:
        raise DataError(f"{bars.name}: no column {', '.join(missing)}, which the model was trained with")
    return add_indicators(bars, config.indicators or ())


def fit_of(bars: Bars, config: DatasetConfig, preparation: Preparation, n_fit: int, advice: str) -> SeriesFit:
    """Calendar and statistics of a series: those that training learnt, or for an unknown series its own.

    The calendar of an unknown series is learnt from all its bars, its statistics from the first ``n_fit``. Without
    statistics it can be used where the normalisation is that of the window. Where its dates do not tell its time zone,
    it has that of the trained series, whose hours the model learnt.

    Raises:
        DataError: a global normalisation, and no statistics; ends with the ``advice`` how to get them.
    """
    trained = preparation.find(bars.ticker, bars.resolution)
    if trained is not None:
        return trained
    spec = preparation.spec
    calendars = [s.calendar for s in preparation.series]
    calendar = learn_beside(bars.time_N, bars.step, config.calendar, config.timezone, calendars)
    fit = SeriesFit.fit(bars, n_fit, spec, calendar) if n_fit >= 2 else SeriesFit.without_training(bars, spec, calendar)
    if needs_training(config.norm_mode):
        _require_statistics(fit, bars, config, preparation, n_fit, advice)
    return fit


def _require_statistics(
    fit: SeriesFit, bars: Bars, config: DatasetConfig, preparation: Preparation, n_fit: int, advice: str
) -> None:
    """Refuse a series without the statistics that a global normalisation needs."""
    spec = preparation.spec
    unknown = fit.unknown_statistics(spec)
    if unknown and n_fit:
        raise DataError(
            f"{bars.name}: norm_mode {config.norm_mode} needs statistics of {', '.join(unknown)}, which the first "
            f"{n_fit} of its bars do not give; use more bars, or a ticker that was trained on"
        )
    if unknown:
        trained = ", ".join(s.ticker for s in preparation.series if s.resolution == bars.resolution) or "none"
        raise DataError(
            f"{bars.name}: norm_mode {config.norm_mode} has no training statistics for it, only for {trained}; {advice}"
        )
