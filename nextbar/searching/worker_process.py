"""A worker as a process of its own, begun by ``Team``.

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
"""seconds between two looks at whether the process that started this one is there"""


def main(task: Path, index: int, count: int) -> None:
    """Work on a study until there is nothing left to do.

    Raises:
        NextbarError: see ``Worker.work``.
        TrainingInterrupted: Ctrl-C.
    """
    from nextbar.searching.team import cores

    said: dict[str, Any] = json.loads(task.read_text())
    end_with(said["parent"])
    mine = cores(index, count)
    if mine:
        os.sched_setaffinity(0, mine)  # before JAX counts what there is
    from nextbar.searching.bars_cache import BarsCache
    from nextbar.searching.folder import StudyFolder
    from nextbar.searching.heartbeat import WorkerLock
    from nextbar.searching.ledger import Ledger
    from nextbar.searching.options import SearchOptions
    from nextbar.searching.progress import Progress
    from nextbar.searching.space.space import Space
    from nextbar.searching.storage import open_storage, open_study
    from nextbar.searching.worker import Worker

    options, space = SearchOptions(**said["options"]), Space.from_dict(said["space"])
    folder = StudyFolder(Path(said["study"]))
    storage = open_storage(options.storage or str(folder.journal))
    study = open_study(storage, options.study_name or folder.path.name, space.identity())
    owner = WorkerLock(folder.path)
    try:
        ledger = Ledger(study, storage, space, owner)
        progress = Progress(options.n_trials, show=False)
        Worker(folder, ledger, space, options, BarsCache.taken_over(said["bars"]), progress).work()
    finally:
        owner.close()


def end_with(parent: int) -> None:
    """End this process when the one that started it has gone, however it ended: nobody would hear of what it does."""

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
