"""Bars of a market: read from files and frames, checked, and named."""
