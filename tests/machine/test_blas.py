"""One thread for small fits: the same digits whatever the machine, and all threads afterwards."""

from __future__ import annotations

import scipy.linalg  # noqa: F401 - its BLAS is a second one
from builders import make_bars, make_frame
from threadpoolctl import threadpool_info, threadpool_limits

from nextbar.baselines.garch import Garch
from nextbar.machine.blas import one_thread
from nextbar.metrics.task import Task


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_within_there_is_one_thread_and_afterwards_there_are_as_many_as_before() -> None:
    with threadpool_limits(3, user_api="blas"):
        assert one_thread(lambda: threads())() == {1}
        assert threads() == {3}


def test_a_fit_is_the_same_whatever_the_number_of_threads() -> None:
    """Fits by GARCH, which are not when they are left to themselves."""
    frame = make_frame(make_bars(n=500))
    task = Task(output_mode="distribution", target="log_return")
    found = []
    for limit in (1, 2):
        with threadpool_limits(limit, user_api="blas"):
            found.append(Garch(task, "student_t").fit(frame).to_dict()["learnt"])
    assert found[0] == found[1]
