"""Bad files of bars: the real command answers with one message and exit code 1, and leaves nothing on the disk."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusals import BARS, GRID, command, experiment, refusal, require, save

CSV = BARS.to_csv(index=False)
PARQUET = BARS.to_parquet(index=False)
EDGES = "dataset_config.discrete_grid_levels=[-.inf, 0, .inf]"

NUMBERS = BARS[["date", "close"]].assign(close=BARS.close - BARS.close.mean())
"""some series of numbers that is not always above zero"""


def spoil(column: str, value: object, row: int = 3) -> pd.DataFrame:
    table = BARS.astype({column: object})
    table.loc[row, column] = value
    return table


FILES: dict[str, tuple[pd.DataFrame | str | bytes, str, list[str]]] = {
    "empty file": (b"", "csv", ["the file is empty"]),
    **{
        f"no {name}": (BARS.drop(columns=name), "csv", [f"no column '{name}'", "the columns are", "volume"])
        for name in ("date", "open", "high", "low", "close")
    },
    "text in a price": (spoil("open", "n/a"), "csv", ["line 5: open 'n/a' is not a finite number"]),
    "zero": (spoil("low", 0.0), "csv", ["line 5: low 0.0 is not above 0"]),
    "negative": (spoil("low", -2.5), "csv", ["line 5: low -2.5 is not above 0"]),
    "NaN": (spoil("close", np.nan), "csv", ["line 5: close is empty or NaN"]),
    "NaN in JSON": (spoil("close", np.nan), "json", ["record 4: close is empty or NaN"]),
    "infinity": (spoil("high", np.inf), "csv", ["line 5: high inf is not a finite number"]),
    "infinity in JSON": (spoil("high", np.inf), "json", ["record 4: high inf is not a finite number"]),
    "too large for the device": (spoil("high", 1e300), "csv", ["line 5: high 1e+300 is beyond 1e+30", "another unit"]),
    "too small for the device": (spoil("low", 1e-300), "csv", ["line 5: low 1e-300 is below 1e-30", "another unit"]),
    "volume too large": (spoil("volume", 1e300), "csv", ["line 5: volume 1e+300 is beyond 1e+30"]),
    "negative volume": (spoil("volume", -1.0), "csv", ["line 5: volume -1.0 is negative"]),
    "high below low": (spoil("high", 1.0), "csv", ["line 5: high 1.0 is below", "low"]),
    "duplicate dates": (spoil("date", BARS.date[2]), "csv", [f"line 5: date '{BARS.date[2]}'", "already in line 4"]),
    "zone missing": (spoil("date", BARS.date[3][:-1]), "csv", ["line 5", "no time zone and other rows have one"]),
    "year 9999": (spoil("date", "9999-12-31T00:00:00Z"), "csv", ["line 5", "9999-12-31", "1900 to 2199"]),
    "American dates": (spoil("date", "09/13/2020"), "csv", ["'09/13/2020' is not a date", "2024-01-31T13:00:00Z"]),
    "blanks": (BARS.to_csv(index=False, sep=" "), "csv", ["a space", "save the file with commas"]),
    "commas that may be either": (
        "date;open;high;low;close\n2024-01-01;1,001;1,002;1,000;1,001\n",
        "csv",
        ["'1,001' is 1001 with decimals after points or 1.001 with decimals after commas?", "--decimal"],
    ),
    "fields without a name": (CSV.replace(",volume\n", "\n"), "csv", ["more fields in the lines than names"]),
    "truncated gzip": (gzip.compress(CSV.encode())[:-50], "csv.gz", ["gzip file is cut off", "fetch it again"]),
    "truncated Parquet": (PARQUET[:-50], "parquet", ["not a sound Parquet file, or cut off"]),
    "Parquet of another table": (pd.DataFrame({"a": [1.0], "b": ["x"]}), "parquet", ["'close'", "columns are a, b"]),
    "lists in Parquet": (BARS.assign(open=[[1.0]] * 60), "parquet", ["record 1: open [1.] is not a finite number"]),
    "binary garbage": (bytes(range(255, 0, -1)), "csv", ["not UTF-8 text", "save the file as UTF-8"]),
    "never written": (b"\0" * 500, "csv", ["not UTF-8 text", r"b'\x00'"]),
    "a web page": ("<html>\n<p>404, not found</p>\n</html>\n", "csv", ["<html>", "separated by commas"]),
    "a web page in one line": ("<html><p>404</p></html>", "csv", ["begins with '<html>", "a web page?"]),
    "JSON": (json.dumps(BARS.to_dict("records")), "csv", ["as JSON does", "save it as a .json file"]),
    "text": ("hello world\nthis is no table\n", "csv", ["no column 'date'", "the columns are hello world"]),
    "only a header": (CSV.splitlines()[0] + "\n", "csv", ["no rows", "at least one bar is needed"]),
    "object in JSON": (json.dumps(BARS.to_dict("list")), "json", ["found one object", "array of objects"]),
    "another resolution": (BARS.iloc[::4], "csv", ["mostly 4h apart", "resolution is 1h"]),
}
TOO_FEW: dict[str, tuple[pd.DataFrame, list[str]]] = {
    "fewer bars than a window": (BARS.head(6), ["one window, which is 7", "abc_1h has 6", "shorter seq_len"]),
    "one bar": (BARS.head(1), ["one window, which is 7", "abc_1h has 1"]),
    "a span without windows": (BARS.head(8), ["no training windows", "8 bars, 4 in", "use more bars"]),
    "volume with gaps": (
        BARS.assign(volume=BARS.volume.where(np.arange(60) % 3 > 0)),
        ["no training windows", "volume is empty in 20 of 60 bars of abc_1h"],
    ),
}


@pytest.mark.parametrize("mistake", FILES)
def test_a_bad_file(tmp_path: Path, mistake: str):
    content, extension, words = FILES[mistake]
    experiment(tmp_path)
    path = save(tmp_path, content, extension)
    require(refusal(tmp_path), str(path), *words)


@pytest.mark.parametrize("kind", TOO_FEW)
def test_too_few_bars(tmp_path: Path, kind: str):
    content, words = TOO_FEW[kind]
    experiment(tmp_path)
    save(tmp_path, content)
    require(refusal(tmp_path), *words)


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        (["dataset_config.target=log_return"], "as target log_return needs"),
        ([*GRID, EDGES], "as output_mode discrete_grid needs"),
    ],
)
def test_numbers_below_zero_have_no_returns(tmp_path: Path, arguments: list[str], needs: str):
    experiment(tmp_path)
    path = save(tmp_path, NUMBERS)
    first = NUMBERS.close[NUMBERS.close < 0]
    message = refusal(tmp_path, "dataset_config.features=close", *arguments)
    require(message, str(path), f"line {first.index[0] + 2}: close {first.iloc[0]} is not above 0, {needs}")


READABLE: dict[str, pd.DataFrame | str | bytes] = {
    "UTF-16": CSV.encode("utf-16"),
    "quoted decimal commas": BARS.to_csv(index=False, decimal=","),
    "carriage returns": CSV.replace("\n", "\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + CSV.encode(),
    "no newline at the end": CSV.rstrip("\n"),
    "a comma too many": CSV.replace("\n", ",\n"),
    "a bar without volume": spoil("volume", np.nan),
}


@pytest.mark.parametrize("kind", READABLE)
def test_what_is_not_wrong_trains(tmp_path: Path, kind: str):
    experiment(tmp_path)
    path = save(tmp_path, READABLE[kind])
    path.chmod(0o444)  # nobody writes to the bars
    result = command(tmp_path)
    assert result.exit_code == 0, result.stderr
    summary = json.loads((Path(result.stdout.strip()) / "summary.json").read_text())
    assert summary["status"] == "finished"
    # of 60 bars 54 have six before them and one after; the fourth bar is in the contexts of the first four windows
    assert sum(summary["data"]["windows"].values()) == (50 if kind == "a bar without volume" else 54)
