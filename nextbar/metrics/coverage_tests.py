"""Tests of an interval or a quantile by its hits, the outcomes beyond it: their number, and their independence.

- Unconditional coverage (Kupiec 1995): as many hits as the forecast says.
- Independence (Christoffersen 1998): a hit is no likelier after a hit.
- Conditional coverage (Christoffersen 1998): both.
- Dynamic quantile (Engle and Manganelli 2004): hits cannot be foretold, from the last four and from the quantile.

The first three are likelihood ratios whose law is known exactly where hits are independent, from the numbers of
sequences with so many hits in so many runs (Wald and Wolfowitz 1940); p-values are sums of that law, not the
chi-squared law, which errs for rare hits. The p-value of the fourth comes from drawn hits in samples up to ``DRAWN``,
beyond from the chi-squared law.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nextbar.metrics.hit_orders import Transitions, likely_hits, orders

LAGS = 4
"""hits before, of the dynamic quantile test"""
LEAST_HITS = 5
"""hits that must be expected: with fewer even none at all is no surprise (a chance of e^-5 = 0.7 % at five)"""
DRAWN = 2_000
DRAWS = 999
SEED = 0
ALIKE = 1e-9
"""likelihood ratios that differ by less are equal"""


class CoverageTest(NamedTuple):
    """The results for one sequence of hits."""

    windows: int
    hits: int
    share: float
    """hits of the windows"""
    unconditional: float
    """Kupiec's p-value"""
    independence: float
    """Christoffersen's p-value"""
    conditional: float
    """p-value of both"""
    dynamic: float
    """p-value of the dynamic quantile test"""


def least_windows(probability: float) -> int:
    """The fewest windows that a sequence of hits of that probability is tested for."""
    return int(np.ceil(round(LEAST_HITS / probability, 9)))


def coverage_test(hit_M: np.ndarray, probability: float, quantile_M: np.ndarray) -> CoverageTest | None:
    """All four tests of M successive windows; None for fewer than :func:`least_windows`.

    Args:
        hit_M: bool, whether the outcome lay beyond.
        probability: that it should have.
        quantile_M: the quantile, or the width of the interval, as far as it is known to say something of hits.
    """
    m, hits = len(hit_M), int(np.sum(hit_M))
    if m < least_windows(probability):
        return None
    transitions = Transitions.of(hit_M)
    return CoverageTest(
        m, hits, hits / m,
        unconditional_p(hits, m, probability),
        independence_p(transitions, hits, m),
        conditional_p(transitions, hits, m, probability),
        dynamic_quantile_p(hit_M, probability, quantile_M),
    )  # fmt: skip


def unconditional_ratio(hits: np.ndarray | int, m: int, probability: float) -> np.ndarray:
    """Kupiec's likelihood ratio of so many hits in m, 2 ln of L(share) / L(probability); about chi-squared(1)."""
    hits = np.asarray(hits, np.float64)
    return 2 * (_log_likelihood(hits, m - hits) - _log_likelihood(hits, m - hits, probability))


def independence_ratio(counts: Transitions) -> np.ndarray:
    """Christoffersen's likelihood ratio of a first-order Markov chain against independence; about chi-squared(1)."""
    n00, n01, n10, n11 = (np.asarray(count, np.float64) for count in counts)
    chain = _log_likelihood(n01, n00) + _log_likelihood(n11, n10)
    return 2 * (chain - _log_likelihood(n01 + n11, n00 + n10))


def unconditional_p(hits: int, m: int, probability: float) -> float:
    """Probability of a number of hits whose ratio is as great, by the binomial law."""
    from scipy.stats import binom

    k = likely_hits(m, probability)
    as_great = unconditional_ratio(k, m, probability) >= unconditional_ratio(hits, m, probability) - ALIKE
    return float(min(1.0, binom.pmf(k[as_great], m, probability).sum()))


def independence_p(counts: Transitions, hits: int, m: int) -> float:
    """Probability of a ratio as great among all orders of so many hits, which are equally likely."""
    log_p, possible = orders(np.array([hits]), m)
    return _upper(independence_ratio(possible), float(independence_ratio(counts)), log_p)


def conditional_p(counts: Transitions, hits: int, m: int, probability: float) -> float:
    """Probability that the sum of both ratios is as great, over all numbers and orders of hits."""
    from scipy.stats import binom

    k = likely_hits(m, probability)
    log_p, possible = orders(k, m)
    k_column = k[:, None, None, None]
    ratio = unconditional_ratio(k_column, m, probability) + independence_ratio(possible)
    observed = float(unconditional_ratio(hits, m, probability) + independence_ratio(counts))
    return _upper(ratio, observed, log_p + binom.logpmf(k_column, m, probability))


def dynamic_quantile(hit_RM: np.ndarray, probability: float, quantile_M: np.ndarray) -> np.ndarray:
    """Engle and Manganelli's statistic of R sequences, about chi-squared with as many degrees as regressors; (R,).

    Hit - probability is regressed on a constant, the last ``LAGS`` hits and the quantile, which is standardised and
    left out where it is constant: b' X'X b / (p (1 - p)).
    """
    error_RM = hit_RM - probability
    m = hit_RM.shape[1]
    columns = [np.ones((1, m - LAGS)), *(error_RM[:, LAGS - lag : m - lag] for lag in range(1, LAGS + 1))]
    if _varies(quantile_M):
        now_M = quantile_M[LAGS:]
        columns.append(((now_M - now_M.mean()) / now_M.std())[None])
    after_RM = error_RM[:, LAGS:]
    gram = np.empty((len(hit_RM), len(columns), len(columns)))
    for i, column in enumerate(columns):
        for j in range(i + 1):
            gram[:, i, j] = gram[:, j, i] = np.einsum("rm,rm->r", *np.broadcast_arrays(column, columns[j]))
    cross = np.stack([np.einsum("rm,rm->r", *np.broadcast_arrays(column, after_RM)) for column in columns], axis=1)
    solved = np.einsum("rij,rj->ri", np.linalg.pinv(gram, hermitian=True), cross)
    return np.sum(cross * solved, axis=1) / (probability * (1 - probability))


def dynamic_quantile_p(hit_M: np.ndarray, probability: float, quantile_M: np.ndarray) -> float:
    """Its p-value: by drawn hits beside the same quantiles (Dufour 2006) in small samples, else by the chi-squared
    law."""
    from scipy.stats import chi2

    observed = float(dynamic_quantile(np.asarray(hit_M)[None].astype(np.float64), probability, quantile_M)[0])
    if len(hit_M) > DRAWN:
        return float(chi2.sf(observed, 1 + LAGS + _varies(quantile_M)))
    rng = np.random.default_rng(SEED)
    drawn_RM = (rng.random((DRAWS, len(hit_M))) < probability).astype(np.float64)
    as_great = dynamic_quantile(drawn_RM, probability, quantile_M) >= observed - ALIKE
    return (1 + int(as_great.sum())) / (1 + DRAWS)


def _varies(quantile_M: np.ndarray) -> bool:
    now_M = quantile_M[LAGS:]
    return bool(now_M.std() > 1e-9 * np.abs(now_M).mean())


def _log_likelihood(hits: np.ndarray, misses: np.ndarray, probability: float | None = None) -> np.ndarray:
    """Of independent hits, with the probability given or the likeliest one."""
    from scipy.special import xlog1py, xlogy

    if probability is None:
        total = np.maximum(hits + misses, 1)
        return xlogy(hits, hits / total) + xlogy(misses, misses / total)
    return xlogy(hits, probability) + xlog1py(misses, -probability)


def _upper(ratio: np.ndarray, observed: float, log_p: np.ndarray) -> float:
    return float(min(1.0, np.exp(log_p)[ratio >= observed - ALIKE].sum()))
