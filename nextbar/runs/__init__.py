"""Run folders: their files, the list of them, and the checkpoints in each.

Orbax, which writes the checkpoints, tells every step of every save through absl; this package keeps absl quiet.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import Any

from absl import logging as absl_logging

_OF_A_THREAD = "_SignalingThread.run() raised an exception"
"""of the tracebacks that orbax's threads log; the call that waits for them raises the same error"""


def _keep_absl_quiet() -> None:
    """Drop what absl would log below WARNING, and tracebacks of threads, before it does anything at all.

    With its first message absl configures the root logger, even if that message is shown to nobody. From then on the
    user's own ``logging.basicConfig`` would do nothing. A level that the user gave absl stays.
    """
    logger = logging.getLogger("absl")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    log_anyway = absl_logging.log

    @wraps(log_anyway)
    def log(level: int, message: object, *args: Any, **kwargs: Any) -> None:
        if _OF_A_THREAD in str(message):
            return
        # absl counts downwards: INFO is 0, DEBUG and the verbose levels are above it
        standard = logging.INFO if level == absl_logging.INFO else logging.DEBUG
        if level < absl_logging.INFO or logger.isEnabledFor(standard):
            log_anyway(level, message, *args, **kwargs)

    absl_logging.log = log  # type: ignore[assignment]


def _keep_asyncio_quiet() -> None:
    """Drop asyncio's tracebacks of arrays that orbax could not write, which its call raises too."""
    logging.getLogger("asyncio").addFilter(lambda record: "OCDBT" not in str(record.exc_info))


_keep_asyncio_quiet()
_keep_absl_quiet()  # before a module of this package imports orbax
