"""The part of a machine for each of several workers: cores, GPUs and their memory."""

from __future__ import annotations

import os
from typing import Any


def cores(index: int, workers: int) -> list[int] | None:
    """The cores of a worker, a shared one where there are fewer cores than workers; None where they cannot be read."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    available = sorted(os.sched_getaffinity(0))
    if len(available) < workers:
        return [available[index % len(available)]]
    return available[index * len(available) // workers : (index + 1) * len(available) // workers]


def shares(index: int, workers: int, environment: Any) -> dict[str, str]:
    """The part of the machine for a worker, as environment variables for XLA."""
    count = os.cpu_count() or 1
    shared = {"NPROC": str(max(1, len(cores(index, workers) or []) or count // workers))}
    devices = [device for device in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]
    on_one = workers
    if len(devices) > 1:
        shared["CUDA_VISIBLE_DEVICES"] = devices[index % len(devices)]
        on_one = -(-workers // len(devices))
    if on_one > 1 and "XLA_PYTHON_CLIENT_MEM_FRACTION" not in environment:
        shared["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / on_one:.3f}"
    return shared
