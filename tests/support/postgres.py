"""A PostgreSQL server of a test's own, in a temporary folder, gone with the test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import free_port

NOBODIES = ("postgres", "nobody")
"""users to be where this one is root, which PostgreSQL refuses to run as"""


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database; skips where there is no server to start."""
    folder_of_programs = _programs()
    pytest.importorskip("psycopg2")
    become = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="nextbar-pg-", dir="/tmp") as name:
        folder = Path(name)
        if become:
            shutil.chown(folder, become[0])
        as_user = become[1:] if become else []

        def run(program: str, *arguments: str) -> None:
            command = [*as_user, str(folder_of_programs / program), *arguments]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=_environment())
            log = folder / "log"
            said = log.read_text()[-2000:] if log.is_file() else ""
            assert done.returncode == 0, done.stdout + done.stderr + said

        data, port = folder / "data", free_port()
        run("initdb", "-D", str(data), "-U", "nextbar", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        # its output goes to a file: pg_ctl leaves the server behind, which would keep a pipe open
        run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-o", options, "-w", "start")
        try:
            yield f"postgresql+psycopg2://nextbar@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")


def _programs() -> Path:
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if initdb := shutil.which("initdb"):
        found.append(Path(initdb).resolve().parent)
    whole = [folder for folder in found if all((folder / name).exists() for name in ("pg_ctl", "postgres"))]
    if not whole:
        pytest.skip("no PostgreSQL server is installed here: no initdb, pg_ctl and postgres")
    return whole[-1]


def _unprivileged() -> list[str]:
    """Name of another user and the command that becomes it; empty where this one is not root."""
    if os.geteuid() != 0:
        return []
    for name in NOBODIES:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if setpriv := shutil.which("setpriv"):
            return [name, setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    pytest.skip("PostgreSQL does not run as root, and there is no other user to be")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
