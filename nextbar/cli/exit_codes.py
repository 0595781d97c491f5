"""Exit codes of the command line; 0 is success."""

MENDABLE = 1
"""something the user can mend, told in one message"""

MISUSED = 2
"""click's own, of a command line that cannot be understood; it leaves as ``MENDABLE``"""

INTERRUPTED = 130
"""Ctrl-C"""
