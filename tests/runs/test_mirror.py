"""What is sent of a run, in which order: after every step what lies in storage is a run, and it never falls back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from buckets import Content, content, failing, lay_out, on_machine, steps
from filelock import FileLock

from nextbar.checksums import LIST, list_files, listed_faults, read_json, write_json
from nextbar.errors import RunBusy, Unreachable
from nextbar.runs.mirror import Mirror, mirrored
from nextbar.runs.summary import SUMMARY
from nextbar.storage.address import working_folder
from nextbar.storage.bucket import Bucket
from nextbar.storage.lease import Lease

ADDRESS = "memory://bucket/runs/test/run"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    on_machine(monkeypatch, tmp_path / "machine")
    lay_out({})
    yield
    lay_out({})


@pytest.fixture
def mirror() -> Mirror:
    """Of an empty working folder."""
    folder = working_folder(ADDRESS)
    folder.mkdir(parents=True)
    lease = Lease(ADDRESS, folder.with_name("note"))
    lease.acquire()
    return Mirror(folder, ADDRESS, lease)


def write_checkpoint(path: Path, text: str) -> None:
    shutil.rmtree(path, ignore_errors=True)
    (path / "state").mkdir(parents=True)
    (path / "state" / "array").write_text(text)
    (path / "notes").write_text(text)
    list_files(path)


def write_epoch(folder: Path, epoch: int, text: str = "", best: bool = True) -> None:
    """A row, and a checkpoint among the last two and the best three, as a training leaves them."""
    rows = (folder / "metrics.csv").read_text().splitlines()[: epoch - 1] if epoch > 1 else []
    (folder / "metrics.csv").write_text("\n".join([*rows, f"{epoch} {text}"]))
    write_json(folder / SUMMARY, {"status": "running"})
    for kind, kept in (("best", 3), ("last", 2)):
        if kind == "last" or best:
            write_checkpoint(folder / "checkpoints" / kind / str(epoch), f"{epoch} {text}")
        for path in sorted((folder / "checkpoints" / kind).glob("*"), key=lambda path: int(path.name))[:-kept]:
            shutil.rmtree(path)


def end(folder: Path, epochs: int) -> None:
    (folder / "rival.json").write_text("{}")
    write_json(folder / SUMMARY, {"status": "finished", "epochs": epochs, "best_epoch": epochs})


def committed(state: Content, tmp_path: Path) -> int:
    """The last epoch of the run in a state of storage, which must be one that can be gone on with."""
    below = "/bucket/runs/test/run/"
    for path, file in state.items():
        if path.startswith(below):
            target = tmp_path / path.removeprefix(below)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.getvalue())
    kept: dict[str, list[int]] = {"best": [], "last": []}
    for path in tmp_path.glob("checkpoints/*/*"):
        if (path / LIST).is_file():
            assert listed_faults(path) == [], path
            kept[path.parent.name].append(int(path.name))
    epoch = max(kept["last"], default=0)
    rows = (tmp_path / "metrics.csv").read_text().splitlines() if (tmp_path / "metrics.csv").is_file() else []
    assert len(rows) >= epoch
    if (tmp_path / SUMMARY).is_file() and read_json(tmp_path / SUMMARY)["status"] == "finished":
        summary = read_json(tmp_path / SUMMARY)
        assert epoch == summary["epochs"] and summary["best_epoch"] in kept["best"]
        assert (tmp_path / "rival.json").is_file()
    shutil.rmtree(tmp_path, ignore_errors=True)
    return epoch


def redo(folder: Path) -> None:
    """A damaged epoch 6 is dropped and done again, to the same arrays laid out otherwise."""
    for kind in ("best", "last"):
        shutil.rmtree(folder / "checkpoints" / kind / "6")
    (folder / "metrics.csv").write_text("\n".join((folder / "metrics.csv").read_text().splitlines()[:5]))


STORY: list[tuple[Callable[[Path], None], int]] = [
    *((lambda folder, epoch=epoch: write_epoch(folder, epoch, best=epoch != 4), epoch) for epoch in range(1, 7)),
    (redo, 5),
    (lambda folder: write_epoch(folder, 6, "again"), 6),
    (lambda folder: write_epoch(folder, 6, "laid out otherwise"), 6),
    (lambda folder: end(folder, 6), 6),
]
"""what happens in the working folder, and the last epoch after it"""


def test_after_every_step_there_is_a_run_and_it_never_falls_back(mirror: Mirror, tmp_path: Path) -> None:
    before = 0
    for act, epoch in STORY:
        act(mirror.folder)
        with steps() as seen:
            mirror.send()
        reached = [committed(state, tmp_path / "state") for state in seen]
        assert reached[-1] == epoch and min(reached) >= min(before, epoch) - (epoch == before)
        before = epoch
        there = {name.removeprefix("/bucket/runs/test/run/") for name in content() if ".lease" not in name}
        here = {path.relative_to(mirror.folder).as_posix() for path in mirror.folder.rglob("*") if path.is_file()}
        assert there == here
        for name in here:
            assert Bucket(ADDRESS).read(name) == (mirror.folder / name).read_bytes()


def test_what_has_not_changed_is_not_sent_again(mirror: Mirror) -> None:
    write_epoch(mirror.folder, 1)
    mirror.send()
    write_epoch(mirror.folder, 2)
    with steps() as seen:
        mirror.send()
    sent = set(seen[-1]) - set(seen[0])
    assert sent and all("/2/" in path for path in sent)
    with steps() as seen:
        mirror.send()
    assert len(seen) == 1, "the summary"


def test_what_is_being_written_is_not_sent(mirror: Mirror) -> None:
    write_epoch(mirror.folder, 1)
    write_checkpoint(mirror.folder / "checkpoints" / "best" / "2-new.orbax-checkpoint-tmp", "2")
    (mirror.folder / ".summary.json.x.part").write_text("half")
    mirror.send()
    assert not [path for path in content() if "tmp" in path or ".part" in path]


def test_a_process_that_is_overtaken_while_it_sends_removes_nothing_and_ends_nothing(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nextbar.storage.lease.LASTS", 0.0)
    for epoch in (1, 2):
        write_epoch(mirror.folder, epoch)
    mirror.send()
    for epoch in (3, 4):
        write_epoch(mirror.folder, epoch)
    end(mirror.folder, 4)
    before = content()
    usual = Bucket.send

    def send(bucket: Bucket, folder: Path, names: list[str]) -> None:
        usual(bucket, folder, names)
        if "rival.json" in names:
            Lease(ADDRESS, tmp_path / "other").acquire()

    monkeypatch.setattr(Bucket, "send", send)
    with pytest.raises(RunBusy, match="taken over"):
        mirror.send()
    kept = {path: file for path, file in before.items() if "checkpoints" in path or path.endswith(SUMMARY)}
    assert kept.items() <= content().items()
    with pytest.raises(RunBusy, match="taken over"):
        mirror.clear()
    assert kept.items() <= content().items()


def test_a_folder_that_has_gone_takes_nothing_with_it(mirror: Mirror) -> None:
    write_epoch(mirror.folder, 1)
    mirror.send()
    before = content()
    shutil.rmtree(mirror.folder)
    mirror.send()
    assert content() == before


def session(act: Callable[[Path], None], overwrite: bool = False) -> None:
    """What a command does with a run in storage."""
    folder = working_folder(ADDRESS)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name("lock")), mirrored(folder, ADDRESS, overwrite):
        folder.mkdir(exist_ok=True)
        act(folder)


def last(folder: Path) -> int:
    return max((int(path.name) for path in folder.glob("checkpoints/last/*")), default=0)


def test_of_working_folder_and_storage_the_further_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def train(epochs: int) -> Callable[[Path], None]:
        def act(folder: Path) -> None:
            seen.append(last(folder))
            for epoch in range(last(folder) + 1, epochs + 1):
                write_epoch(folder, epoch)

        return act

    session(train(2))
    on_machine(monkeypatch, tmp_path / "other")
    session(train(4))
    on_machine(monkeypatch, tmp_path / "machine")
    with ExitStack() as network:

        def train_and_lose_it(folder: Path) -> None:
            train(6)(folder)
            network.enter_context(failing(lambda path: ".lease" not in path))

        with pytest.raises(Unreachable, match="the same command sends it"):
            session(train_and_lose_it)
    session(train(6))
    assert seen == [0, 2, 4, 6]
    lay_out({})
    session(train(1))  # it was removed there
    assert seen[-1] == 0
    session(train(0), overwrite=True)
    assert seen[-1] == 0


def test_storage_that_does_not_answer_at_the_start_changes_nothing_here_or_there() -> None:
    session(lambda folder: write_epoch(folder, 1))
    folder = working_folder(ADDRESS)
    write_epoch(folder, 2)
    folder.with_name(f".{folder.name}.unsent").write_text("a process that died")
    before = content()
    for fails in (lambda path: True, lambda path: path.endswith("run"), lambda path: path.endswith(SUMMARY)):
        with failing(fails), pytest.raises(Unreachable):
            session(lambda folder: None)
        assert last(folder) == 2
    assert {path for path in content() if ".lease" not in path} == {path for path in before if ".lease" not in path}
    session(lambda folder: None)
    assert last(folder) == 2 and any("last/2/" in path for path in content())
