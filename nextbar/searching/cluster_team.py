"""Workers of a search on a cluster, and the process that waits for them."""

from __future__ import annotations

from nextbar.machine.clusters import Cluster, answers_of, job_folder
from nextbar.machine.units import Unit
from nextbar.searching.parts import SearchParts
from nextbar.searching.worker import train_trials


class ClusterTeam:
    """As many workers as the options say, each as one long unit of a cluster; shows the trials until all have ended.

    The cluster gives the unit of a worker that dies to another, which goes on with its trials at once.

    Args:
        parts: of the search.
        cluster: its workers have the study's folder in sight.
    """

    def __init__(self, parts: SearchParts, cluster: Cluster) -> None:
        self._parts, self._cluster = parts, cluster

    def work(self) -> bool:
        """Have workers train until there are as many trials as asked.

        Returns:
            Whether the space was used up before.

        Raises:
            RunError: a worker fails, or see ``Cluster.answers``.
            KeyboardInterrupt: Ctrl-C; the workers end after it.
        """
        folder, ledger, _, options, _, progress = self._parts
        progress.skip(ledger.trials())
        with job_folder(folder.path) as job:
            task = self._parts.task(job)
            units = [Unit(f"worker {i}", train_trials, (task, f"{job.name} {i}")) for i in range(options.workers or 1)]
            for _ in answers_of(self._cluster, units, job, look=lambda: progress.follow(ledger.trials())):
                progress.follow(ledger.trials())
        return len(ledger.trials()) < options.n_trials
