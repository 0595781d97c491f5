"""The commands: arguments in, the library's answer out. No logic of their own.

Exit codes: 0 done; 1 something the user can mend, said in one message; 2 a command that cannot be understood;
130 interrupted. What a script may want goes to standard output, everything else to standard error.

A command imports what it needs when it runs, so that ``nextbar --help`` loads neither JAX nor pandas.
"""

from nextbar.cli.app import app, main
from nextbar.cli.leaving import hear_again

__all__ = ["app", "hear_again", "main"]
