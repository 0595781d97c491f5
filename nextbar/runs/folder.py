"""The run folder: its name, its status, and the lock on it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from pathlib import Path
from typing import Any

from nextbar.bars.bars import Bars
from nextbar.bars.record import changes
from nextbar.checksums import write_json
from nextbar.config import ExperimentConfig
from nextbar.data.dataset import Dataset
from nextbar.errors import OtherBars, RunBusy
from nextbar.folders import claim, throw_away
from nextbar.machine.versions import versions
from nextbar.runs.checkpoint_store import sweep
from nextbar.runs.copies import local_run, runs_beginning
from nextbar.runs.mirror import Mirror, mirrored
from nextbar.runs.records import read_bars_record, write_bars_record, write_config, write_preparation
from nextbar.runs.summary import FINAL, FORMAT, SUMMARY, UNFINISHED, read_summary
from nextbar.storage.address import named, working_folder
from nextbar.storage.lease import Sighting, look

_DIGITS = 10
_ANEW = "delete that folder, or overwrite=True, --overwrite, which a search does not have"


class RunFolder:
    """A run's folder, ``log_dir/experiment_name/<configuration hash>-<data hash>``.

    Args:
        config: the experiment.
        fingerprint: hash of the bars it uses.
        plan: whatever beside the configuration decides what is trained, as text; empty: nothing.
    """

    def __init__(self, config: ExperimentConfig, fingerprint: str, plan: str = "") -> None:
        self.config = config
        self.fingerprint = fingerprint
        digest = hashlib.sha256(f"{config.digest()} {plan}".encode()).hexdigest() if plan else config.digest()
        self._prefix = digest[:_DIGITS]
        self.experiment = working_folder(config.log_dir) / config.experiment_name
        self.path = self.experiment / f"{self._prefix}-{fingerprint[:_DIGITS]}"
        self._mirror: Mirror | None = None
        self._seen: Sighting | None = None

    @property
    def place(self) -> str:
        """Its path, or its address where it lies in object storage."""
        return named(self.path)

    @property
    def _is_stored(self) -> bool:
        """Whether it lies in object storage."""
        return self.place != str(self.path)

    @property
    def kept(self) -> str:
        """Where its last epochs are: its place, or the working folder while its storage does not answer."""
        return str(self.path) if self._mirror is not None and self._mirror.silent else self.place

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    def final(self, config: ExperimentConfig) -> RunFolder:
        """The folder of its final fit, of this configuration, inside it."""
        inside = copy(self)
        inside.config, inside.path = config, self.path / FINAL
        return inside

    def look(self) -> None:
        """Of a run in object storage, see whether a process trains it, before it is claimed: of several runs of a
        process that died all are to be looked at before the first is claimed, which waits for a sign of life."""
        if self._is_stored:
            self._seen = look(self.place)

    @contextmanager
    def claimed(self, overwrite: bool, used: Sequence[Bars] = ()) -> Iterator[None]:
        """Make the folder, or go on with an earlier one; no other process may write there until the block ends. What
        killed processes left of checkpoints is removed, also of a run that has ended.

        Args:
            overwrite: throw an earlier run in it away first.
            used: the bars, to tell how they have changed where an unfinished run began on others.

        Raises:
            RunError: the folder cannot be written, or another process trains in it.
            OtherBars: an unfinished run of this configuration began on other bars.
        """
        busy = RunBusy(f"{self.place} is being trained by another process; wait for it, or change the configuration")
        with claim(self.path, busy), self._mirrored(overwrite) as self._mirror:
            if overwrite:
                throw_away(self.path, "run")
            else:
                self._refuse_changed_data(used)
            self.path.mkdir(exist_ok=True)
            for fit in (self, self.final(self.config)):
                sweep(fit.checkpoints)
            yield

    def _mirrored(self, overwrite: bool) -> AbstractContextManager[Mirror | None]:
        """For a run in object storage: what it has there, until the block ends."""
        return mirrored(self.path, self.place, overwrite, self._seen) if self._is_stored else nullcontext()

    def send(self) -> None:
        """Send a run in object storage there, as far as it has come; it is claimed by this process.

        Raises:
            RunBusy: another process has taken it over.
        """
        if self._mirror is not None:
            self._mirror.try_to_send()

    def _refuse_changed_data(self, used: Sequence[Bars]) -> None:
        """Refuse to begin where a run of this configuration on other bars is unfinished."""
        if self.read_summary():  # the run was begun on these bars too, by choice
            return
        for other in self._beginning_alike():
            if other.name != self.path.name and read_summary(other).get("status") in UNFINISHED:
                records = read_bars_record(other)
                if records is None:
                    raise OtherBars(
                        f"an unfinished run of this configuration was begun by an earlier nextbar, which named runs by "
                        f"all that their files hold: {named(other)}. Finish it with that one, or train anew "
                        f"({_ANEW})"
                    )
                raise OtherBars(
                    f"an unfinished run of this configuration began on other bars: {named(other)}. Its data have "
                    f"changed since it was interrupted ({'; '.join(changes(records, used))}); restore them to go "
                    f"on, or train anew on these ({_ANEW}). With final_date set, a file may grow"
                )

    def _beginning_alike(self) -> list[Path]:
        """Folders of runs of this configuration, whatever their bars."""
        if self._mirror is None:
            return sorted(self.experiment.glob(f"{self._prefix}-*"))
        return runs_beginning(named(self.experiment), f"{self._prefix}-")

    def beside(self, name: str) -> Path:
        """The folder of another run of the experiment."""
        return local_run(f"{named(self.experiment)}/{name}")

    def read_summary(self) -> dict[str, Any]:
        """``summary.json``; empty where there is none yet."""
        return read_summary(self.path)

    def begin(self, dataset: Dataset, facts: dict[str, Any]) -> None:
        """Write configuration, preparation, record of the bars and summary before the first epoch, with status
        ``running``; ``facts`` are further values of the summary."""
        write_config(self.path, self.config)
        write_preparation(self.path, dataset.preparation, dataset.cuts)
        write_bars_record(self.path, dataset.records)
        self.update(
            format=FORMAT,
            status="running",
            run=self.path.name,
            fingerprint=self.fingerprint,
            datapath=os.path.abspath(self.config.dataset_config.datapath),
            data=dataset.describe(),
            scored_bars=dataset.scored_digest(),
            versions=versions(),
            **facts,
        )

    def update(self, **values: Any) -> dict[str, Any]:
        """Change values of ``summary.json``; returns the whole of it."""
        summary = self.read_summary() | values
        write_json(self.path / SUMMARY, summary)
        return summary
