"""The folder of a study: its files, and ``study.yaml``, which describes the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nextbar.checksums import require_whole, write_text
from nextbar.config.yaml_file import read_yaml, yaml_text
from nextbar.errors import ConfigError, RunError
from nextbar.files import LARGEST, read_bytes
from nextbar.folders import make_log_folder, refuse_later_format, writing
from nextbar.runs.kinds import STUDY, is_study
from nextbar.searching.space.space import Space

JOURNAL = "journal.log"
LEADERBOARD = "leaderboard.csv"
FORMAT = 1
"""of the folder; a later nextbar that changes what its files mean counts it up"""


@dataclass(frozen=True)
class StudyFolder:
    """``log_dir/experiment_name``: ``study.yaml``, the journal, ``leaderboard.csv``, and the runs of the trials."""

    path: Path

    @property
    def journal(self) -> Path:
        """The study's storage unless another one is named."""
        return self.path / JOURNAL

    @property
    def leaderboard(self) -> Path:
        """The table of trials."""
        return self.path / LEADERBOARD

    def make(self) -> None:
        """Make the folder where there is none.

        Raises:
            RunError: it cannot be written.
        """
        make_log_folder(self.path)

    def describe(self, space: Space, study_name: str, storage: str | None) -> None:
        """Write ``study.yaml``: the space, the study's name and its storage.

        Raises:
            RunError: it cannot be written.
        """
        facts = {"format": FORMAT, "study_name": study_name, "storage": storage, **space.to_dict()}
        with writing(self.path):
            write_text(self.path / STUDY, yaml_text(facts))

    def read(self) -> Mapping[str, Any]:
        """The contents of ``study.yaml``.

        Raises:
            RunError: the folder is no study, is damaged, or of a later nextbar.
        """
        if not is_study(self.path):
            raise RunError(f"{self.path} is no study: it has no {STUDY}")
        try:
            description = read_yaml(self.path / STUDY)
            require_whole(self.path / STUDY, read_bytes(self.path / STUDY, LARGEST))
            written, name = int(description["format"]), str(description["study_name"])
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{self.path / STUDY} cannot be read ({error}); was the study's folder copied whole?"
            ) from None
        refuse_later_format(self.path, written, FORMAT)
        return description | {"study_name": name}
