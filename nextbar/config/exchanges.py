"""Names of exchanges whose sessions the package exchange_calendars knows, which is imported when it is first needed."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from nextbar.errors import ConfigError

KINDS = ("24/7", "sessions")
"""calendars without a list of sessions: a market that never closes; a weekly template"""
PACKAGE = "exchange_calendars"
INSTALL = "pip install exchange_calendars"
_CODE = re.compile(r"[A-Z][A-Z0-9]{2,}|24/5|us_futures", re.ASCII)
"""what names look like, where the package is not there to say"""


def is_exchange(calendar: str) -> bool:
    """Whether a ``calendar`` is the name of an exchange, and no way to learn a template."""
    return calendar not in ("auto", *KINDS)


def is_installed() -> bool:
    """Whether the package is; it is not imported."""
    return find_spec(PACKAGE) is not None


def exchange_names() -> tuple[str, ...]:
    """All names of exchanges, ``NYSE`` as well as ``XNYS``; none where the package is not installed."""
    return _names() if is_installed() else ()


def exchange_package(name: str) -> Any:
    """The package, for the sessions of an exchange.

    Raises:
        ConfigError: it is not installed, or knows no such exchange.
    """
    if not is_installed():
        raise ConfigError(
            f"calendar: found {name!r}, whose sessions are in the package {PACKAGE}, which is not installed: "
            f"{INSTALL}; or use auto"
        )
    require_calendar(name)
    import exchange_calendars

    return exchange_calendars


def require_calendar(calendar: str) -> None:
    """Refuse what can be no calendar. Without the package any name that looks like that of an exchange passes.

    Raises:
        ConfigError: says what is allowed, and the nearest name.
    """
    if reason := calendar_problem(calendar):
        raise ConfigError(f"calendar: found {calendar!r}, {reason}")


def calendar_problem(calendar: str) -> str:
    """What is wrong with a ``calendar``; empty where nothing is."""
    if not is_exchange(calendar):
        return ""
    names = exchange_names()
    if calendar in names or (not names and _CODE.fullmatch(calendar)):
        return ""
    by_lower = {name.lower(): name for name in ("auto", *KINDS, *names)}
    near = difflib.get_close_matches(calendar.lower(), by_lower, n=3, cutoff=0.7)
    hint = f"; did you mean {' or '.join(repr(by_lower[name]) for name in near)}?" if near else ""
    lacking = "" if names else f" (which is not installed: {INSTALL})"
    return (
        f"should be auto, 24/7, sessions, or the name of an exchange in the package {PACKAGE}{lacking}, "
        f"such as 'XNYS'{hint}"
    )


@lru_cache
def _names() -> tuple[str, ...]:
    from exchange_calendars import get_calendar_names

    return tuple(name for name in get_calendar_names() if name not in KINDS)
