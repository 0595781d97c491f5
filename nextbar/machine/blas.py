"""Small fits on one thread: linear algebra that says the same on every machine, and does not wait for threads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """The function with one thread for NumPy's and SciPy's linear algebra.

    Several add up in another order, and an optimiser then stops somewhere else: GARCH fits of one and of two threads
    differ in the fifth digit of their scores. Of small fits they also take a multiple of the time.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _libraries().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@cache
def _libraries() -> Any:
    """The libraries that NumPy and SciPy compute with; to look for them takes as long as many a small fit."""
    import scipy.linalg  # noqa: F401 - has a BLAS of its own, which must be there to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
