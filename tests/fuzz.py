"""Throws bytes at what reads files of strangers, for some minutes each: readers of bars, configurations, spaces.

    PYTHONPATH=tests/support python tests/fuzz.py --minutes 10 --only csv,json

Anything but a ``NextbarError``, and anything that takes longer than ``--seconds``, is a finding: it is printed with the
bytes, which are kept in a file, and the program ends with code 1.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure
from layout_files import FILES
from mutilated import cases, csv, parquet, table
from sample_configs import experiment

from nextbar.bars.bars import table_bars
from nextbar.bars.columns import DEFAULT_NEEDS
from nextbar.bars.reading import FURTHER, READERS
from nextbar.bars.recognition import recognised, single
from nextbar.config import ExperimentConfig
from nextbar.config.yaml_file import read_yaml
from nextbar.errors import NextbarError
from nextbar.searching.space.expression import Expression
from nextbar.searching.space.space import Space

FOLDER = Path(tempfile.mkdtemp(prefix="nextbar-fuzz-"))
WORDS = [
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\n\n",
    b",",
    b",,",
    b'"',
    b"'",
    b";",
    b"\t",
    b" ",
    b"\x1b[31m",
    b"nan",
    b"inf",
    b"-",
    b"1e999",
    b"9" * 400,
    b"0x_",
    b"[",
    b"]",
    b"{",
    b"}",
    b"[" * 60,
    b"{a: " * 60,
    b"&a ",
    b"*a",
    b"!!float ''",
    b"? ",
    b": ",
    b"- ",
    b"| ",
    b"<<: ",
    b"%",
    b"# ",
    b"---\n",
    b"true",
    b"null",
    b"\\u",
    b"\\ud800",
    b"date",
    b"close",
    b"2020-02-30",
    b"2020-09-13T00:00:00Z",
    b"+99:00",
    b"NaT",
    b"\xe2\x80\xa8",
    "１２".encode(),
    b"low",
    b"high",
    b"log",
    b"step",
    b"[2, 4] * d_model",
    b"**",
    b"//",
    b"d_model",
    b"base",
    b"search",
]


def _config() -> bytes:
    path = FOLDER / "seed.yaml"
    experiment().save(path)
    return path.read_bytes()


def _space() -> bytes:
    inside = "".join(f"  {line}\n" for line in _config().decode().splitlines())
    search = (
        "search:\n  learning_rate: {low: 1e-5, high: 1e-3, log: true}\n  num_layers: [1, 2]\n"
        "  dim_feedforward: [2, 4] * d_model\n  d_model: {low: 8, high: 64, step: 8}\n"
    )
    return f"base:\n{inside}{search}".encode()


def _bars(extension: str) -> Callable[[bytes], object]:
    read = READERS.get(extension) or FURTHER[extension]
    return lambda data: table_bars(single(recognised(read(data, "file"))), "abc", "1h", DEFAULT_NEEDS)


def _file(read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def call(data: bytes) -> object:
        path = FOLDER / "x.yaml"
        path.write_bytes(data)
        return read(path)

    return call


def _expression(data: bytes) -> object:
    parsed = Expression.parse(data.decode("utf-8", "replace"))
    choices = parsed.choices or (None,)
    return [parsed.value(lambda name: len(name), choice) for choice in choices[:3]]


def _seeds(extension: str) -> list[bytes]:
    return [case.content for case in cases() if case.extension == extension and len(case.content) < 100_000]


def _laid_out(extension: str) -> list[bytes]:
    files = [make() for make in FILES.values()]
    return [file.content for file in files if file.name.endswith(extension)]


SMALL = table().head(30)
TARGETS: dict[str, tuple[Callable[[bytes], object], Callable[[], list[bytes]]]] = {
    "csv": (_bars(".csv"), lambda: [csv(SMALL), csv(SMALL.head(3)), *_seeds("csv")]),
    "csv.gz": (_bars(".csv.gz"), lambda: [gzip.compress(csv(SMALL), mtime=0), *_seeds("csv.gz")]),
    "json": (_bars(".json"), lambda: [json.dumps(SMALL.to_dict("records")).encode(), *_seeds("json")]),
    "parquet": (_bars(".parquet"), lambda: [parquet(SMALL), *_seeds("parquet")]),
    "feather": (_bars(".feather"), lambda: _laid_out(".feather")),
    "zip": (_bars(".zip"), lambda: _laid_out(".zip")),
    "layouts": (_bars(".csv"), lambda: _laid_out(".csv")),
    "answers": (_bars(".json"), lambda: _laid_out(".json")),
    "config": (_file(ExperimentConfig.load), lambda: [_config()]),
    "yaml": (_file(read_yaml), lambda: [_config(), b"a: &x [1, 2]\nb: *x\n"]),
    "space": (_file(Space.load), lambda: [_space()]),
    "expression": (_expression, lambda: [b"[2, 4] * d_model", b"d_model // n_heads + 1", b"-(1 + [1, 2.5]) / a.b"]),
}
"""what is called with bytes, and sound bytes to begin with"""


@st.composite
def mutilated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Bytes from scratch, or sound ones with pieces cut out, doubled, flipped or put in."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=300))
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 40)))
        kind = draw(st.sampled_from(["cut", "word", "flip", "double", "move"]))
        if kind == "cut":
            del data[at:end]
        elif kind == "word":
            data[at:at] = draw(st.sampled_from(WORDS)) * draw(st.sampled_from([1, 1, 1, 2, 50]))
        elif kind == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "double":
            data[end:end] = data[at:end] * draw(st.integers(1, 3))
        elif kind == "move":
            piece = data[at:end]
            del data[at:end]
            to = draw(st.integers(0, len(data)))
            data[to:to] = piece
    return bytes(data)


def check(name: str, data: bytes, seconds: float) -> None:
    """Call a target; an AssertionError for a finding."""
    begin = time.process_time()  # of this process alone: others may be at work
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = TARGETS[name][0](data)
    except NextbarError as error:
        assert str(error).strip(), "an error without a message"
        assert len(str(error)) < 20_000, f"a message of {len(str(error))} characters"
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}") from error
    else:
        columns = getattr(result, "columns", None)
        if columns is not None:
            for price in ("open", "high", "low", "close"):
                assert np.isfinite(columns[price]).all() and (columns[price] > 0).all(), f"{price} not finite"
            assert (np.diff(result.time_N) > 0).all(), "times do not rise"
    taken = time.process_time() - begin
    assert taken < seconds, f"it took {taken:.1f} s"


def fuzz(name: str, minutes: float, seconds: float, first: int) -> tuple[int, bool]:
    """Examples tried of one target, and whether there was a finding."""
    seeds, tried = TARGETS[name][1](), 0
    end, round_ = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        round_ += 1

        @seed(first * 1_000_003 + round_)
        @settings(max_examples=500, deadline=None, database=None, verbosity=Verbosity.quiet, report_multiple_bugs=False,
                  phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(mutilated(seeds))
        def attempt(data: bytes) -> None:
            nonlocal tried, last
            tried += 1
            last = data
            check(name, data, seconds)

        last = b""
        try:
            attempt()
        except (AssertionError, FlakyFailure):
            kept = FOLDER / f"{name}.finding"
            kept.write_bytes(last)
            out = io.StringIO()
            traceback.print_exc(file=out)
            print(f"{name}: finding after {tried:,} examples, kept in {kept}\n{last[:500]!r}\n{out.getvalue()[-3000:]}")
            return tried, True
    return tried, False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="for each target")
    parser.add_argument("--only", default=",".join(TARGETS), help="targets, with commas: " + ", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=30, help="that one example may take")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    found = False
    for name in options.only.split(","):
        tried, finding = fuzz(name, options.minutes, options.seconds, options.seed)
        found |= finding
        print(
            f"{name}: {tried:,} examples in {options.minutes:g} minutes, {'a finding' if finding else 'no finding'}",
            flush=True,
        )
    return int(found)


if __name__ == "__main__":
    raise SystemExit(main())
