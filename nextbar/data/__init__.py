"""Bars to windows: indicators, splits, normalisation, targets, and the batch that compiled code sees."""
