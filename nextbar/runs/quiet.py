"""Keeps orbax from talking: it tells every step of every save through absl."""

from __future__ import annotations

import logging
from functools import wraps
from typing import Any

from absl import logging as absl_logging


def keep_absl_quiet() -> None:
    """Drop what absl would log below WARNING, before it does anything at all.

    With its first message absl configures the root logger, even if nobody will see that message. From then on
    the user's own ``logging.basicConfig`` would do nothing. A level that somebody gave absl stays.
    """
    logger = logging.getLogger("absl")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    tell = absl_logging.log

    @wraps(tell)
    def log(level: int, message: object, *args: Any, **kwargs: Any) -> None:
        # absl counts downwards: INFO is 0, DEBUG and the verbose levels are above it
        below = logging.INFO if level == absl_logging.INFO else logging.DEBUG
        if level < absl_logging.INFO or logger.isEnabledFor(below):
            tell(level, message, *args, **kwargs)

    absl_logging.log = log  # type: ignore[assignment]
