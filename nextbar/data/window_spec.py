"""What a window consists of: length, columns, clock, target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from nextbar.bars.columns import AMOUNTS, PRICES
from nextbar.bars.slots import DAY
from nextbar.config import DatasetConfig
from nextbar.data import spreads
from nextbar.data.covariates import Covariate, covariates_of
from nextbar.data.features import FeatureSet
from nextbar.data.indicators import price_valued
from nextbar.resolution import is_resolution

if TYPE_CHECKING:
    from nextbar.bars.bars import Bars
    from nextbar.config import ExperimentConfig
    from nextbar.data.start import RangeStart

LAYOUT = 4
"""layout of the windows of new runs. In layouts 1 to 3, own columns enter as they are, and windows that cover an empty
value of one are left out. In layouts 1 and 2, of earlier runs, ``returns`` have no path. In layout 1
Time2Vec reads the share of the training span that has passed, and spread tokens are the deviation of normalised
values"""

LAW_WIDTH = {"normal": 2, "student_t": 3, "skew_t": 4}
"""numbers of a law, by its tail"""

FIRST_LAYOUT: dict[str, Any] = {"time_feature": "span", "layout": 1, "start_width": 0, "regressors": 0}
"""fields that runs of before did not save, and what they had"""


@dataclass(frozen=True)
class WindowSpec:
    """What a window consists of; hashable, since compiled code depends on every field."""

    seq_len: int
    horizon: int
    target: str
    edges: tuple[float, ...] | None
    returns: bool
    """feature set ``returns``: prices enter as log returns"""
    prices: tuple[str, ...]
    """price columns, the close last among the bar's own; they share one scale"""
    own_prices: int
    """how many of ``prices`` are the bar's own; the rest are price-valued indicators"""
    volumes: tuple[str, ...]
    """volume and trades, as far as present: groups with a scale of their own"""
    plain: tuple[str, ...]
    """computed indicators that are used as they are; in layouts 1 to 3 own columns too"""
    indicators: tuple[str, ...]
    """all indicators in the order asked for"""
    clock: int
    """numbers of the clock of one bar: 0, 2 or 4"""
    time_feature: str
    """``none``, ``position`` or ``span``"""
    layout: int
    """``LAYOUT``; less in earlier runs"""
    start_width: int = 0
    """X, numbers of a law, or of bins, that an untrained model starts at; 0: it starts at a constant"""
    regressors: int = 0
    """numbers behind those that the device keeps of each bar, for the head"""
    covariates: tuple[Covariate, ...] = ()
    """own columns that are no prices"""
    empty_values: str = "drop"
    """what stands where one of them is empty: ``last``, ``mean``, or ``drop``: nothing"""
    contexts: tuple[str, ...] = ()
    """longer resolutions of which closed bars stand beside the window"""
    context_len: int = 0
    """J, bars of each of them; 0 without any"""

    @classmethod
    def of(
        cls,
        config: DatasetConfig,
        bars: Sequence[Bars],
        empty: Mapping[str, Sequence[str]],
        layout: int = LAYOUT,
        n_train: Sequence[int] | None = None,
    ) -> WindowSpec:
        """The windows that a configuration asks for.

        Args:
            config: the configuration.
            bars: its series, with their indicators; none shorter than a day needs the hour.
            empty: features that are left out, see ``empty_features``.
            layout: of the windows.
            n_train: bars of the training span of each; None: all.

        Raises:
            ConfigError: ``known_ahead`` names a column that cannot be.
        """
        features, edges = FeatureSet.of(config), config.discrete_grid_levels
        n_train = [len(b) for b in bars] if n_train is None else n_train
        covariates = covariates_of(config, bars, n_train) if layout > 3 else ()
        others = {c.name for c in covariates}
        return cls(
            seq_len=config.seq_len,
            horizon=config.horizon,
            target=config.target,
            edges=tuple(edges) if edges else None,
            returns=config.features == "returns",
            prices=features.prices + tuple(name for name in features.indicators if price_valued(name)),
            own_prices=len(features.prices),
            volumes=tuple(name for name in features.volumes if name not in empty),
            plain=tuple(name for name in features.indicators if not price_valued(name) and name not in others),
            indicators=features.indicators,
            clock=0 if not config.clock else 2 if all(b.step >= DAY for b in bars) else 4,
            time_feature=config.time_feature,
            layout=layout,
            covariates=covariates,
            empty_values=config.empty_values if layout > 3 else "drop",
            contexts=config.context_resolutions,
            context_len=config.context_len or 0,
        )

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups with statistics and a spread token of their own."""
        return ("price", *self.volumes)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns kept as pairs on the device."""
        return (*self.prices, *self.volumes)

    @property
    def singles(self) -> tuple[str, ...]:
        """Indicators that are kept as one float32 on the device; ages of covariates follow them there."""
        return (*self.plain, *(c.name for c in self.covariates))

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that must not be empty in a window."""
        others = (c.name for c in self.covariates) if self.empty_values == "drop" else ()
        return (*self.columns, *self.plain, *others)

    @property
    def ages(self) -> int:
        """Covariates with a channel that says how long they have been empty."""
        return sum(c.aged for c in self.covariates)

    @property
    def known_ahead(self) -> tuple[str, ...]:
        """Covariates whose values at the predicted bars are used."""
        return tuple(c.name for c in self.covariates if c.ahead)

    @property
    def ahead_width(self) -> int:
        """A, numbers that are known of each predicted bar."""
        return sum(c.ahead * (1 + c.aged) for c in self.covariates)

    @property
    def n_features(self) -> int:
        """F: own prices (``returns``: close, high, low, open, range, path), volumes, time if asked for, indicators, and
        ages of covariates."""
        own = 5 + self.has_path if self.returns else self.own_prices
        return own + len(self.volumes) + (self.time_feature != "none") + len(self.indicators) + self.ages

    @property
    def log_prices(self) -> bool:
        """Whether the experiment needs prices above 0, so that they have logarithms."""
        return self.own_prices > 1 or self.target == "log_return" or self.edges is not None

    @property
    def has_path(self) -> bool:
        """Whether returns come with the way that the close has gone."""
        return self.returns and self.layout > 2

    @property
    def spans_time(self) -> bool:
        """Whether the share of the training span that has passed is kept with each bar."""
        return self.time_feature == "span"

    @property
    def tokens(self) -> int:
        """Number of spread tokens of a group."""
        return spreads.FORMER_TOKENS if self.layout == 1 else spreads.BINS

    @property
    def row_width(self) -> int:
        """Numbers that the device keeps of each bar."""
        return 2 * len(self.columns) + self.spans_time + len(self.singles) + self.ages

    def started(self, start: RangeStart | None, config: ExperimentConfig) -> WindowSpec:
        """The windows of a model with that start."""
        if start is None:
            return self
        width = LAW_WIDTH[config.model_config.tail] if self.edges is None else len(self.edges) - 1
        return replace(self, start_width=width, regressors=start.regressors(self))

    def device_column(self, bars: Bars, name: str) -> np.ndarray:
        """A column as the device keeps it: with features ``returns`` volume and trades as ln(1 + v), else as it is."""
        values = bars.columns[name]
        return np.log1p(values) if self.returns and name in self.volumes else values

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; infinite edges as text."""
        return asdict(self) | {"edges": self.edges and [str(edge) for edge in self.edges]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WindowSpec:
        """Inverse of ``to_dict``, also for runs of layout 1, which did not save all fields.

        Raises:
            TypeError, ValueError: fields that no ``to_dict`` gives.
        """
        named = cls(**FIRST_LAYOUT | dict(data))  # refuses fields that there are not
        try:
            spec = TypeAdapter(cls).validate_python(vars(named))
        except ValidationError as error:
            problem = error.errors()[0]
            raise ValueError(f"spec.{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
        own, others = spec.prices[: spec.own_prices], spec.prices[spec.own_prices :]
        valid = own in (("close",), PRICES) and set(spec.volumes) <= set(AMOUNTS) and spec.clock in (0, 2, 4)
        if not valid or {*others, *spec.singles} != set(spec.indicators) or not 0 < spec.layout <= LAYOUT:
            raise ValueError("spec: columns, a clock or a layout that no run has")
        if not all(map(is_resolution, spec.contexts)) or (spec.context_len > 0) != bool(spec.contexts):
            raise ValueError("spec: contexts that no run has")
        return spec
