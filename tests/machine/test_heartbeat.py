"""A function called again and again."""

from __future__ import annotations

import threading

from nextbar.machine.heartbeat import Heartbeat


def test_a_heart_beats_until_it_is_stopped() -> None:
    beats, enough = [], threading.Event()

    def beat() -> None:
        beats.append(None)
        if len(beats) == 3:
            enough.set()

    with Heartbeat(beat, every=0.001):
        assert enough.wait(30)
    n = len(beats)
    assert n >= 3 and not enough.clear() and not enough.wait(0.05) and len(beats) == n
