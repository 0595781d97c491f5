"""The commands: arguments in, the library's answer out. No logic of their own.

What a script may want goes to standard output, everything else to standard error.

A command imports what it needs when it runs, so that ``nextbar --help`` loads neither JAX nor pandas.
"""

import os
import signal

from nextbar.cli.exit_codes import INTERRUPTED
from nextbar.cli.garbage import look_seldom


def main() -> None:
    """Run the command line."""
    look_seldom()
    # a shell that runs it in the background has Ctrl-C ignored, which stays so
    has_default_handler = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if has_default_handler:  # while the commands are imported, no command is there to end in its own way
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from nextbar.cli.app import run

    if has_default_handler:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
