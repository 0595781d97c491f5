"""When to stop: a count of epochs without improvement."""

from __future__ import annotations

from dataclasses import dataclass

from nextbar.arguments import strict_arguments


@strict_arguments
@dataclass
class EarlyStopper:
    """Called after each epoch with the validation loss; True when it is time to stop.

    ``n_epochs`` and ``optim_value`` are all its memory: an instance built with the saved ones goes on where
    it stood. A configuration's ``early_stopper: 0`` means no stopper at all; ``EarlyStopper(0)`` itself stops
    at once.
    """

    max_epochs: int
    """epochs without improvement after which to stop"""
    n_epochs: int = 0
    """epochs since the last improvement"""
    optim_value: float = 1e9
    """lowest value so far"""

    def __call__(self, value: float) -> bool:
        """Improvement is strictly less; NaN never improves."""
        if value < self.optim_value:
            self.optim_value, self.n_epochs = float(value), 0
        else:
            self.n_epochs += 1
        return self.n_epochs >= self.max_epochs
