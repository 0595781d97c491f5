"""Keeps a run up to date: new bars checked, forecasts made, scored when their outcomes are there, and logged."""
