"""A ``nextbar`` for the shell whose modules are loaded already: what a page does a hundred times costs no start.

A server imports them once and forks a process for each command. What stands on the PATH as ``nextbar`` hands it the
arguments, the folder, the environment and the three streams, and ends with the command's exit code; what stands there
as ``program`` does so with a Python program in the place of ``nextbar``.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from killing import STARTING

CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    asked = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(asked)
    sys.exit(int(server.makefile().read() or 1))
"""


@contextmanager
def forked_commands(folder: Path) -> Iterator[Path]:
    """Within the block the folder, an empty one with a short path, has both to be put on the PATH."""
    address = str(folder / "socket")
    for name in ("nextbar", "program"):
        client = folder / name
        client.write_text(CLIENT.format(python=sys.executable, address=address))
        client.chmod(0o755)
    server = subprocess.Popen([sys.executable, __file__, address], stdout=subprocess.PIPE)
    assert server.stdout is not None
    with server:
        server.stdout.readline()  # it listens
        try:
            yield folder
        finally:
            server.kill()


def _serve(address: str) -> None:
    for name in STARTING:
        importlib.import_module(name)
    logging.getLogger().handlers.clear()  # what one of them adds would keep ``nextbar`` from speaking
    os.fsync = lambda descriptor: None  # nobody pulls the plug
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print(flush=True)
        while True:
            asked, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _answer(asked)
            asked.close()


def _answer(asked: socket.socket) -> NoReturn:
    """Do the command in a child, and tell its exit code."""
    size, streams, *_ = socket.recv_fds(asked, 4, 3)
    with asked.makefile("rb") as rest:
        arguments, folder, environment = json.loads(rest.read(int.from_bytes(size, "big")))
    child = os.fork()
    if child == 0:
        asked.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        command, *words = arguments
        if command.endswith("program"):
            sys.argv, sys.path[0] = words, str(Path(words[0]).parent)
            runpy.run_path(words[0], run_name="__main__")
            sys.exit()
        sys.argv = ["nextbar", *words]
        from nextbar.cli import main

        sys.exit(main())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    asked.sendall(str(code).encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
