"""Standard laws beside scipy's; their losses are compared in ``test_metrics``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from nextbar.metrics.standard_laws import Normal, StandardLaw, StudentT

Z = np.array([-9.0, -1.0, 0.0, 0.3, 5.0])


def standard(df: float | None) -> tuple[StandardLaw, Any]:
    """A law and scipy's."""
    return (Normal(), stats.norm()) if df is None else (StudentT(np.full(Z.shape, df)), stats.t(df))


@pytest.mark.parametrize("df", [None, 2.2, 30.0])
def test_distribution_functions_and_quantiles_are_scipys(df: float | None) -> None:
    found, law = standard(df)
    np.testing.assert_allclose(found.cdf(Z), law.cdf(Z), rtol=1e-12)
    np.testing.assert_allclose(found.sf(Z), law.sf(Z), rtol=1e-12)
    np.testing.assert_allclose(found.losses(Z)[2], law.cdf(Z), rtol=1e-12, atol=1e-16)
    for share in (0.001, 0.5, 0.9):
        np.testing.assert_allclose(found.ppf(share), law.ppf(share), rtol=1e-9, atol=1e-12)


def test_a_law_in_its_unit_has_the_deviation_asked_for() -> None:
    for df in (2.5, 6.0):
        assert stats.t(df, 0, StudentT(np.array(df)).unit(np.array(3.0))).std() == pytest.approx(3.0)
    assert Normal().unit(np.array(3.0)) == 3.0
