"""The forecast table: one row for each ticker, origin and step, and the one place that knows its columns.

=====================================  ============================================================================
``ticker`` (``resolution``)            the series; the resolution only where there are several
``origin``                             opening time of the last known bar, UTC
``step``                               1 ... H
``date``                               opening time of the predicted bar, UTC
``close``                              predicted close (``mean``, ``distribution``)
``close-lo-80``, ``close-hi-80`` ...   central interval that holds the close with 80 % (``distribution``)
``scale``, ``df``, ``skew``            the law itself, when asked for: standard deviation of the predicted change, in
                                       price units (target ``close``) or log return; degrees of freedom of a
                                       Student-t, and its skewness
``close-q-10`` ...                     what the close stays below with 10 %, when asked for
``close-above-5000``, ``-below-`` ...  probability of a close above a price, or at or below it, when asked for
``close-path-1`` ...                   closes along a path drawn from the laws of all steps, when asked for
``p_<lower>_<upper>`` ...              probability of each bin, edges in percent of the last close (``discrete_grid``)
=====================================  ============================================================================

Tables of a backtest have ``model`` (the predictor), ``cutoff``, ``last_close`` and ``actual`` as well. What other
programs take is made of the table in :mod:`nextbar.forecasts.formats`.

Models, baselines and a user's own forecasters hand in the same table; in theirs ``date`` and intervals may be missing.
"""

from nextbar.forecasts.reading import read
from nextbar.forecasts.table import (
    LEVELS,
    Interval,
    Keys,
    bin_columns,
    central,
    check_levels,
    columns,
    interval_column,
    levels_of,
)

__all__ = [
    "LEVELS",
    "Interval",
    "Keys",
    "bin_columns",
    "central",
    "check_levels",
    "columns",
    "interval_column",
    "levels_of",
    "read",
]
