"""The trials of a study: the leaderboard as a table, scores in the order drawn, importance of the fields."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nextbar.display.figure import MODEL, Drawing, Figure, packed, text
from nextbar.display.markup import Html, element, table
from nextbar.report.scores import number, p_value, signed
from nextbar.searching.leaderboard import short_names

Row = Mapping[str, Any]

MOST_ROWS = 500


def leaderboard_html(rows: Sequence[Row], fields: Sequence[str], runs: Mapping[str, str]) -> Html:
    """A row for each trial: ranking score, test scores, values drawn, and the reason where one failed.

    Args:
        rows: of the leaderboard, in its order.
        fields: those that were drawn.
        runs: address of a run's page, by name.
    """
    named = short_names(fields)
    with_reason = any(row["reason"] for row in rows)
    shown = [
        (
            "" if row["rank"] is None else str(row["rank"]), row["status"].replace("_", " "), _trial(row, runs),
            number(row["ranking_score"]), "" if row["best_epoch"] is None else str(row["best_epoch"]),
            number(row["test"]), number(row["test_baseline"]), number(row["test_strongest"]), signed(row["test_skill"]),
            p_value(None if row["test_p_value"] is None else {"p_value": row["test_p_value"]}),
            *(written(row[name]) for name in fields),
            "" if row["seconds"] is None else f"{row['seconds']:.1f}", *([row["reason"] or ""] if with_reason else []),
        )
        for row in rows[:MOST_ROWS]
    ]  # fmt: skip
    head = ("rank", "status", "trial", "ranking score", "its epoch", "test", "its baseline", "strongest rival",
            "test skill", "p", *named.values(), "seconds", *(["reason"] if with_reason else []))  # fmt: skip
    caption = "Chosen by the ranking score, on validation; test is only reported"
    if names := sorted({row["strongest"] for row in rows if row["strongest"]}):
        caption += f", and its skill is over the strongest simple rival ({', '.join(names)})"
    if any(row["test_p_value"] is not None for row in rows):
        caption += "; p is that of the tested loss, against the hardest to beat of all that cost nothing"
    if any(row["status"] == "pruned" for row in rows):
        caption += ". The score of a pruned trial is the best of its epochs; it has no rank"
    if len(rows) > MOST_ROWS:
        caption += f" (the first {MOST_ROWS} of {len(rows):,}; all are in leaderboard.csv)"
    return table(head, shown, caption=caption, text_columns=3)


def written(value: Any) -> str:
    """A field's value, numbers to five digits."""
    if isinstance(value, bool) or value is None or isinstance(value, list):
        return json.dumps(value)
    return number(value) if isinstance(value, float) else str(value)


def importance_figure(importance: Mapping[str, float]) -> Figure | None:
    """A bar for each field; None without importances."""
    if not importance:
        return None
    named = short_names(list(importance))
    least_first = list(importance.items())[::-1]
    data = [
        {
            "type": "bar", "orientation": "h", "y": [text(named[name]) for name, _ in least_first],
            "x": packed([100 * share for _, share in least_first], "f8"), "marker": {"color": MODEL, "opacity": 0.75},
            "hovertemplate": "%{x:.1f} %<extra></extra>",
        }
    ]  # fmt: skip
    layout = {"xaxis": {"title": {"text": "share of importance, %"}, "rangemode": "tozero"}, "hovermode": "closest",
              "yaxis": {"type": "category"}}  # fmt: skip
    caption = (
        "PED-ANOVA (Watanabe, Bansal and Hutter 2023), by Optuna: how much a field tells the best tenth of the trials "
        "from the others. With few trials it is mostly chance."
    )
    height = max(240, 90 + 30 * len(least_first))
    return Figure("importance", "Importance", {"": Drawing(data, layout)}, caption, height=height)


def _trial(row: Row, runs: Mapping[str, str]) -> Any:
    address = runs.get(row["run"] or "")
    return element("a", str(row["trial"]), href=address) if address else str(row["trial"])
