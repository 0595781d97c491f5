"""Commands in processes of their own that are given Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import time

PATIENCE = 2.0
"""seconds"""


def interrupt(process: subprocess.Popen[str]) -> str:
    """Send Ctrl-C; what the process says before it ends, in time."""
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < PATIENCE
    assert process.returncode == 130 and out == ""
    assert "Traceback" not in err and "Exception ignored" not in err
    return err


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"ended without {text!r}")
