"""The commands on an S3 server of the test's own, on the loopback: killed, gone on with elsewhere, forecast from."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from bar_files import bars_table
from builders import make_config
from forked_commands import forked_commands
from ports import free_port
from refusals import save
from trainings import assert_same_run, parameters

from nextbar.runs.copies import local_folder
from nextbar.runs.listing import list_runs
from nextbar.storage import lease
from nextbar.storage.address import VARIABLE
from nextbar.storage.bucket import Bucket

pytestmark = pytest.mark.slow

ADDRESS = "s3://bucket/runs"
PATIENCE = 240.0
"""seconds"""
KILLED = """
from nextbar.storage import lease
lease.LASTS, lease.LOOK = 5.0, 0.5  # seconds, not a minute, of waiting elsewhere for signs of life
from nextbar.cli import main
main()
"""
FIELDS = {"num_epochs": 24, "early_stopper": 0, "dropout": 0.1, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a server with one empty bucket; the environment of this process leads there."""
    moto = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    port = free_port()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    running.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "anybody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("bucket")
        yield f"http://127.0.0.1:{port}"
        s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Bars, whose closes are a wave so that training goes on to improve, an experiment, and a ``nextbar``."""
    path = tmp_path_factory.mktemp("s3")
    bars = bars_table(200)
    bars["close"] = 100 + np.sin(np.arange(200) / 4)
    bars["low"], bars["high"], bars["open"] = bars["close"] - 5, bars["close"] + 5, bars["close"]
    save(path, bars)
    make_config(datapath="bars", tickers="abc", **FIELDS).save(path / "config.yaml")
    (path / "bin").mkdir()
    with forked_commands(path / "bin"):
        yield path


def begun(folder: Path, machine: str, *words: str, killed: bool = False, **environment: str) -> subprocess.Popen[str]:
    """A command on a machine of that name; where it is to be ``killed``, the process is its own."""
    command = [sys.executable, "-c", KILLED] if killed else [str(folder / "bin" / "nextbar")]
    return subprocess.Popen(
        [*command, *words],
        cwd=folder,
        env=os.environ | {VARIABLE: str(folder / machine)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in err, err
    return process.returncode, out.strip(), err


def done(folder: Path, *words: str, machine: str = "reader") -> str:
    code, out, err = ended(begun(folder, machine, *words))
    assert code == 0, err
    return out


def epochs_there() -> int:
    """The last epoch that has arrived."""
    names = [name.split("/") for name in Bucket(ADDRESS).listed() if name.endswith("checksums.json")]
    return max((int(parts[-2]) for parts in names if parts[-3] == "last"), default=0)


def wait_until(epoch: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while epochs_there() < epoch:
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.05)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


TRAIN = ("train", "config.yaml", "--quiet")


@pytest.fixture(scope="module")
def undisturbed(folder: Path) -> Path:
    return folder / done(folder, *TRAIN, "log_dir=local")


@pytest.fixture(scope="module")
def trained(server: str, folder: Path, undisturbed: Path) -> str:
    """The run that was killed three times, on two machines, and ended."""
    there = (*TRAIN, f"log_dir={ADDRESS}")
    for epoch in (1, 4):
        process = begun(folder, "first", *there, killed=True)
        wait_until(epoch, process)
        kill(process)
    process = begun(folder, "second", *there, killed=True)
    wait_until(9, process)
    kill(process)
    run = done(folder, *there, machine="second")
    assert run == f"{ADDRESS}/test/{undisturbed.name}"
    return run


def test_a_run_that_another_process_trains_is_refused(
    server: str, folder: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT", 1.0)
    elsewhere = f"{ADDRESS}-held"
    held = lease.Lease(f"{elsewhere}/test/{undisturbed.name}", folder / "note")
    held.acquire()
    with held.kept():
        code, _, err = ended(begun(folder, "second", *TRAIN, f"log_dir={elsewhere}"))
    assert code == 1 and "is being trained by another process" in err


@pytest.fixture(autouse=True)
def reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(folder / "reader"))


def test_killed_on_one_machine_and_ended_on_another_it_is_the_run_of_nobody_disturbed(
    trained: str, undisturbed: Path
) -> None:
    copy = local_folder(trained)
    assert_same_run(copy, undisturbed)
    mine, wanted = (json.loads((path / "summary.json").read_text()) for path in (copy, undisturbed))
    assert mine["metrics"] == wanted["metrics"] and mine["status"] == wanted["status"] == "finished"
    assert not [name for name in Bucket(ADDRESS).listed() if ".lease/" in name]


def test_no_credential_or_endpoint_is_written_down(trained: str, server: str, folder: Path) -> None:
    secrets = [word.encode() for word in ("anybody", "the-secret", server.rpartition(":")[2])]
    texts = [path for path in local_folder(trained).rglob("*") if path.suffix in (".yaml", ".json", ".csv")]
    assert len(texts) > 5
    for path in texts:
        if path.name not in ("reference.json", "bars.json", "normalisation.json"):  # numbers, in which a port may stand
            assert not [secret for secret in secrets[:2] if secret in path.read_bytes()], path
    assert server.encode() not in b"".join(path.read_bytes() for path in texts)


@pytest.mark.parametrize("words", [("predict",), ("predict", "--epoch", "24"), ("evaluate", "--json")])
def test_what_a_command_says_of_it_is_what_it_says_of_the_run_on_a_disk(
    words: Sequence[str], trained: str, undisturbed: Path, folder: Path
) -> None:
    command, *options = words
    path = trained if "--epoch" in words else trained.rpartition("/")[0]
    assert done(folder, command, path, *options) == done(folder, command, str(undisturbed), *options)


def test_the_other_commands(trained: str, undisturbed: Path, folder: Path) -> None:
    assert trained.rpartition("/")[2] in done(folder, "runs", ADDRESS)
    assert "1 run whole" in done(folder, "verify", ADDRESS)
    assert done(folder, "report", trained, "--out", "page.html") == "page.html"
    assert done(folder, "export", trained, "--to", "export") == "export"
    seeds = done(folder, *TRAIN, "--seeds", "2", "log_dir=s3://bucket/seeds", "num_epochs=2").splitlines()
    assert len(seeds) == 2 and all(seed.startswith("s3://bucket/seeds/test/") for seed in seeds)


def test_a_refit_lies_beside_its_run(trained: str, undisturbed: Path, folder: Path) -> None:
    refitted = done(folder, "refit", trained, "--quiet")
    assert refitted.startswith(f"{ADDRESS}/test/") and len(list_runs(ADDRESS)) == 2
    wanted = folder / done(folder, "refit", str(undisturbed), "--quiet")
    for a, b in zip(parameters(local_folder(refitted)), parameters(wanted), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("address", "environment", "words"),
    [
        ("s3://none/runs", {}, "The specified bucket does not exist"),
        (ADDRESS, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Could not connect to the endpoint URL"),
        (ADDRESS, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": "/nowhere"}, "credentials"),
    ],
)
def test_storage_that_cannot_be_reached_is_a_sentence(
    address: str, environment: dict[str, str], words: str, server: str, folder: Path
) -> None:
    """Told before the bars are looked for, which are not there either."""
    settings = (f"log_dir={address}", "seed=7", "dataset_config.datapath=nowhere")
    process = begun(folder, "third", *TRAIN, *settings, **environment)
    code, out, err = ended(process)
    assert code == 1 and out == "" and err.startswith(f"cannot reach {address}") and words in err, err


def test_objects_are_those_of_any_storage(server: str, tmp_path: Path) -> None:
    bucket = Bucket("s3://bucket/objects")
    assert bucket.listed() == {} and bucket.read("a") is None and bucket.modified("a") is None
    assert bucket.create("a", b"1") is True and bucket.create("a", b"2") is False
    before = bucket.listed()
    bucket.write("a", b"3")
    assert bucket.read("a") == b"3" and bucket.listed() != before and bucket.modified("a") is not None
    (tmp_path / "b").write_bytes(b"22")
    bucket.send(tmp_path, ["b"])
    bucket.fetch(tmp_path / "copy", ["a", "b"])
    assert (tmp_path / "copy" / "b").read_bytes() == b"22"
    bucket.remove(["a", "not there"])
    assert list(bucket.listed()) == ["b"]
