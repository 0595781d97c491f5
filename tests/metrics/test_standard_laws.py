"""Standard laws beside scipy's; their losses are compared in ``test_metrics``."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nextbar.metrics.standard_laws import cdf, ppf, unit_of

Z = np.array([-9.0, -1.0, 0.0, 0.3, 5.0])


@pytest.mark.parametrize("df", [None, 2.2, 30.0])
def test_distribution_functions_and_quantiles_are_scipys(df: float | None) -> None:
    law = stats.norm() if df is None else stats.t(df)
    tail = None if df is None else np.full(Z.shape, df)
    np.testing.assert_allclose(cdf(Z, tail), law.cdf(Z), rtol=1e-12)
    for share in (0.001, 0.5, 0.9):
        np.testing.assert_allclose(ppf(share, tail), law.ppf(share), rtol=1e-9, atol=1e-12)


def test_a_law_in_its_unit_has_the_deviation_asked_for() -> None:
    for df in (2.5, 6.0):
        assert stats.t(df, 0, unit_of(np.array(3.0), np.array(df))).std() == pytest.approx(3.0)
    assert unit_of(np.array(3.0), None) == 3.0
