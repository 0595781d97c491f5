"""Garbage collection: seldom while a command begins, then as Python always does it.

Modules and traces hold no garbage, and looking through them every 700 objects takes a quarter of a second.
"""

from __future__ import annotations

import gc

SELDOM = 100_000
"""objects that are made before garbage is looked for"""
_USUAL = gc.get_threshold()


def look_seldom() -> None:
    """Collect garbage seldom from now on."""
    gc.set_threshold(SELDOM, *_USUAL[1:])


def look_as_usual() -> None:
    """Collect as usual from now on, if it was seldom; objects that exist by now are passed over for good."""
    if gc.get_threshold()[0] == SELDOM:
        gc.freeze()
        gc.set_threshold(*_USUAL)
