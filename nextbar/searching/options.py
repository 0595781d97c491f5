"""Options of a search, and the names that its samplers and pruners have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nextbar.config.base import Checked
from nextbar.config.check import checked
from nextbar.config.choices import Choices, OneOf
from nextbar.config.values import Count, FolderName, Seed, Text

SAMPLERS = Choices(
    {
        "tpe": "nextbar.searching.samplers:Tpe",
        "random": "nextbar.searching.samplers:Random",
        "grid": "nextbar.searching.samplers:Grid",
    }
)
"""subclasses of :class:`nextbar.searching.samplers.Sampler`"""

PRUNERS = Choices(
    {
        "none": "nextbar.searching.pruning:no_pruner",
        "median": "nextbar.searching.pruning:median_pruner",
        "hyperband": "nextbar.searching.pruning:hyperband_pruner",
    }
)
"""functions that are given the epochs of the longest training and return a pruner of Optuna's, or None"""


@checked
class SearchOptions(Checked):
    """How many trials, and how they are drawn, ended early, kept and shared out.

    Raises:
        ConfigError: an unknown name or an impossible value.
    """

    n_trials: Count = 20
    """Different combinations in all, those of earlier calls included."""
    sampler: Annotated[str, OneOf(SAMPLERS)] = "tpe"
    """How combinations are drawn: by the results so far; evenly; every one there is, in random order."""
    pruner: Annotated[str, OneOf(PRUNERS)] = "none"
    """What ends trials by their best score so far: nothing; the median of others at that epoch; successive halving."""
    storage: Text | None = None
    """Where the study is kept: a database URL, or a journal file; None: a file in the study's folder."""
    study_name: FolderName | None = None
    """Name of the study in its storage; None: the name of the experiment."""
    seed: Seed = 0
    """Of what is drawn; the seed of the trainings is a field of the experiment."""
    population: Count | Literal["auto"] = "auto"
    """Trials that share a program and are trained side by side; auto: as many as help on this device."""
    workers: Annotated[Count, Field(le=256)] | None = None
    """Processes on this machine, each with its share of the cores, or of a cluster; None: one, or all of those."""
