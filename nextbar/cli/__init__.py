"""The commands: arguments in, the library's answer out. No logic of their own.

Exit codes: 0 done; 1 something the user can mend, said in one message; 130 interrupted. What a script may want goes to
standard output, everything else to standard error.

A command imports what it needs when it runs, so that ``nextbar --help`` loads neither JAX nor pandas.
"""

import os
import signal

INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    alone = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not in the background of a shell, say
    if alone:  # while the commands are imported nobody is there yet to end well
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    from nextbar.cli.app import run

    if alone:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()
