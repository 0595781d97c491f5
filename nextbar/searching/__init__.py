"""Search over many experiments: a space of choices, Optuna's samplers, pruners and storages, trials that survive."""

from nextbar.searching.searcher import search
from nextbar.searching.study import Study

__all__ = ["Study", "search"]
