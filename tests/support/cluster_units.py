"""Units of work for the tests of clusters; workers import them from here."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
from backtests import Own

from nextbar.errors import DataError, RunBusy
from nextbar.logger import get_logger
from nextbar.machine.interruptible import pause


def square(number: int) -> int:
    get_logger().warning("squares are large")
    return number * number


def where() -> tuple[str, int]:
    """Folder and process."""
    return os.getcwd(), os.getpid()


def refuse(text: str) -> None:
    get_logger().warning("%s are few", text)
    raise DataError(text)


def die_once(path: str, value: float) -> float:
    """The process that comes first dies."""
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return value
    os._exit(1)


def die() -> None:
    os._exit(1)


def wait_until_stopped(begun: str, ended: str) -> None:
    Path(begun).touch()
    try:
        for _ in range(600):
            pause(0.1)
    finally:
        Path(ended).touch()


def busy_once(path: str) -> str:
    if not Path(path).exists():
        Path(path).touch()
        raise RunBusy("another process is at it")
    return "done"


class DiesOnce(Own):
    """A predictor whose process dies the first time that it is fitted."""

    def __init__(self, path: str) -> None:
        super().__init__("dies_once")
        self.path = path

    def fit(self, frame: pd.DataFrame) -> None:
        die_once(self.path, 0.0)
        super().fit(frame)
        self.seen = []
