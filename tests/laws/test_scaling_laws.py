"""invert(apply(x)) = x in all six modes, to the rounding of float32."""

from __future__ import annotations

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nextbar.config.choices import NORM_MODES
from nextbar.data.scaling import Scale, fit_windows
from nextbar.data.statistics import GlobalScale, Pair, Statistics

B, L, C = 3, 5, 4
EPS = float(np.finfo(np.float32).eps)
MODES = np.arange(len(NORM_MODES))

prices = st.tuples(
    st.sampled_from([1e-8, 0.01, 1.0, 60_000.0, 1e9, 1e15]),
    st.sampled_from([0.0, 1e-6, 1e-4, 0.1, 1.0, 3.0]),
    arrays(np.float64, (2, B, L, C), elements=st.floats(-1, 1)),
).map(lambda drawn: drawn[0] * (1 + drawn[1] * drawn[2]))
"""(2, B, L, C): windows and training bars; levels, spreads (none to beyond zero) and shapes of all kinds"""


@jax.jit
def there_and_back(
    difference_BLC: jax.Array, reference: Pair, fitted: GlobalScale
) -> tuple[Scale, jax.Array, jax.Array]:
    """Scale, normalised and restored values, with a leading axis of six modes."""

    def one(mode: jax.Array) -> tuple[Scale, jax.Array, jax.Array]:
        scale = fit_windows(difference_BLC, reference, fitted, mode)
        x_BLC = scale.apply(difference_BLC)
        return scale, x_BLC, scale.invert(x_BLC)

    return jax.vmap(one)(MODES)


@given(prices)
def test_inverse_of_forward_is_the_identity(drawn: np.ndarray) -> None:
    p_BLC, training = drawn
    reference = Pair.split(p_BLC[:, -1, -1])
    difference_BLC = Pair.split(p_BLC).minus(Pair(*(part[:, None, None] for part in reference)))
    stacked = GlobalScale.stack([[Statistics.fit(training)]] * B)
    fitted = jax.tree.map(lambda a: a[:, 0], stacked)
    scale, x, back = jax.device_get(there_and_back(difference_BLC, reference, fitted))
    for m, norm_mode in enumerate(NORM_MODES):
        assert np.isfinite(x[m]).all(), norm_mode
        offset, factor, shift = (np.abs(a[m])[:, None, None].astype(np.float64) for a in scale)
        # each of the four operations rounds once, at the size of what it works on
        size = np.abs(difference_BLC) + 2 * offset + factor * shift
        assert (np.abs(back[m] - difference_BLC.astype(np.float64)) <= 4 * EPS * size + 1e-37).all(), norm_mode
        # so that a price comes back to the rounding of the numbers its mode is about
        level = np.abs(p_BLC).max() + np.abs(training).max()
        assert (np.abs(p_BLC[:, -1:, -1:] + back[m] - p_BLC) <= 8 * EPS * level).all(), norm_mode
