"""When Python looks for garbage: seldom while a command begins, then as it always does.

Modules and traces are none, and looking through them every 700 objects takes a quarter of a second.
"""

from __future__ import annotations

import gc

SELDOM = 100_000
"""objects that are made before garbage is looked for"""
_USUAL = gc.get_threshold()


def look_seldom() -> None:
    """From now on."""
    gc.set_threshold(SELDOM, *_USUAL[1:])


def look_as_usual() -> None:
    """From now on, where it was looked for seldom, and never again among what is there by now."""
    if gc.get_threshold()[0] == SELDOM:
        gc.freeze()
        gc.set_threshold(*_USUAL)
