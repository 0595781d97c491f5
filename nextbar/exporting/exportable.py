"""Checks that a run can be exported; what exports do not support is refused by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields

from nextbar.config import ExperimentConfig
from nextbar.config.choices import NORM_MODES
from nextbar.data.indicators import BOLLINGER_BARS, BOLLINGER_WIDTH, RSI_BARS, is_computed
from nextbar.data.preparation import Preparation
from nextbar.errors import RunError
from nextbar.exporting.windows import NORMS
from nextbar.model.heads import DistributionHead, GridHead, MeanHead, head_for

Formula = tuple[str, int, float]
"""kind, bars and width, see ``windows.record_indicator``"""

FORMULAS: dict[str, Formula] = {
    "rsi": ("rsi", RSI_BARS, 0.0),
    "bb_upper": ("bollinger", BOLLINGER_BARS, BOLLINGER_WIDTH),
    "bb_middle": ("bollinger", BOLLINGER_BARS, 0.0),
    "bb_lower": ("bollinger", BOLLINGER_BARS, -BOLLINGER_WIDTH),
}

SUPPORTED = {
    "seq_len", "horizon", "target", "edges", "returns", "prices", "own_prices", "volumes", "plain", "indicators",
    "clock", "time_feature", "layout", "start_width", "regressors", "covariates", "empty_values",
}  # fmt: skip
"""fields of windows that ``windows.record_window`` follows; a run that sets another one is refused"""

CONTEXTS = {"contexts", "context_len"}
"""fields of windows with longer bars beside them"""


def formula_of(name: str) -> Formula | None:
    """How an indicator is computed; None where it is a column of its source."""
    name = name.lower()
    if form := re.fullmatch(r"ema_([1-9][0-9]{0,8})", name):
        return "ema", int(form[1]), 0.0
    return FORMULAS.get(name)


def require_exportable(config: ExperimentConfig, preparation: Preparation) -> None:
    """Refuse a run whose forecasts no export can make.

    Raises:
        RunError: names what it cannot.
    """
    reasons = list(_obstacles(config, preparation))
    if reasons:
        raise RunError(f"this run cannot be exported: {'; '.join(reasons)}")


def _obstacles(config: ExperimentConfig, preparation: Preparation) -> Iterator[str]:
    data = config.dataset_config
    head = type(head_for(config))
    if head not in (MeanHead, DistributionHead, GridHead):
        yield f"output_mode {data.output_mode!r} has a head of your own ({head.__name__}), which is Python code"
    if data.norm_mode not in NORMS or NORM_MODES[data.norm_mode] != f"nextbar.data.scaling:{data.norm_mode.upper()}":
        yield f"norm_mode {data.norm_mode!r} is one of your own, which is Python code"
    own = [name for name in data.indicators or () if is_computed(name) and formula_of(name) is None]
    if own:
        yield f"indicators {', '.join(own)} are your own, which are Python code; put them into the bars as columns"
    if preparation.spec.layout == 1:
        yield "its windows have a layout of before (1), that of the first version; train it anew"
    for state, names in {
        "known ahead": [c.name for c in preparation.spec.covariates if c.ahead],
        "empty in places": [c.name for c in preparation.spec.covariates if c.aged],
    }.items():
        if names:
            yield f"its columns {', '.join(names)} are {state}, which an export cannot fill in"
    if preparation.spec.contexts:
        yield (
            f"its context_resolutions ({', '.join(preparation.spec.contexts)}) are longer bars, which an export does "
            "not make of the others: train without them"
        )
    others = [field for field in fields(preparation.spec) if field.name not in SUPPORTED | CONTEXTS]
    unknown = [field.name for field in others if getattr(preparation.spec, field.name) != field.default]
    if unknown:
        yield f"its windows have {', '.join(unknown)}, which an export cannot make"
