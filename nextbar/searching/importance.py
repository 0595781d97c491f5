"""Importance of the fields of a search."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from nextbar.searching.space.space import Space

LEAST_FOR_IMPORTANCE = 10
"""finished trials below which importances would be noise alone"""


def field_importance(trials: Sequence[FrozenTrial], space: Space) -> dict[str, float]:
    """Share of each field in what tells the best tenth of the trials from the others, the greatest first.

    Watanabe, Bansal and Hutter (2023), PED-ANOVA, by Optuna. Empty for fewer than ``LEAST_FOR_IMPORTANCE`` finished
    trials; fields with one value only are left out.
    """
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    varied = [name for name, d in space.dimensions.items() if not d.distribution.single()]
    if len(done) < LEAST_FOR_IMPORTANCE or not varied:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mirror = optuna.create_study(direction="minimize")
        mirror.add_trials(done)
        shares = optuna.importance.get_param_importances(mirror, params=varied)
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
