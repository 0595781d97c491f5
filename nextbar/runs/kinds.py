"""Kind of a folder, by its files: a run, a backtest or a study."""

from __future__ import annotations

import os
from pathlib import Path

from nextbar.files import LARGEST, json_object, read_bytes
from nextbar.runs.records import CONFIG, NORMALISATION
from nextbar.runs.summary import SUMMARY

PARTS = frozenset({CONFIG, SUMMARY, NORMALISATION, "checkpoints"})
BACKTEST = "backtest"
"""``kind`` in the summary of a backtest"""
STUDY = "study.yaml"
"""the file that makes a folder that of a search"""


def is_run(path: str | Path) -> bool:
    """True for a run folder, also for one that was half copied: it holds at least two of a run's four ``PARTS``."""
    try:
        names = {entry.name for entry in os.scandir(path)}
    except OSError:
        return False
    return len(PARTS & names) >= 2 and not is_backtest(path)


def is_backtest(path: str | Path) -> bool:
    """True for the folder of a backtest, which may hold the runs of its folds."""
    try:
        return json_object(read_bytes(Path(path) / SUMMARY, LARGEST)).get("kind") == BACKTEST
    except (OSError, ValueError):
        return False


def is_study(path: str | Path) -> bool:
    """True for the folder of a search, which holds the runs of its trials."""
    return (Path(path) / STUDY).is_file()
