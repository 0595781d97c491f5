"""The parts of a search that its workers, or the team of them, need."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from nextbar.searching.bars_cache import BarsCache
from nextbar.searching.folder import StudyFolder
from nextbar.searching.ledger import Ledger
from nextbar.searching.options import SearchOptions
from nextbar.searching.progress import Progress
from nextbar.searching.space.space import Space


class SearchParts(NamedTuple):
    """Folder, trials, space, options, bars and progress of a search."""

    folder: StudyFolder
    ledger: Ledger
    """the study's trials"""
    space: Space
    """what is varied"""
    options: SearchOptions
    bars: BarsCache
    """the series of an experiment; a team hands those of a frame over to its workers as files"""
    progress: Progress
    """shown to the user"""

    def task(self, folder: Path) -> dict[str, Any]:
        """Arguments of ``train_trials``, plain values.

        Args:
            folder: series that are in no files of the user's are written there.
        """
        return {
            "study": str(self.folder.path),
            "space": self.space.to_dict(),
            "options": self.options.to_dict(),
            "bars": self.bars.hand_over(folder),
        }
