"""Search over many experiments: a space of choices, Optuna's samplers, pruners and storages, trials that survive."""

from nextbar.search.searcher import search
from nextbar.search.study import Study

__all__ = ["Study", "search"]
