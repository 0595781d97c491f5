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
        NextbarError: see ``Worker.work``.
        TrainingInterrupted: Ctrl-C.
    """
    from nextbar.searching.shares import cores

    values: dict[str, Any] = json.loads(task.read_text())
    end_with(values["parent"])
    own = cores(index, count)
    if own:
        os.sched_setaffinity(0, own)  # before JAX counts the cores
    from nextbar.searching.bars_cache import BarsCache
    from nextbar.searching.folder import StudyFolder
    from nextbar.searching.heartbeat import WorkerLock
    from nextbar.searching.ledger import Ledger
    from nextbar.searching.options import SearchOptions
    from nextbar.searching.optuna_study import open_study
    from nextbar.searching.parts import SearchParts
    from nextbar.searching.progress import Progress
    from nextbar.searching.space.space import Space
    from nextbar.searching.storage import open_storage
    from nextbar.searching.worker import Worker

    options, space = SearchOptions(**values["options"]), Space.from_dict(values["space"])
    folder = StudyFolder(Path(values["study"]))
    storage = open_storage(options.storage or str(folder.journal))
    study = open_study(storage, options.study_name or folder.path.name, space.identity())
    lock = WorkerLock(folder.path)
    try:
        ledger = Ledger(study, storage, space, lock)
        progress = Progress(options.n_trials, show=False)
        bars = BarsCache.taken_over(values["bars"])
        Worker(SearchParts(folder, ledger, space, options, bars, progress)).work()
    finally:
        lock.close()


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
    except NextbarError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
