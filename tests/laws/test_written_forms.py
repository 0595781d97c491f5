"""One series in every written form is read as the same bars, or one line asks which form it is: never anything else."""

from __future__ import annotations

import itertools
import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nextbar.bars.bars import load_bars
from nextbar.bars.folder import list_series
from nextbar.bars.importing import ImportOptions, import_bars
from nextbar.bars.table import UndecidedError

DATES = {
    "ISO": "%Y-%m-%d", "ISO with a clock": "%Y-%m-%d %H:%M", "yyyymmdd": "%Y%m%d", "yyyymmddhhmm": "%Y%m%d%H%M",
    "yyyymmddhhmmss": "%Y%m%d%H%M%S", "yyyymmdd hhmmss": "%Y%m%d %H%M%S", "day, dashes": "%d-%m-%Y",
    "day, points": "%d.%m.%Y", "day, strokes": "%d/%m/%Y", "day, points and a clock": "%d.%m.%Y %H:%M",
    "month, strokes": "%m/%d/%Y", "month, dashes": "%m-%d-%Y", "year, strokes": "%Y/%m/%d", "names": "%b %d, %Y",
}  # fmt: skip
NUMBERS = {"1234.5": "", "1,234.5": ",.", "1234,5": "_,", "1.234,5": ".,", "1'234.5": "'."}
"""How 1234.5 is written: the marks between thousands and before decimals; _: none."""
CURRENCIES = ("{}", "${}", "{} €")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252")
FOOTERS = ("", "Total,,,,,\n", "Source: made up; no guarantee\n", "\n\nDisclaimer, without warranty, 2024\n")
SEPARATORS = (",", ";", "\t")
FORMS = (DATES, NUMBERS, CURRENCIES, ENCODINGS, FOOTERS, SEPARATORS, (False, True), (2, 3))
N = 60


def made_up(first: str, decimals: int) -> pd.DataFrame:
    """Daily bars of a market that is open on weekdays."""
    rng = np.random.default_rng(7)
    close = 995 + np.cumsum(rng.normal(0, 3, N))
    start = close + rng.normal(0, 1, N)
    high, low = np.maximum(start, close) + 1, np.minimum(start, close) - 1
    frame = pd.DataFrame({"open": start, "high": high, "low": low, "close": close}).round(decimals)
    return frame.assign(volume=rng.integers(1, 9_999_999, N)).set_index(pd.bdate_range(first, periods=N))


def number(value: float, decimals: int, marks: str) -> str:
    """A number with its marks between thousands and before decimals."""
    text = f"{value:,.{decimals}f}" if marks else f"{value:.{decimals}f}"
    return text.translate(str.maketrans({",": marks[0].strip("_"), ".": marks[1]})) if marks else text


def written(frame: pd.DataFrame, form: tuple) -> bytes | None:
    """A file of the bars in one combination of forms; None where it cannot be written so."""
    dates, numbers, currency, encoding, footer, separator, newest_first, decimals = form
    if separator != "," and footer.startswith("Total"):
        footer = footer.replace(",", separator)
    prices = {name: [currency.format(number(v, decimals, NUMBERS[numbers])) for v in frame[name]] for name in frame}
    prices["volume"] = [number(v, 0, NUMBERS[numbers]) for v in frame["volume"]]
    table = pd.DataFrame({"Date": frame.index.strftime(DATES[dates]), **prices})
    text = (table.iloc[::-1] if newest_first else table).to_csv(index=False, sep=separator) + footer
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return None


def outcome(folder: Path, frame: pd.DataFrame, form: tuple) -> str:
    """``read``, ``asked``, or what else became of the file; by its folder and by an import alike."""
    data = written(frame, form)
    if data is None:
        return "read"
    (folder / "spx.csv").write_bytes(data)
    outcomes = []
    for imports in (False, True):
        try:
            if imports:
                import_bars([folder / "spx.csv"], folder / "ours", ImportOptions(), overwrite=True)
            source = folder / "ours" if imports else folder
            assert [entry[:2] for entry in list_series(source)] == [("1d", "spx")]
            (bars,) = load_bars(source, ["spx"], ["1d"])
        except UndecidedError as error:
            assert "\n" not in str(error) and re.search(r"--(date-format|decimal)\b", str(error)), error
            outcomes.append("asked")
            continue
        right = np.array_equal(bars.time_N, frame.index.as_unit("s").asi8) and all(
            np.array_equal(bars.columns[name], frame[name].to_numpy(float)) for name in frame
        )
        outcomes.append("read" if right else "wrong")
    assert outcomes[0] == outcomes[1], outcomes
    return outcomes[0]


@settings(max_examples=120, deadline=None, derandomize=True)
@given(form=st.tuples(*(st.sampled_from(list(choices)) for choices in FORMS)))
@example(("day, points", "1.234,5", "{} €", "cp1252", FOOTERS[2], ";", True, 2))
@example(("month, strokes", "1,234.5", "${}", "utf-16", FOOTERS[1], ",", True, 2))
def test_each_form_is_read_or_asked_about(form: tuple) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert outcome(Path(folder), made_up("2024-01-01", form[-1]), form) in ("read", "asked"), form


def test_what_numbers_above_12_decide_is_read_without_a_question(tmp_path: Path) -> None:
    """Two decimals and days above 12 leave one reading."""
    for i, (dates, numbers) in enumerate(itertools.product(DATES, NUMBERS)):
        (folder := tmp_path / str(i)).mkdir()
        form = (dates, numbers, "{}", "utf-8", "", ";", False, 2)
        assert outcome(folder, made_up("2024-01-01", 2), form) == "read", form


def test_what_they_do_not_decide_is_asked_in_one_line(tmp_path: Path) -> None:
    frame = made_up("2024-01-01", 2)
    frame = frame[frame.index.day <= 12]
    for i, dates in enumerate(("day, dashes", "day, points", "day, strokes", "month, strokes")):
        (folder := tmp_path / str(i)).mkdir()
        assert outcome(folder, frame, (dates, "1234.5", "{}", "utf-8", "", ",", False, 2)) == "asked"
