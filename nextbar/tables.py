"""Tables for the terminal; as wide as their cells where the output is not a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nextbar.logger import console, get_logger
from nextbar.widths import blocks, fix_widths

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.table import Table


LEADING = ("nll", "log_loss", "mae")
"""the metric a report leads with: the first of these that it has"""

HEADS = {"strongest": "strongest", "skill": "skill", "skill_baseline": "over baseline"}
"""parts of a report: what their columns are called"""


def closing_table(reports: Mapping[str, Mapping[str, Any]], show: bool | None = None) -> None:
    """Print model, baseline, strongest rival and skill side by side, by span, and the verdict under each.

    Args:
        reports: span to report, as :meth:`nextbar.metrics.scorer.Scorer.report` gives them.
        show: None: where ``nextbar`` logs at INFO.
    """
    if get_logger().isEnabledFor(logging.INFO) if show is None else show:
        for span, report in reports.items():
            print_whole(console(), span_table(span, report))


def span_table(span: str, report: Mapping[str, Any]) -> Group:
    """Return one span's table: a row per metric, a row per ticker of the leading metric, the verdict."""
    from rich.console import Group
    from rich.text import Text

    rivals = ("strongest", "skill", "skill_baseline") if "strongest_name" in report else ("skill",)
    numbers = ("model", "baseline", *(HEADS[part] for part in rivals))
    table = plain_table(("metric", *numbers), right=numbers, title=f"{span}: {report['windows']:,} windows")
    for name in report["model"]:
        _add_metric(table, name, name, report, rivals)
    leading = leading_of(report["model"])
    if leading and len(report["by_ticker"]) > 1:
        table.add_section()
        for ticker, part in report["by_ticker"].items():
            _add_metric(table, f"{leading} {ticker}", leading, part, rivals)
    return Group(table, Text(rival_note(report)), Text(report["verdict"]), "")


def print_findings(out: Console, findings: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what statistical tests say: of each a title, a sentence, and its figures in a table."""
    for finding in findings.values():
        out.print(finding["title"], style="bold", markup=False, highlight=False)
        print_line(out, finding["sentence"])
        rows = finding["figures"]
        if rows:
            table = plain_table(list(rows[0]), right=[name for name in rows[0] if not isinstance(rows[0][name], str)])
            for row in rows:
                table.add_row(*(figure(name, value) for name, value in row.items()))
            print_whole(out, table)
        out.print()


def leading_of(names: Iterable[str]) -> str:
    """The metric that leads among metrics, or columns such as ``test/mae``; empty where none of them does."""
    metrics = {name.rpartition("/")[2] for name in names}
    return next((name for name in LEADING if name in metrics), "")


def rival_note(report: Mapping[str, Any]) -> str:
    """Which rival is the strongest, and what directions are held against; reports of earlier versions have neither."""
    up = report.get("strongest", {}).get("acc_dir")
    direction = "" if up is None else f"acc_dir is held against always up ({rounded(up)})."
    name = report.get("strongest_name")
    return " ".join(filter(None, (name and f"strongest: {name}, chosen on validation;", direction)))


def _add_metric(table: Table, label: str, name: str, report: Mapping[str, Any], rivals: Sequence[str]) -> None:
    """Add the row of a metric: green where the model is better than what it is held against, red where it is worse."""
    from rich.text import Text

    skill = report["skill"].get(name)
    style = None if not skill else "green" if skill > 0 else "red"
    cells = [rounded(report[part].get(name)) if part == "strongest" else signed(report[part].get(name))
             for part in rivals]  # fmt: skip
    table.add_row(Text(label), rounded(report["model"][name]), rounded(report["baseline"][name]), *cells, style=style)


def signed(value: float | None) -> str:
    """A skill with its sign; nothing for what is undefined."""
    return "" if value is None else f"{value:+.4f}"


def figure(name: str, value: str | float | None) -> str:
    """A cell of a finding's figures: of p-values two digits, of other numbers five; text as it is."""
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.2g}" if name == "p" or name.endswith(", p") else rounded(value)


def rounded(value: float | None) -> str:
    """Five digits; nothing for what is undefined."""
    return "" if value is None else f"{value:.5g}"


def byte_size(size: float) -> str:
    """Bytes in the largest unit that they fill."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def stdout() -> Console:
    """The console on standard output, for what a command answers."""
    from nextbar.terminal import SafeConsole

    return SafeConsole() if sys.stdout.isatty() else SafeConsole(width=10_000)


def plain_table(names: Sequence[str], right: Sequence[str] = (), title: str | None = None) -> Table:
    """A table without frame; the columns named in ``right`` hold numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold",
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True,
    )  # fmt: skip
    for name in names:
        table.add_column(name, justify="right" if name in right else "left")
    return table


def print_line(out: Console, text: str, style: str | None = None) -> None:
    """Print a text exactly as it is, in one line however long."""
    out.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def print_whole(out: Console, shown: RenderableType, keys: int = 1) -> None:
    """Print tables, and text beside them, with no number and no word cut off or broken.

    On a terminal cells of several words are broken between words. A table that is still too wide comes in blocks of
    columns, each of which begins with those that say what a row is about; only a block of a single further column may
    be wider than the terminal, which then breaks its lines. Elsewhere a row is one line.

    Args:
        out: where to.
        shown: a table, or a group of tables and texts.
        keys: how many columns say what a row is about.
    """
    from rich.console import Group
    from rich.table import Table

    for part in shown.renderables if isinstance(shown, Group) else [shown]:
        for i, block in enumerate(blocks(out, part, keys) if isinstance(part, Table) else [part]):
            if i:
                out.print()
            width = fix_widths(out, block) if isinstance(block, Table) else 0
            wide = type(out)(file=out.file, width=width) if width > out.width else out
            wide.print(block)
