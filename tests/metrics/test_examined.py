"""What is tested: losses per timestamp, laws that are whole, and what a model is held against."""

from __future__ import annotations

import numpy as np
from made_up_spans import make_scorer, random_forecast

from nextbar.metrics.calibration import pit
from nextbar.metrics.examined import Examined, rivals
from nextbar.metrics.significance import diebold_mariano
from nextbar.types import Forecast


def test_losses_are_those_of_the_diebold_mariano_test() -> None:
    scorer = make_scorer(2, output_mode="distribution")
    forecast = random_forecast(scorer)
    examined = Examined(scorer, {"ours": forecast, **rivals(scorer)}, "theirs")
    assert examined.model == "ours"
    ours, baseline = examined.losses.values()
    assert diebold_mariano(ours, baseline, 2) == scorer.report(forecast)["diebold_mariano"]
    np.testing.assert_array_equal(examined.pit_NH, pit(scorer.outcomes, forecast, scorer.task))


def test_only_laws_that_are_finite_are_laws() -> None:
    scorer = make_scorer(1, output_mode="distribution")
    law = random_forecast(scorer)
    assert law.scale_NH is not None and law.location_NH is not None
    broken = {name: law._replace(**{name: getattr(law, name).copy()}) for name in ("location_NH", "scale_NH")}
    for name, forecast in broken.items():
        getattr(forecast, name)[3] = np.nan
    flat = law._replace(scale_NH=np.zeros_like(law.scale_NH))
    others = {"point": Forecast(law.location_NH), "flat": flat, **broken}
    assert list(Examined(scorer, {"law": law, **others}, "law").laws) == ["law"]


def test_a_model_is_held_against_the_plain_baseline() -> None:
    for mode, name in (("distribution", "persistence with a constant spread"), ("mean", "persistence")):
        scorer = make_scorer(1, output_mode=mode)
        assert rivals(scorer) == {name: scorer.baseline_forecast}
