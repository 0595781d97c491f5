"""Bars: files and frames, checked, one series at a time."""
