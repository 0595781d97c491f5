"""How many trials of a program are trained side by side, and what of that is remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from searches import BARS
from spaces import given

from nextbar.searching import sizes
from nextbar.searching.attempts import Attempts
from nextbar.searching.bars_cache import BarsCache
from nextbar.searching.claim import Claim
from nextbar.searching.proposals import Proposal
from nextbar.searching.sizes import WORTH, Sizes, side_by_side
from nextbar.searching.space.contradictions import require_possible
from nextbar.searching.space.space import Space
from nextbar.searching.worker_lock import WorkerLock
from nextbar.train.population import population_key

RATES = {"learning_rate": {"low": 1e-4, "high": 1e-2}}


class Measured:
    """Sizes of a study of one program, and what is asked of the measuring, which finds that ``helps`` help."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, helps: int) -> None:
        self.asked: list[int] = []
        self.space = Space.load(given(RATES, log_dir=str(folder)))
        self.config = require_possible(self.space)
        self.folder = folder

        def helpful_size(config: Any, dataset: Any, most: int, trying: Any) -> int:
            self.asked.append(most)
            best = tried = 1
            while tried <= most:
                trying(tried)
                best, tried = (tried, 2 * tried) if tried <= helps else (best, most + 1)
            return best

        patch.setattr(sizes, "helpful_size", helpful_size)

    def sizes(self) -> Sizes:
        """Those of another worker."""
        return Sizes("auto", self.space, BarsCache(BARS), Attempts(WorkerLock(self.folder)))


def test_what_was_left_limits_no_later_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that took a few trials over, or most of them, has measured nothing for the many that are left."""
    study = Measured(tmp_path, monkeypatch, helps=16)
    size = study.sizes()
    assert [size(study.config, left) for left in (3, WORTH - 1)] == [1, 1] and study.asked == []
    assert size(study.config, WORTH + 1) == 8 and study.asked == [WORTH + 1]
    assert [size(study.config, left) for left in (8, 9, 3)] == [8, 8, 3] and study.asked == [WORTH + 1]
    assert size(study.config, 100) == 16 and study.asked == [WORTH + 1, 100]
    assert [size(study.config, left) for left in (1000, 5, 16)] == [16, 5, 16] and study.asked == [WORTH + 1, 100]


def test_what_a_worker_died_of_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    study = Measured(tmp_path, monkeypatch, helps=64)
    program = population_key(study.config)
    dead = []
    for members, size in ((32, 16), (16, 8), (1, 1)):
        other = WorkerLock(tmp_path)
        dead.append(Attempts(other).noted(program))
        dead[-1].__enter__()(members)
        other.close()
        caplog.clear()
        assert study.sizes()(study.config, 100) == size and study.asked[-1] == size
        assert f"a worker died while it tried {members} trainings side by side, so at most {size} are" in caplog.text
        assert str(next((tmp_path / ".workers").glob(f"{other.token}.trying"))) in caplog.text
    assert len(list((tmp_path / ".workers").glob("*.trying"))) == 3, "those who lived have left no note"


def test_what_others_died_of_does_not_bear_on_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    study = Measured(tmp_path, monkeypatch, helps=64)
    other = WorkerLock(tmp_path)
    block = Attempts(other).noted(population_key(study.config))
    block.__enter__()(32)
    other.close()
    size = study.sizes()
    assert size(study.config, 20) == 16 and study.asked == [20] and not caplog.text
    assert size(study.config, 50) == 16 and study.asked == [20, 16]


@pytest.mark.parametrize(
    ("deaths", "groups"),
    [
        ((0,) * 5, [4, 1]),
        ((1,) * 5, [4, 1]),  # any kill and restart
        ((2,) * 5, [2, 2, 1]),
        ((3,) * 3, [1, 1, 1]),
        ((9,) * 3, [1, 1, 1]),
        ((0, 0, 2, 0), [2, 2]),
        ((3, 0, 0, 0), [1, 3]),
        ((10, 0, 0, 0), [1, 3]),  # which is not trained any more
    ],
)
def test_what_processes_die_of_again_and_again_has_fewer_beside_it(
    tmp_path: Path, deaths: tuple[int, ...], groups: list[int]
) -> None:
    space = Space.load(given(RATES, log_dir=str(tmp_path)))
    claims = [Claim(i, i, Proposal.of(space, {"learning_rate": 0.001}), taken_over=n) for i, n in enumerate(deaths)]
    found = side_by_side(claims, lambda config: 4)
    assert [len(group) for group in found] == groups
    assert sorted(claim.number for group in found for claim in group) == list(range(len(deaths)))
