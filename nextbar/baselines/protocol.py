"""What a baseline, a model and a user's own forecaster have in common."""

from __future__ import annotations

from typing import Any, Protocol


class Predictor(Protocol):
    """Anything that can be fitted on bars and asked for forecasts.

    A ``name`` is what reports call it; without one, its class. With ``direction_only = True`` nothing but the sign of
    its predicted moves is judged.
    """

    def fit(self, frame: Any) -> Any:
        """Learn from the bars known at the cutoff.

        ``frame``: long pandas frame, ascending, with ``ticker``, ``resolution`` where there are several, ``date``
        (opening time, UTC), ``open``, ``high``, ``low``, ``close`` and whatever else the source has. What is returned
        is passed over.
        """

    def predict(self, frame: Any) -> Any:
        """Rows of the forecast table (see :mod:`nextbar.forecasts`) for every origin after the cutoff, steps 1 ... H.

        ``frame``: as in :meth:`fit`, from the first bar to the end of what is to be forecast. The forecast for an
        origin may depend on no bar after it.
        """


def name_of(predictor: Predictor) -> str:
    """What reports call it."""
    return str(getattr(predictor, "name", None) or type(predictor).__name__)


def is_direction_only(predictor: Predictor) -> bool:
    """True where nothing but the sign of the predicted moves means anything."""
    return bool(getattr(predictor, "direction_only", False))
