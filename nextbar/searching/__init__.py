"""Search: trains combinations from a space of experiments and ranks them by validation.

- ``searcher``: ``search``; ``study``: ``Study``, its result; ``options``: ``SearchOptions`` and the tables of samplers
  and pruners; ``space``: what is varied
- ``worker``: claims trials and trains them; ``team``: several workers as processes (``worker_process``), each with its
  ``shares`` of the machine
- ``ledger``: the trials in the storage, for a worker; ``claim``: one of its own; ``worker_lock``: has a worker
  ended?; ``trials``: which trials count
- ``proposals``: the next experiment, by ``samplers``; ``pruning``: whether a trial goes on
- ``trial_runner``: trains claims, as many side by side as ``sizes`` says, on series of the ``bars_cache``; ``outcome``:
  how a trial ended
- ``folder``: the study's folder; ``storage``: a database or a ``journal``; ``optuna_study``: the study in it
- ``leaderboard``, ``hparams``, ``importance``, ``progress``: what a user sees
"""

from nextbar.searching.searcher import search
from nextbar.searching.study import Study

__all__ = ["Study", "search"]
