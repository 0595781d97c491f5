"""Train encoder transformers in JAX to predict the next bar of a market series, and say what was learnt.

The public names stand here and nowhere else; each is imported when it is first used, so that
``import nextbar`` and ``nextbar --help`` load neither JAX nor pandas.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nextbar.auditing import Audit, audit
    from nextbar.backtesting import backtest
    from nextbar.config import DatasetConfig, ExperimentConfig, ModelConfig
    from nextbar.engine.optimizer import create_warmup_cosine_schedule
    from nextbar.errors import NextbarError
    from nextbar.exporting import export_run
    from nextbar.forecasts.formats import forecasts_as, write_forecasts
    from nextbar.inference.evaluator import evaluate
    from nextbar.inference.forecaster import Forecaster
    from nextbar.logger import get_logger
    from nextbar.report import write_report
    from nextbar.runs.listing import best_run, list_runs
    from nextbar.searching import Study, search
    from nextbar.train.early_stopper import EarlyStopper
    from nextbar.train.population import population_key, train_population
    from nextbar.train.refit import refit
    from nextbar.train.seeds import train_seeds
    from nextbar.train.trainer import Trainer
    from nextbar.updating.updater import update
    from nextbar.updating.watching import watch
    from nextbar.verification import verify

__version__ = "0.1.0.dev0"

IMPORTED_AT = time.time()
"""when this process began to import the code here; sources that changed later are not what it runs"""

_HOME = {
    "Audit": "nextbar.auditing",
    "DatasetConfig": "nextbar.config.experiment",
    "EarlyStopper": "nextbar.train.early_stopper",
    "ExperimentConfig": "nextbar.config.experiment",
    "Forecaster": "nextbar.inference.forecaster",
    "ModelConfig": "nextbar.config.experiment",
    "NextbarError": "nextbar.errors",
    "Study": "nextbar.searching",
    "Trainer": "nextbar.train.trainer",
    "audit": "nextbar.auditing",
    "backtest": "nextbar.backtesting",
    "best_run": "nextbar.runs.listing",
    "create_warmup_cosine_schedule": "nextbar.engine.optimizer",
    "evaluate": "nextbar.inference.evaluator",
    "export_run": "nextbar.exporting",
    "forecasts_as": "nextbar.forecasts.formats",
    "get_logger": "nextbar.logger",
    "list_runs": "nextbar.runs.listing",
    "population_key": "nextbar.train.population",
    "refit": "nextbar.train.refit",
    "search": "nextbar.searching",
    "train_population": "nextbar.train.population",
    "train_seeds": "nextbar.train.seeds",
    "update": "nextbar.updating.updater",
    "verify": "nextbar.verification",
    "watch": "nextbar.updating.watching",
    "write_forecasts": "nextbar.forecasts.formats",
    "write_report": "nextbar.report",
}

__all__ = [
    "Audit",
    "DatasetConfig",
    "EarlyStopper",
    "ExperimentConfig",
    "Forecaster",
    "ModelConfig",
    "NextbarError",
    "Study",
    "Trainer",
    "__version__",
    "audit",
    "backtest",
    "best_run",
    "create_warmup_cosine_schedule",
    "evaluate",
    "export_run",
    "forecasts_as",
    "get_logger",
    "list_runs",
    "population_key",
    "refit",
    "search",
    "train_population",
    "train_seeds",
    "update",
    "verify",
    "watch",
    "write_forecasts",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
