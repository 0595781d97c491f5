"""A worker as a process of its own, started by ``Team``.

``python -m nextbar.searching.worker_process TASK.json INDEX COUNT``
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

LOOKS = 1.0
"""seconds between two looks at whether the parent process lives"""


def main(task: Path, index: int, count: int) -> None:
    """Work on a study until it is complete.

    Args:
        task: file with what ``Team`` hands over.
        index: of this worker.
        count: of the workers.

    Raises:
        NextbarError: see ``train_trials``.
        TrainingInterrupted: Ctrl-C.
    """
    from nextbar.searching.shares import cores

    values: dict[str, Any] = json.loads(task.read_text())
    end_with(values["parent"])
    own = cores(index, count)
    if own:
        os.sched_setaffinity(0, own)  # before JAX counts the cores
    from nextbar.searching.worker import train_trials

    train_trials(values["task"])


def end_with(parent: int) -> None:
    """End this process when its parent has ended, in whatever way, since nothing would collect its work."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(LOOKS)
        os._exit(1)

    threading.Thread(target=look, name="nextbar-parent", daemon=True).start()


if __name__ == "__main__":
    from nextbar.errors import NextbarError

    try:
        main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    except (NextbarError, OSError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
