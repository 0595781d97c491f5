"""Number of configurations that a backtested one was chosen among."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from nextbar.errors import ConfigError, NextbarError, first_line
from nextbar.logger import get_logger
from nextbar.positions.options import PositionOptions
from nextbar.runs.kinds import is_study


class Tried(NamedTuple):
    """Number of configurations that were tried, and its source."""

    configurations: int
    by: Literal["stated", "search", "alone"]
    """an option, the search in the experiment's folder, or nobody"""

    @classmethod
    def of(cls, options: PositionOptions, experiment: Path) -> Tried:
        """As many as the option says, else as the search in the experiment's folder has tried, else one.

        A search that cannot be read is told in a warning, and counts for nothing.

        Raises:
            ConfigError: a variance of their Sharpe ratios is given, and there is one configuration.
        """
        if options.trials is not None:
            return cls(options.trials, "stated")
        count = _in_study(experiment) if is_study(experiment) else 0
        if count < 2 and options.sharpe_variance is not None:
            held = "a search of one trial" if count else "no search"
            raise ConfigError(
                f"positions.sharpe_variance: found {options.sharpe_variance}, but {experiment} holds {held}, so "
                "that one configuration was tried; say with positions.trials how many were"
            )
        return cls(count, "search") if count else cls(1, "alone")


def _in_study(experiment: Path) -> int:
    from nextbar.searching.study import Study
    from nextbar.searching.winner import tried_of

    try:
        return len(tried_of(Study.load(experiment).trials))
    except (NextbarError, OSError) as error:
        get_logger().warning(
            "how many configurations the search in %s has tried cannot be read (%s); 1 is taken, positions.trials says "
            "otherwise",
            experiment,
            first_line(error),
        )
        return 0
