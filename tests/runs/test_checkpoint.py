"""Checkpoints: what is saved comes back bit-equal, the best are kept, and a kill costs one epoch at most."""

from __future__ import annotations

import json
import logging
import math
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax.training.train_state import TrainState
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nextbar.errors import Damaged, RunError
from nextbar.runs.checkpoint import Checkpoints
from nextbar.runs.checkpoint_store import CheckpointStore, sweep


def state_at(epoch: int) -> TrainState:
    """A state every bit of which follows from the epoch."""
    keys = jax.random.split(jax.random.key(epoch), 2)
    params = {
        "kernel": jax.random.normal(keys[0], (7, 5)),
        "inner": {"bias": jax.random.normal(keys[1], (3,)), "half": jnp.ones(2, jnp.bfloat16) * epoch},
    }
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.inject_hyperparams(optax.adamw)(1e-3))
    state = TrainState.create(apply_fn=lambda: None, params=params, tx=tx)
    return state.apply_gradients(grads=params).replace(step=jnp.int32(epoch))


def loss_at(epoch: int) -> float:
    return float(np.random.default_rng(epoch).uniform())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "checkpoints"


def saved(folder: Path, losses: dict[int, float], **options: int) -> Checkpoints:
    checkpoints = Checkpoints(folder, **options)
    for epoch, loss in losses.items():
        checkpoints.save(epoch, state_at(epoch), {"patience": epoch}, loss)
    checkpoints.close()
    return Checkpoints(folder, **options)


def test_last_comes_back_bit_equal(folder: Path) -> None:
    checkpoints = saved(folder, {3: 0.5, 4: 0.25})
    epoch, state, notes = checkpoints.restore_last(jax.eval_shape(lambda: state_at(0)))
    assert (epoch, notes) == (4, {"patience": 4})
    assert isinstance(state, TrainState)
    chex.assert_trees_all_equal(jax.tree.leaves(state), jax.tree.leaves(state_at(4)))
    chex.assert_trees_all_equal_dtypes(state.params, state_at(4).params)


def test_parameters_are_those_that_orbax_reads(folder: Path) -> None:
    checkpoints = saved(folder, {1: 0.0})
    assert checkpoints.restore_raw(1).keys() == {"kernel", "inner"}
    with ocp.PyTreeCheckpointer() as reader:
        wanted = reader.restore(folder / "best" / "1" / "state")["params"]
    chex.assert_trees_all_equal(checkpoints.restore_raw(1), wanted, strict=True)


@pytest.mark.parametrize("way", ["../checkpoints", "../a folder/checkpoints", "../50%20off?/checkpoints"])
def test_parameters_are_read_by_any_way_that_leads_there(folder: Path, way: str) -> None:
    saved(folder, {1: 0.0})
    there = folder / way
    if not there.exists():
        there.parent.mkdir()
        there.symlink_to(folder)
    chex.assert_trees_all_equal(Checkpoints(there).restore_raw(1), state_at(1).params)
    moved = folder.rename(folder.with_name("run#1 of [2]"))
    chex.assert_trees_all_equal(Checkpoints(moved).restore_raw(1), state_at(1).params)


def test_a_part_of_an_array_that_is_missing_is_no_zero(folder: Path) -> None:
    """Of a checkpoint of before, which has no checksums to tell by."""
    saved(folder, {1: 0.0})
    path = folder / "best" / "1"
    key = next(path for path in (path / "state" / "d").iterdir())
    key.unlink()
    with pytest.raises(RunError, match="is not a checkpoint"):
        CheckpointStore().read_params(path)


def test_a_state_without_parameters_is_told_in_a_sentence(folder: Path) -> None:
    store = CheckpointStore()
    store.write(folder, {"step": np.zeros(1)}, {"validation_loss": 0.0, "notes": {}})
    store.close()
    with pytest.raises(RunError, match="there are no arrays of params in state, which has step\n"):
        store.read_params(folder)


def test_a_continued_run_compiles_nothing_new(folder: Path) -> None:
    @jax.jit
    @chex.assert_max_traces(1)
    def epoch(params: dict) -> dict:
        return jax.tree.map(lambda leaf: leaf + 1, params)

    epoch(state_at(1).params)
    compiled = epoch._cache_size()
    _, state, _ = saved(folder, {1: 0.0}).restore_last(state_at(0))
    epoch(state.params)
    assert epoch._cache_size() == compiled == 1


def test_the_state_may_be_donated_as_soon_as_save_returns(folder: Path) -> None:
    overwrite = jax.jit(lambda leaf: leaf * 0 - 1, donate_argnums=0)
    checkpoints = Checkpoints(folder)
    leaf = jnp.arange(1_000_000.0)
    checkpoints.save(1, {"params": leaf}, {}, 0.0)
    place = leaf.unsafe_buffer_pointer()
    assert overwrite(leaf).unsafe_buffer_pointer() == place  # nothing here holds on to it
    np.testing.assert_array_equal(checkpoints.restore_raw(1), np.arange(1_000_000.0))
    checkpoints.close()


def test_the_five_best_are_kept_and_ties_go_to_the_earlier(folder: Path) -> None:
    values = [0.9, 0.3, float("nan"), 0.3, float("inf"), 0.7, 0.1, 0.8, 0.7, 0.95]
    losses = dict(enumerate(values, start=1))
    checkpoints = saved(folder, losses)
    assert checkpoints.best() == [(7, 0.1), (2, 0.3), (4, 0.3), (6, 0.7), (9, 0.7)]
    assert sorted(path.name for path in (folder / "best").iterdir()) == ["2", "4", "6", "7", "9"]
    assert sorted(path.name for path in (folder / "last").iterdir()) == ["10", "9"]
    assert int(checkpoints.restore(None, state_at(0)).step) == 7
    assert int(checkpoints.restore(9, state_at(0)).step) == 9
    assert int(checkpoints.restore(10, state_at(0)).step) == 10  # the last, by its number


@settings(max_examples=15)
@given(st.lists(st.sampled_from([0.1, 0.2, math.nan, math.inf, -math.inf]), max_size=6), st.integers(1, 3))
@example([math.nan], 5)
@example([math.inf, 0.2, math.nan, 0.1], 5)
@example([-math.inf, 0.1, 0.1], 1)
def test_what_is_not_finite_is_never_among_the_best_however_few_are_kept(values: list[float], keep_best: int) -> None:
    """After each epoch, in this process and in one that opens the folder; of two equals the earlier comes first."""
    with TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder) / "checkpoints", keep_best=keep_best)
        for epoch, loss in enumerate(values, start=1):
            checkpoints.save(epoch, {"params": {"epoch": np.float32(epoch)}}, {}, loss)
            finite = [(n, past) for n, past in enumerate(values[:epoch], start=1) if math.isfinite(past)]
            wanted = sorted(finite, key=lambda item: item[1])[:keep_best]
            assert checkpoints.best() == wanted
            best = [wanted[0][0]] if wanted else [epoch]  # where none is finite, the last
            assert [checkpoints.restore_raw()["epoch"]] == best
        checkpoints.close()
        again = Checkpoints(Path(folder) / "checkpoints", keep_best=keep_best)
        assert not values or again.best() == wanted
        again.close()


@pytest.mark.parametrize("links", [True, False])
def test_an_epoch_both_last_and_best_is_whole_in_both(
    links: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the folder in ``last``, whose files it shares, is gone; and where there are no links."""
    if not links:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    checkpoints = saved(folder, {1: 0.5})
    for path in ("last/1", "best/1"):
        assert (folder / path).is_dir()
    shared = {p.stat().st_ino for p in (folder / "last").rglob("*") if p.is_file()} & {
        p.stat().st_ino for p in (folder / "best").rglob("*") if p.is_file()
    }
    assert bool(shared) == links
    checkpoints.save(2, state_at(2), {"patience": 2}, 0.9)
    checkpoints.close()
    for epoch in (1, 2):
        restored = Checkpoints(folder).restore(epoch, state_at(0))
        chex.assert_trees_all_equal(jax.tree.leaves(restored), jax.tree.leaves(state_at(epoch)))
    assert not list(folder.rglob("*tmp*"))


def test_the_parameters_alone_need_no_template(folder: Path) -> None:
    params = saved(folder, {1: 0.2, 2: 0.1, 3: 0.3}).restore_raw()
    chex.assert_trees_all_equal(params, jax.tree.map(np.asarray, state_at(2).params))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(params))


def test_an_epoch_done_again_replaces_the_first(folder: Path) -> None:
    checkpoints = saved(folder, {1: 0.5, 2: 0.4})
    checkpoints.save(2, state_at(2), {"patience": 7}, 0.3)
    assert checkpoints.best() == [(2, 0.3), (1, 0.5)]
    assert checkpoints.restore_last(state_at(0))[2] == {"patience": 7}
    checkpoints.close()


def test_epochs_after_the_one_resumed_from_are_forgotten(folder: Path) -> None:
    checkpoints = saved(folder, {1: 0.3, 2: 0.2, 3: 0.1})
    checkpoints.forget_after(1)
    assert checkpoints.best() == [(1, 0.3)]
    again = Checkpoints(folder)
    assert again.best() == [(1, 0.3)]
    assert again.restore_last(state_at(0))[0] == 1, "which is the last now, and no untrained state"


def test_unfinished_folders_are_not_seen_and_are_swept(folder: Path) -> None:
    """Nothing else is: what orbax names in another way may be a checkpoint."""
    checkpoints = saved(folder, {1: 0.3})
    left = folder / "last" / "2.orbax-checkpoint-tmp"
    shutil.copytree(folder / "last" / "1", left)
    shutil.copytree(folder / "best" / "1", folder / "best" / "1-old.orbax-checkpoint-tmp")
    assert checkpoints.restore_last(state_at(0))[0] == 1
    checkpoints.close()
    others = [folder / "last" / "1-old", folder / "last" / "1.orbax", folder / "2.orbax-checkpoint-tmp"]
    for other in others:
        other.mkdir()
    assert sweep(folder) == 2 and sweep(folder) == 0
    assert not list(folder.glob("*/*orbax-checkpoint-tmp*")) and all(other.is_dir() for other in others)


def test_nothing_is_written_before_the_first_save_and_never_when_not_enabled(folder: Path) -> None:
    untouched = Checkpoints(folder)
    assert untouched.restore_last(state_at(0)) is None
    assert untouched.best() == []
    with pytest.raises(RunError, match="no checkpoint"):
        untouched.restore(None, state_at(0))

    disabled = saved(folder, {1: 0.1}, enabled=False)
    assert disabled.restore_last(state_at(0)) is None
    with pytest.raises(RunError, match="save_weights"):
        disabled.restore(None, state_at(0))
    assert not folder.exists()


def test_an_epoch_not_kept_is_named_with_those_that_are(folder: Path) -> None:
    with pytest.raises(RunError, match=r"epoch 8; epochs kept: 1, 2"):
        saved(folder, {1: 0.1, 2: 0.2}).restore(8, state_at(0))


@pytest.mark.parametrize("missing", ["state", "notes", "state/manifest.ocdbt", "state/_METADATA", "state/d"])
def test_a_half_copied_checkpoint_is_refused_with_its_path(folder: Path, missing: str) -> None:
    checkpoints = saved(folder, {5: 0.1})
    for copy in ("last", "best"):
        assert checkpoints.restore_last(state_at(0))[0] == 5, "one of the two is enough"
        gone = folder / copy / "5" / missing
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(RunError, match=r"no checkpoint .* is whole(.|\n)*last.5 is damaged: "):
        checkpoints.restore_last(state_at(0))


def test_a_checkpoint_of_another_model_is_refused(folder: Path) -> None:
    checkpoints = saved(folder, {5: 0.1})
    other = state_at(0)
    wider = other.replace(params={**other.params, "kernel": jnp.zeros((7, 6))})
    with pytest.raises(RunError, match=r"shape \(7, 5\) where the model has \(7, 6\)"):
        checkpoints.restore_last(wider)
    with pytest.raises(RunError, match="another model"):
        checkpoints.restore_last(other.replace(params={**other.params, "new": jnp.zeros(2)}))


def test_a_failed_write_is_told_by_the_next_call(folder: Path) -> None:
    folder.write_text("a file in the way")
    checkpoints = Checkpoints(folder)
    checkpoints.save(1, state_at(1), {}, 0.1)
    with pytest.raises(RunError, match="cannot write to"):
        checkpoints.close()


def test_orbax_is_quiet_even_when_the_user_logs_info(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    saved(folder, {1: 0.1}).restore_last(state_at(0))
    assert not [record for record in caplog.records if record.name == "absl"]


def test_the_users_logging_is_left_alone(folder: Path) -> None:
    code = (
        "import logging, sys, numpy, nextbar.train.trainer\n"
        "from nextbar.runs.checkpoint import Checkpoints\n"
        "checkpoints = Checkpoints(sys.argv[1])\n"
        "checkpoints.save(1, {'params': numpy.ones(3)}, {}, 0.1)\n"
        "checkpoints.restore_raw(), checkpoints.close()\n"
        "assert logging.getLogger().handlers == []\n"
        "logging.warning('mine')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "WARNING:root:mine\n")


def flip(path: Path, bit: int = 0) -> None:
    """Change one bit in the middle of a file, in place, so that links to it see it as a fault of the disk."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1 << bit]))


def files_of(folder: Path, epoch: int) -> list[Path]:
    return sorted(path for path in (folder / "best" / str(epoch)).rglob("*") if path.is_file())


@pytest.fixture
def damaged(folder: Path) -> Callable[[int], Path]:
    """Damages the state of an epoch, in all places that it is linked to."""

    def damage(epoch: int) -> Path:
        path = next(path for path in files_of(folder, epoch) if "state/d" in path.as_posix())
        flip(path)
        return path

    return damage


def test_a_flipped_bit_in_any_file_of_a_checkpoint_is_found(folder: Path) -> None:
    """In every one of them, at each bit of a byte in turn; also in the list of checksums, and where that is gone."""
    checkpoints = saved(folder, {1: 0.2})
    for number, path in enumerate(files_of(folder, 1)):
        flip(path, number % 8)
        for read in (lambda: checkpoints.restore_raw(1), lambda: checkpoints.restore_last(state_at(0))):
            with pytest.raises(Damaged, match=r"(last|best).1 is damaged: "):
                read()
        flip(path, number % 8)
    assert checkpoints.restore_last(state_at(0))[0] == 1
    for copy in ("best", "last"):
        (folder / copy / "1" / "checksums.json").unlink()
    with pytest.raises(Damaged, match=r"checksums\.json is missing"):
        checkpoints.restore_raw(1)


def test_of_a_damaged_last_epoch_the_one_before_is_gone_on_from(
    folder: Path, damaged: Callable[[int], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Its state is that of its end, and what was damaged is written anew with the epochs after it."""
    checkpoints = saved(folder, {1: 0.3, 2: 0.2, 3: 0.1})
    damaged(3)
    with caplog.at_level(logging.WARNING):
        epoch, state, notes = checkpoints.restore_last(state_at(0))
    assert (epoch, notes) == (2, {"patience": 2})
    chex.assert_trees_all_equal(state.params, state_at(2).params)
    assert "last/3 is damaged: state/" in caplog.text and "going on from epoch 2 instead" in caplog.text
    checkpoints.forget_after(2)
    checkpoints.save(3, state_at(3), {"patience": 3}, 0.1)
    assert checkpoints.best() == [(3, 0.1), (2, 0.2), (1, 0.3)]
    chex.assert_trees_all_equal(checkpoints.restore_last(state_at(0))[1].params, state_at(3).params)
    checkpoints.close()


def test_the_last_two_epochs_share_no_file(folder: Path) -> None:
    saved(folder, {1: 0.3, 2: 0.2, 3: 0.9})
    inodes = [{path.stat().st_ino for path in (folder / "last" / e).rglob("*") if path.is_file()} for e in ("2", "3")]
    assert all(inodes) and not inodes[0] & inodes[1]


def test_where_both_of_the_last_are_damaged_a_best_one_is_gone_on_from(
    folder: Path, damaged: Callable[[int], Path]
) -> None:
    """It is the last then: a process that is killed before the next epoch finds it again."""
    checkpoints = saved(folder, {1: 0.3, 2: 0.2, 3: 0.1})
    damaged(2), damaged(3)
    assert checkpoints.restore_last(state_at(0))[0] == 1
    checkpoints.forget_after(1)
    assert Checkpoints(folder).restore_last(state_at(0))[0] == 1
    assert Checkpoints(folder).epochs() == [1]


def test_an_epoch_whose_best_one_is_damaged_is_not_gone_on_from(folder: Path, damaged: Callable[[int], Path]) -> None:
    """Whoever goes on needs the parameters of the best: it is trained anew from an epoch before it."""
    checkpoints = Checkpoints(folder)
    for epoch, (loss, best) in enumerate([(0.3, 1), (0.1, 2), (0.2, 2), (0.4, 2)], start=1):
        checkpoints.save(epoch, state_at(epoch), {"best_epoch": best}, loss)
    assert checkpoints.restore_last(state_at(0))[0] == 4
    damaged(2)
    assert checkpoints.restore_last(state_at(0))[0] == 1
    checkpoints.close()


def test_where_none_is_whole_all_are_named(folder: Path, damaged: Callable[[int], Path]) -> None:
    checkpoints = saved(folder, {1: 0.3, 2: 0.2})
    damaged(1), damaged(2)
    for read in (lambda: checkpoints.restore_last(state_at(0)), checkpoints.restore_raw):
        with pytest.raises(Damaged, match=r"no checkpoint in .* is whole:(.|\n)*/2 is damaged(.|\n)*/1 is damaged"):
            read()
    assert checkpoints.epochs() == [1, 2], "nothing was deleted"


def test_of_a_damaged_best_epoch_the_next_best_is_used(
    folder: Path, damaged: Callable[[int], Path], caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = saved(folder, {1: 0.3, 2: 0.1, 3: 0.2, 4: 0.9})
    damaged(2)
    with caplog.at_level(logging.WARNING):
        epoch, params = checkpoints.restore_best(2)
    assert epoch == 3
    chex.assert_trees_all_equal(params, jax.tree.map(np.asarray, state_at(3).params))
    assert "best/2 is damaged" in caplog.text and "the next best is used instead, epoch 3" in caplog.text
    assert int(checkpoints.restore(None, state_at(0)).step) == 3
    with pytest.raises(Damaged, match=r"best.2 is damaged"):
        checkpoints.restore(2, state_at(0))  # by its number it is that one or none


def test_damaged_notes_of_a_best_epoch_leave_the_others_their_rank(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved(folder, {1: 0.3, 2: 0.1, 3: 0.2})
    flip(folder / "best" / "2" / "notes" / "metadata")
    assert Checkpoints(folder).best() == [(3, 0.2), (1, 0.3)]
    assert "best/2 is damaged: notes/metadata was changed" in caplog.text


def test_a_copy_that_shares_no_file_stands_in(folder: Path, damaged: Callable[[int], Path]) -> None:
    """As where a run was copied: its links have become files of their own."""
    saved(folder, {1: 0.3})
    shutil.copytree(folder, folder.parent / "copy")
    shutil.rmtree(folder)
    (folder.parent / "copy").rename(folder)
    damaged(1)
    assert Checkpoints(folder).restore_last(state_at(0))[0] == 1


def test_checkpoints_of_earlier_versions_have_no_checksums_and_are_read(folder: Path) -> None:
    checkpoints = CheckpointStore()
    folder.mkdir()
    checkpoints.write(folder / "last" / "1", jax.tree.map(np.array, state_at(1)), {"validation_loss": 0.5, "notes": {}})
    checkpoints.close()
    (folder / "last" / "1" / "checksums.json").unlink()
    metadata = folder / "last" / "1" / "notes" / "metadata"
    metadata.write_text(json.dumps({"validation_loss": 0.5, "notes": {}}))
    epoch, state, _ = Checkpoints(folder).restore_last(state_at(0))
    assert epoch == 1
    chex.assert_trees_all_equal(state.params, state_at(1).params)


@contextmanager
def longest_file(length: int) -> Iterator[None]:
    """Files may not become longer, as on a disk that has no more room."""
    resource = pytest.importorskip("resource", reason="the system has no limits on files")
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_a_disk_without_room_is_told_in_a_sentence_and_nothing_half_written_stays(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = saved(folder, {1: 0.3})
    params = {"params": {"wide": np.random.default_rng(0).uniform(size=100_000)}}
    with longest_file(50_000):
        checkpoints.save(2, params, {}, 0.1)
        with pytest.raises(RunError) as error:
            checkpoints.wait()
    run = re.escape(str(folder.parent))
    assert re.fullmatch(rf"cannot write to {run}: File too large\. Allow longer files .*", str(error.value))
    assert sorted(path.name for path in folder.glob("*/*")) == ["1", "1"]
    assert "Traceback" not in caplog.text and not caplog.records
    checkpoints.save(2, params, {}, 0.1)  # there is room again
    checkpoints.close()
    assert Checkpoints(folder).epochs() == [1, 2]


def test_a_run_folder_that_was_deleted_is_not_made_anew(folder: Path) -> None:
    checkpoints = saved(folder, {1: 0.3})
    shutil.rmtree(folder.parent)
    checkpoints.save(2, state_at(2), {}, 0.1)
    with pytest.raises(RunError, match=r"run has gone, deleted or moved while it was written"):
        checkpoints.close()
    assert not folder.parent.exists()


CHILD = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_checkpoint import Checkpoints, loss_at, run_until_killed
run_until_killed(sys.argv[1])
"""


def run_until_killed(folder: str) -> None:
    """Continue from the last commit, telling each epoch once it is on disk."""
    checkpoints = Checkpoints(folder)
    found = checkpoints.restore_last(state_at(0))
    epoch = check_found(checkpoints, found) if found else 0
    while True:
        epoch += 1
        checkpoints.save(epoch, state_at(epoch), {"epoch": epoch}, loss_at(epoch))
        checkpoints.wait()
        print(epoch, flush=True)


def check_found(checkpoints: Checkpoints, found: tuple[int, TrainState, dict]) -> int:
    epoch, state, notes = found
    assert notes == {"epoch": epoch}
    chex.assert_trees_all_equal(state.params, state_at(epoch).params)
    chex.assert_trees_all_equal(state.opt_state, state_at(epoch).opt_state)
    checkpoints.forget_after(epoch)
    ranked = sorted((loss_at(past), past) for past in range(1, epoch + 1))[:5]
    assert checkpoints.best() == [(past, loss) for loss, past in ranked]
    for past, _ in checkpoints.best():
        chex.assert_trees_all_equal(checkpoints.restore(past, state_at(0)).params, state_at(past).params)
    return epoch


def kill_and_look(folder: Path, rounds: int) -> None:
    chance, told = random.Random(0), 0
    for _ in range(rounds):
        command = [sys.executable, "-c", CHILD, str(folder)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None and child.stderr is not None
        first = child.stdout.readline()
        assert first, child.stderr.read()
        time.sleep(chance.uniform(0, 0.5))
        child.send_signal(signal.SIGKILL)
        told = int([first, *child.stdout.read().splitlines()][-1])
        child.communicate()
        found = Checkpoints(folder).restore_last(state_at(0))
        assert found is not None
        assert check_found(Checkpoints(folder), found) >= told


def test_killed_while_saving_the_last_commit_is_whole(folder: Path) -> None:
    kill_and_look(folder, rounds=2)


@pytest.mark.slow
def test_killed_again_and_again_the_last_commit_is_whole(folder: Path) -> None:
    kill_and_look(folder, rounds=8)


def test_going_back_drops_later_epochs_where_the_earlier_one_is_whole(folder: Path) -> None:
    checkpoints = saved(folder, {1: 1.0, 2: 0.9, 3: 0.8}, keep_best=1)
    assert checkpoints.last_epoch() == 3
    checkpoints.go_back(1)  # no longer kept
    assert checkpoints.epochs() == [2, 3]
    checkpoints.go_back(2)
    assert checkpoints.epochs() == [2] and checkpoints.last_epoch() == 2
    checkpoints.save(3, state_at(3), {}, 0.8)
    file = next(path for path in (folder / "last" / "2").rglob("*") if path.is_file() and path.stat().st_size)
    checkpoints.wait()
    file.write_bytes(b"x" + file.read_bytes()[1:] + b"x")
    checkpoints.go_back(2)
    assert checkpoints.last_epoch() == 3
    checkpoints.go_back(0)
    assert checkpoints.epochs() == [] and checkpoints.last_epoch() == 0
    checkpoints.close()
