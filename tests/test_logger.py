"""Logging: silent until asked, never against the user's own configuration."""

from __future__ import annotations

import subprocess
import sys

import pytest


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run in a process of its own: logging is configured once per process."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result


def test_silent_on_import() -> None:
    result = python(
        "import logging, nextbar.logger\n"
        "log = logging.getLogger('nextbar')\n"
        "log.info('i'); log.warning('w'); log.error('e')"
    )
    assert (result.stdout, result.stderr) == ("", "")


def test_get_logger_shows_info_once_on_stderr_and_keeps_long_lines_whole() -> None:
    result = python(
        "from nextbar.logger import get_logger\n"
        "get_logger(); log = get_logger()\n"
        "log.info('[one] %s', 'x' * 300); log.debug('no')"
    )
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.rstrip().endswith("  [one] " + "x" * 300)


@pytest.mark.parametrize(
    ("configure", "expected"),
    [
        ("logging.basicConfig(level=logging.WARNING)", ""),
        ("logging.basicConfig(level=logging.INFO, format='mine %(message)s')", "mine told\n"),
        ("logging.getLogger('nextbar').setLevel(logging.ERROR)", ""),
        ("logging.getLogger('nextbar').addHandler(logging.NullHandler()); logging.disable()", ""),
        ("h = logging.StreamHandler(); logging.getLogger('nextbar').addHandler(h)", ""),
    ],
)
def test_the_users_configuration_stands(configure: str, expected: str) -> None:
    result = python(f"import logging\n{configure}\nimport nextbar\nnextbar.get_logger().info('told')")
    assert result.stderr == expected
