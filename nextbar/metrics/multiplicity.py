"""Several tests at once: p-values corrected so that one false alarm among all stays as rare as in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nextbar.metrics.examined import Finding
from nextbar.metrics.superiority import SIGNIFICANT


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's (1979) corrected p-values, in the order given; valid however the tests hang together.

    The i-th smallest of m is multiplied by m - i + 1, is never below the one before, and 1 at most.
    """
    p_M = np.asarray(p_values, np.float64)
    order_M = np.argsort(p_M, kind="stable")
    corrected_M = np.empty(len(p_M))
    corrected_M[order_M] = np.minimum(np.maximum.accumulate(p_M[order_M] * np.arange(len(p_M), 0, -1)), 1.0)
    return corrected_M.tolist()


def judged(
    title: str,
    figures: list[dict[str, Any]],
    columns: Sequence[str],
    fewest: Sequence[tuple[int, int]],
    words: tuple[str, str],
) -> Finding:
    """The finding of many tests at once: the p-values of some columns of its figures, corrected together.

    Args:
        title: of the finding.
        figures: a row for each sequence of windows that was tested.
        columns: those that hold the p-values.
        fewest: of each sequence that was too short its windows, and how many it takes.
        words: what is said where no test says otherwise, and where one does.
    """
    sentences = [_tested(figures, columns, *words) if figures else "Not tested:"]
    if fewest:
        windows, needed = min(fewest)
        many = "1 sequence is" if len(fewest) == 1 else f"{len(fewest)} sequences are"
        sentences.append(f"{many} too short to be tested: {windows} windows that share no bar, and it takes {needed}.")
    return {"title": title, "sentence": " ".join(sentences), "figures": figures}


def _tested(figures: list[dict[str, Any]], columns: Sequence[str], fine: str, faulty: str) -> str:
    """What the tests say together, and which of them most clearly."""
    p_values = holm([row[column] for row in figures for column in columns])
    failed = sum(p < SIGNIFICANT for p in p_values)
    if not failed:
        return f"{fine}, as far as {len(p_values)} tests can tell (smallest p {min(p_values):.2g}, corrected)."
    worst = figures[int(np.argmin(p_values)) // len(columns)]
    where = ", ".join(str(worst[key]) for key in ("series", "hits") if key in worst)
    if max(row["step"] for row in figures) > 1:
        where += f", {worst['step']} bar{'' if worst['step'] == 1 else 's'} ahead"
    return (
        f"{faulty}, by {failed} of {len(p_values)} tests (p below {SIGNIFICANT:g}, corrected), "
        f"most clearly {where} (p = {min(p_values):.2g})."
    )


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
