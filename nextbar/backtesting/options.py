"""Options of a backtest."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import PlainValidator

from nextbar.config.base import Checked
from nextbar.config.check import checked
from nextbar.config.values import Count, Flag, Natural
from nextbar.forecasts import LEVELS, check_levels
from nextbar.positions.options import PositionOptions


def _names_or_flag(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, tuple) and all(isinstance(name, str) for name in value)):
        return value
    raise ValueError("should be True, False or a list of names, such as [persistence, drift]")


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, tuple) or not all(isinstance(name, str) for name in value):
        raise ValueError("should be a list of names, such as [statsforecast:AutoETS, chronos:FOLDER]")
    return value


def _shares(value: Any) -> tuple[float, ...]:
    if not isinstance(value, tuple):
        raise ValueError("should be a list of shares, such as [0.5, 0.8]")
    return check_levels(value)


@checked
class BacktestOptions(Checked):
    """How the out-of-sample period is cut, and what is fitted and compared in each part.

    Raises:
        ConfigError: an unknown name or an impossible value.
    """

    folds: Count = 5
    """Parts of the out-of-sample period."""
    window: Literal["expanding", "sliding"] = "expanding"
    """All bars before a fold are its history, or as long a stretch as the first fold has."""
    refit_every: Count = 1
    """Fit anew in every n-th fold; between them the last fit forecasts on."""
    embargo: Natural = 0
    """Bars of every scored series between what is learnt from and what is forecast, and between training and
    validation."""
    baselines: Annotated[Any, PlainValidator(_names_or_flag)] = True
    """All baselines that apply, none, or those of these names."""
    rivals: Annotated[Any, PlainValidator(_names)] = ()
    """Forecasters of other libraries, such as statsforecast:AutoETS or chronos:FOLDER."""
    conformal: Flag = False
    """Adjust the model's intervals by the validation residuals of each fit."""
    levels: Annotated[Any, PlainValidator(_shares)] = LEVELS
    """Central intervals in the forecasts of a ``distribution``."""
    positions: PositionOptions = PositionOptions()
    """The rule by which positions are taken, for judging forecasts only, and what trading costs."""

    @property
    def question(self) -> dict[str, Any]:
        """The options that decide the fits, which the folder is named by."""
        return {name: getattr(self, name) for name in ("folds", "window", "refit_every", "embargo")}

    @property
    def of_forecasts(self) -> dict[str, Any]:
        """The options that forecasts and scores depend on, plain values: all but those of positions."""
        return {name: value for name, value in self.to_dict().items() if name != "positions"}
