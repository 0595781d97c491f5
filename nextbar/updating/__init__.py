"""Keeps a run up to date: new bars checked, forecasts made, scored when their outcomes are there, and logged."""

from nextbar.updating.updater import Updated, update
from nextbar.updating.watching import Watched, watch

__all__ = ["Updated", "Watched", "update", "watch"]
