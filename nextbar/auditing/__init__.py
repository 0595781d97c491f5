"""Audits an experiment for leaks: does anything know bars that had not closed yet?

- ``auditor``: ``audit``; ``result``: the stages, their verdicts and leaks
- ``episodes``, ``futures``: the experiment at several dates, and other bars after each
- ``replay``, ``retraining``: what its stages make of them
- ``foresight``, ``scalers``, ``filling``: columns that were made from later rows before they were saved
- ``surprises``, ``periods``: what the past leaves open of each bar; days, sessions, weeks and months
- ``smoothing``: prices whose next move follows from their last ones
- ``labels``, ``kinship``: bars named by when they close; bars that come again, at another time or in another series
- ``past_choices``: earlier runs that chose by bars which are test now
"""

from nextbar.auditing.auditor import audit
from nextbar.auditing.result import Audit

__all__ = ["Audit", "audit"]
