"""The axis legend and the few records that travel between modules.

Array names end in their axes, one letter each:

    B  windows of a batch        N  windows of a whole span     P  trials trained together
    L  bars of context           H  bars predicted              S  series
    F  input features            D  model width                 R  rows (bars) of all series, end to end
    K  bins                      G  feature groups with statistics and a spread token of their own
    M  laws of a mixture         A  numbers known ahead of a predicted bar
    Q  quantiles                 J  closed longer bars beside a window
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

Array = Any  # a jax.Array inside compiled code, a numpy array on the host


class Context(NamedTuple):
    """The last J closed bars of a longer resolution beside each window of a batch, inside compiled code."""

    x_BJF: Array
    """normalised features, float32; 0 where there is no such bar"""
    known_BJ: Array
    """bool: whether there is; those that are come last"""


class Batch(NamedTuple):
    """One batch of windows as the model sees them, inside compiled code."""

    x_BLF: Array
    """normalised features, float32"""
    time_BL: Array
    """each bar's place in the window, 0 to 1, for Time2Vec (layout 1: the share of the training span); float32"""
    clock_BLC: Array
    """sines and cosines of each bar's own hour and weekday, for Time2Vec; C may be 0"""
    tokens_BG: Array
    """spread tokens: the bins of ``spread_BG`` (0..31; layout 1: 0..100), int32"""
    spread_BG: Array
    """log of each group's spread in the window over that of training; layout 1: (B, 0)"""
    clock_BHC: Array
    """sines and cosines of the predicted bars' hour and weekday; C may be 0"""
    ahead_BHA: Array
    """covariates known ahead, at the predicted bars; A may be 0"""
    start_BHX: Array
    """the law or the log probabilities that an untrained model forecasts, as its head has them; X may be 0"""
    regressors_BK: Array
    """logs of mean range variances behind it; K may be 0"""
    range_BH: Array
    """log range variance of the next h bars over that of the start, for ``range_loss``; else (B, 0)"""
    y_BH: Array
    """labels: the change from the last close in the label's unit (float32), or the bin (int32)"""
    unit_B: Array
    """label unit: the change is y * unit, in price units (target close) or in log return"""
    weight_B: Array
    """1 for a window, 0 for the padding of the last short batch"""
    contexts: tuple[Context, ...] = ()
    """one of each context resolution"""


class Law(NamedTuple):
    """The numbers of predictive laws, (N, H), or of the laws of mixtures, (N, H, M)."""

    location: np.ndarray | None = None
    scale: np.ndarray | None = None
    """standard deviation; None: there is a location alone"""
    df: np.ndarray | None = None
    """degrees of freedom of a Student-t; None: normal"""
    skew: np.ndarray | None = None
    """skewness of a Student-t, between -1 and 1; None: it is symmetrical"""


class Forecast(NamedTuple):
    """Forecasts for the N windows of a span, on the host, in units a user knows.

    ``location_NH`` is the predicted *change* from the last close: price units for target ``close``, log return for
    target ``log_return``. ``scale_NH`` is the standard deviation of the forecast in the same unit; with ``df_NH`` the
    law is a Student-t of that many degrees of freedom, scaled to that standard deviation; with ``skew_NH`` too it is
    Hansen's skewed Student-t, whose mean is the location.

    With ``locations_NHM`` the law is an equal-weight mixture of M such laws, with ``dfs_NHM`` of Student-t ones, with
    ``skews_NHM`` too of skewed ones; ``location_NH`` and ``scale_NH`` are then its own mean and standard deviation.
    """

    location_NH: np.ndarray | None = None
    scale_NH: np.ndarray | None = None
    df_NH: np.ndarray | None = None
    skew_NH: np.ndarray | None = None
    log_probs_NHK: np.ndarray | None = None
    locations_NHM: np.ndarray | None = None
    scales_NHM: np.ndarray | None = None
    dfs_NHM: np.ndarray | None = None
    skews_NHM: np.ndarray | None = None
    quantiles_NHQ: np.ndarray | None = None
    """changes that the outcome stays below with the ``shares`` of a task, where a forecast has them and no law"""

    @property
    def own(self) -> Law:
        """The numbers of its laws; of mixtures their means and standard deviations alone."""
        return Law(self.location_NH, self.scale_NH, self.df_NH, self.skew_NH)

    @property
    def law(self) -> Law:
        """The numbers of its laws, or of the laws of its mixtures."""
        if self.locations_NHM is None:
            return self.own
        return Law(self.locations_NHM, self.scales_NHM, self.dfs_NHM, self.skews_NHM)

    def rows(self, row_N: Any) -> Forecast:
        """The forecasts of some windows: row numbers, a mask or a slice."""
        return Forecast(*(None if array is None else array[row_N] for array in self))

    @classmethod
    def joined(cls, parts: Iterable[Forecast]) -> Forecast:
        """Forecasts of one kind, one or more, end to end."""
        fields = zip(*parts, strict=True)
        return cls(*(None if arrays[0] is None else np.concatenate(arrays) for arrays in fields))


class Outcomes(NamedTuple):
    """What happened after each of the N origins of a span; host, float64."""

    series_N: np.ndarray
    """index into ``names``"""
    names: tuple[str, ...]
    origin_time_N: np.ndarray
    """closing time of the last known bar, seconds since the epoch"""
    last_close_N: np.ndarray
    close_NH: np.ndarray

    def rows(self, row_N: Any) -> Outcomes:
        """The outcomes of some windows: row numbers, a mask or a slice."""
        own = (self.series_N, self.origin_time_N, self.last_close_N, self.close_NH)
        series_N, origin_time_N, last_close_N, close_NH = (array[row_N] for array in own)
        return Outcomes(series_N, self.names, origin_time_N, last_close_N, close_NH)

    @property
    def rows_of_series(self) -> list[np.ndarray]:
        """int64 (M,) for each of ``names``: its origins, in their order."""
        count_S = np.bincount(self.series_N, minlength=len(self.names))
        return np.split(np.argsort(self.series_N, kind="stable"), np.cumsum(count_S)[:-1])

    @property
    def rows_by_name(self) -> dict[str, np.ndarray]:
        """The same by name, of those that have any."""
        return {name: row_M for name, row_M in zip(self.names, self.rows_of_series, strict=True) if len(row_M)}


class Reference(NamedTuple):
    """From the training span of each series: the scale of the scaled metrics, and the baselines' parameters."""

    center_S: np.ndarray
    """mean of the training closes"""
    spread_S: np.ndarray
    """population standard deviation of the training closes"""
    move_std_SH: np.ndarray
    """standard deviation of the h-step log returns (of the changes where a price is not positive)"""
    positive_S: np.ndarray
    """True where every training price is above zero"""
    frequencies_HK: np.ndarray | None = None
    """add-one frequencies of the bins over the moves of all trained series; None without bins"""
    frequencies_SHK: np.ndarray | None = None
    """those of each series: the same, or its own where it was not trained, NaN where it has too few moves; None: the
    same for all"""
    moves_S: np.ndarray | None = None
    """moves over H bars that the baseline of each series is fitted on; None: unknown, in runs of earlier versions"""
    trained_S: np.ndarray | None = None
    """bool; False where they are the series' own, up to the first origin of a span; None: all True"""

    def of_series(self, s: int) -> Reference:
        """That of one series, S = 1; the pooled frequencies stay."""
        own = {name: None if array is None else array[s : s + 1] for name, array in self._asdict().items()}
        return self._replace(**own | {"frequencies_HK": self.frequencies_HK})
