"""Sequential test of whether a forecast has become worse than another; it may be looked at after every outcome.

Nobody bets against a fair game and grows rich. The test bets, outcome by outcome, that the first forecast has the
higher loss: wealth, 1 to begin with, is multiplied by 1 + bet x difference, where the bet is fixed before the outcome
and too small to lose everything. Where at every origin the first forecast's expected loss is no higher (the null
hypothesis; nothing else is assumed, neither independence nor a law), wealth is a supermartingale that is never
negative, so that the chance that it ever reaches 1 / alpha is at most alpha (Ville 1939). Wealth is an e-value: the
evidence against the null hypothesis so far.

Tests by betting: Waudby-Smith and Ramdas 2024; survey: Ramdas, Grünwald, Vovk and Shafer 2023; of two forecasters: Choe
and Ramdas 2024. The difference must be bounded: see :mod:`nextbar.metrics.loss_bounds`.

- **The bet** is the mean of the last differences over their mean square, which is near the bet that makes wealth grow
  fastest ("aGRAPA" of Waudby-Smith and Ramdas), never below 0, nor above ``LARGEST_BET`` / bound. It forgets what lies
  more than ``WINDOW`` outcomes back, so that a model that was good for years and then breaks is noticed.
- **Horizons.** Forecasts over H bars from successive origins share bars: the second is bet on before the first
  is known. So there are H wealths, each of which bets on an origin only once its last bet is settled (cf. Arnold, Henzi
  and Ziegel 2023).
- **Series** with the same origin whose outcomes are known together are one bet, on their mean, by the H wealths of the
  one that leads them: that which led first, or where none has, the first. The origins of one series follow one another,
  so one of its wealths is free at each, whatever clock, calendar or resolution the others have, and however late they
  come. Which wealth bets depends on times and names alone, never on an outcome.
- **The evidence** is the greatest wealth, each times its share of the chance of an alarm. Shares add up to 1, so that
  by Bonferroni's inequality the chance that it ever reaches 1 / alpha is at most alpha, however the series hang
  together. The G leaders that are foreseen share all but ``LATER`` of it; others get less and less of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

ALPHA = 0.05
"""chance at most of a false alarm, ever"""
WINDOW = 100
"""outcomes that a bet looks back on"""
LARGEST_BET = 0.5
"""share of the wealth that may be lost on one outcome"""
LATER = 0.1
"""share of the chance of an alarm that is kept for leaders that were not foreseen"""
LARGEST_LOG = 690.0
"""the evidence is no more than e to the power of this, a number that JSON can hold"""


class Settled(NamedTuple):
    """A bet that was settled."""

    bet: float
    """wealth is multiplied by 1 + bet x difference"""
    wealth: int | None
    """number of the wealth that bet; None: none was free"""
    evidence: float
    """after it"""


class BettingTest:
    """Evidence that a forecast has the higher loss.

    Args:
        horizon: H, bars that a forecast looks ahead.
        groups: G, how many leaders are foreseen, such as one for each resolution.
    """

    def __init__(self, horizon: int, groups: int = 1) -> None:
        self.horizon, self.groups = horizon, groups
        self._settled: dict[str, list[tuple[int, float]]] = {}  # (due, difference) by leader
        self._log_wealth: dict[str, list[float]] = {}
        """by leader, in the order in which they began"""
        self._free: dict[str, list[int]] = {}

    @property
    def evidence(self) -> float:
        """Reaches 1 / alpha with a chance of at most alpha, where the null hypothesis holds."""
        return self._evidence(self._log_wealth)

    def settle(self, series: Sequence[str], origin: int, due: int, difference: float, bound: float) -> Settled:
        """Settle the bet on an origin; called, for each series, in the order in which outcomes are known.

        Args:
            series: names of those with that origin whose outcomes are known together.
            origin: when the forecast was made, seconds since the epoch.
            due: when its last outcome was known.
            difference: loss of the forecast less that of the other.
            bound: how large it could have been, known at the origin.
        """
        settled, leader = self.weigh(series, origin, difference, bound), self._leader(series)
        self._settled.setdefault(leader, []).append((due, difference))
        if settled.wealth is not None:
            self._free.setdefault(leader, [origin] * self.horizon)[settled.wealth] = due
            self._log_wealth[leader] = self._after(leader, settled.wealth, settled.bet * difference)
        return settled

    def weigh(self, series: Sequence[str], origin: int, difference: float, bound: float) -> Settled:
        """What ``settle`` comes to; nothing changes."""
        leader = self._leader(series)
        bet = self._bet(leader, origin, bound)
        free = self._free.get(leader, [origin])
        wealth = next((k for k, time in enumerate(free) if time <= origin), None)
        if wealth is None:
            return Settled(0.0, None, self.evidence)
        logs = self._log_wealth | {leader: self._after(leader, wealth, bet * difference)}
        return Settled(bet, wealth, self._evidence(logs))

    def _leader(self, series: Sequence[str]) -> str:
        return next((name for name in self._log_wealth if name in series), series[0])

    def _after(self, leader: str, wealth: int, gain: float) -> list[float]:
        """Logarithms of the wealths of a leader after one of them has gained that share."""
        logs = list(self._log_wealth.get(leader, [0.0] * self.horizon))
        logs[wealth] += math.log1p(gain)
        return logs

    def _evidence(self, log_wealth: Mapping[str, list[float]]) -> float:
        greatest = [*map(max, log_wealth.values()), 0.0]  # the last: of a leader that has not begun
        return math.exp(min(max(log + self._log_share(k) for k, log in enumerate(greatest)), LARGEST_LOG))

    def _log_share(self, k: int) -> float:
        """Logarithm of the share of each wealth of the leader that began as number k; all of them add up to 1."""
        batch = k // self.groups
        share = LATER / (batch * (batch + 1)) if batch else 1 - LATER
        return math.log(share / (self.horizon * self.groups))

    def _bet(self, leader: str, origin: int, bound: float) -> float:
        """The bet on an origin; depends on nothing that was not known there."""
        recent: list[float] = []
        for due, difference in reversed(self._settled.get(leader, [])):
            if due <= origin:
                recent.append(difference)
                if len(recent) == WINDOW:
                    break
        total, squares = math.fsum(recent), math.fsum(d * d for d in recent) + bound * bound
        if not (bound > 0 and total > 0):
            return 0.0
        return min(total / squares, LARGEST_BET / bound)
