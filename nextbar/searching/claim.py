"""``Claim``: a trial that one worker trains."""

from __future__ import annotations

from dataclasses import dataclass

from nextbar.searching.proposals import Proposal

MOST_DEATHS = 10
"""times in a row that processes may die in the same epoch of a trial before it counts as failed"""


class LeaseLost(Exception):
    """Another worker has taken the trial over, because this one did not renew its lease in time."""


@dataclass(frozen=True)
class Claim:
    """A trial claimed by this worker."""

    number: int
    """its place among the trials that count, the same after a take-over; see ``counted``"""
    trial_id: int
    """the storage's id, another one after each take-over"""
    proposal: Proposal
    seconds: float = 0.0
    """seconds of training before the take-over"""
    taken_over: int = 0
    """take-overs in a row without an epoch done in between"""

    @property
    def hopeless(self) -> bool:
        """True where processes have died too often in the same epoch of it."""
        return self.taken_over >= MOST_DEATHS
