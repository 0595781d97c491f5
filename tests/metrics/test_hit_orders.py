"""The law of orders of hits against all sequences, written out."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from nextbar.metrics.hit_orders import Transitions, likely_hits, orders


def test_transitions_are_what_follows_what() -> None:
    hit_M = np.array([0, 0, 1, 1, 0, 1, 0, 0], bool)
    pairs = list(zip(hit_M[:-1].tolist(), hit_M[1:].tolist(), strict=True))
    expected = [pairs.count(pair) for pair in ((False, False), (False, True), (True, False), (True, True))]
    assert list(map(int, Transitions.of(hit_M))) == expected == [2, 2, 2, 1]


@pytest.mark.parametrize("m", [5, 9])
def test_every_order_is_counted_once(m: int) -> None:
    sequences = [np.array(s, bool) for s in product([0, 1], repeat=m)]
    hits_K = np.arange(m + 1)
    log_share, counts = orders(hits_K, m)
    share = np.exp(log_share)
    np.testing.assert_allclose(share.sum(axis=(1, 2, 3)), 1, rtol=1e-12)
    for hits in hits_K:
        alike = [tuple(map(int, Transitions.of(s))) for s in sequences if s.sum() == hits]
        expected = {kind: alike.count(kind) / len(alike) for kind in set(alike)}
        computed: dict[tuple[int, ...], float] = {}
        for place in np.argwhere(share[hits] > 0):
            kind = tuple(int(np.broadcast_to(count, share.shape)[(hits, *place)]) for count in counts)
            computed[kind] = computed.get(kind, 0.0) + share[(hits, *place)]
        assert computed == pytest.approx(expected)


def test_no_likely_order_is_left_out_of_many_windows() -> None:
    for m, probability in ((500, 0.05), (20_000, 0.05), (20_000, 0.1)):
        k = likely_hits(m, probability)
        assert 1 - stats.binom.pmf(k, m, probability).sum() < 1e-12
        assert k[0] >= 0 and k[-1] <= m and len(k) < m
        share = np.exp(orders(k, m)[0]).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(share, 1, atol=1e-9)
