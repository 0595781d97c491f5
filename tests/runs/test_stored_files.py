"""Which files of a run in storage count, and how far they have come."""

from __future__ import annotations

import pytest

from nextbar.runs.stored_files import Reached, checkpoints_in, is_later, reached, sealed, usable

WHOLE = ["checkpoints/last/2/checksums.json", "checkpoints/last/2/state/a"]
HALF = ["checkpoints/last/10/state/a"]
FINAL = ["final/checkpoints/last/3/checksums.json", "final/summary.json"]


def test_half_a_checkpoint_and_hidden_files_do_not_count() -> None:
    others = ["metrics.csv", ".x.part", "checkpoints/last/3-new.tmp/checksums.json", "checkpoints/notes"]
    assert usable([*HALF, *WHOLE, *FINAL, *others]) == [*WHOLE, *FINAL, "metrics.csv"]


def test_of_many_runs_only_checkpoints_that_arrived_whole_count() -> None:
    names = [f"a/one/{name}" for name in (*WHOLE, *HALF, "metrics.csv")] + [f"a/two/final/{HALF[0]}", *HALF, *FINAL]
    assert sealed(names) == [*(f"a/one/{name}" for name in (*WHOLE, "metrics.csv")), *FINAL]


@pytest.mark.parametrize(
    ("names", "summary", "wanted"),
    [
        ([], None, (False, 0, 0)),
        ([*WHOLE, *HALF], b'{"status": "running"}', (False, 0, 2)),
        ([*WHOLE, *FINAL], b'{"status": "running"}', (False, 3, 2)),
        (WHOLE, b'{"status": "diverged"}', (True, 0, 2)),
        (WHOLE, b"no JSON", (False, 0, 2)),
        (["checkpoints/best/9/checksums.json"], b"{}", (False, 0, 0)),  # not committed
    ],
)
def test_how_far_a_run_has_come(names: list[str], summary: bytes | None, wanted: tuple[bool, int, int]) -> None:
    assert reached(names, summary) == Reached(*wanted)


def test_the_best_are_sent_before_the_last_and_epochs_in_their_order() -> None:
    folders = [f"{fit}checkpoints/{kind}" for fit in ("final/", "") for kind in ("last", "best")]
    names = [f"{folder}/{epoch}/a" for folder in folders for epoch in (10, 9)]
    assert list(checkpoints_in(names)) == [
        ("", "best", 9), ("", "best", 10), ("", "last", 9), ("", "last", 10),
        ("final/", "best", 9), ("final/", "best", 10), ("final/", "last", 9), ("final/", "last", 10),
    ]  # fmt: skip


def test_later_epochs_are_later_than_the_last_of_their_fit() -> None:
    kept = [("", "last", 4), ("", "best", 7), ("final/", "last", 1)]
    assert is_later(("", "best", 5), kept) and not is_later(("", "last", 4), kept)
    assert is_later(("final/", "last", 2), kept) and is_later(("", "last", 1), [])
