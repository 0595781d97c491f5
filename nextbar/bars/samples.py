"""Real bars that come with a dependency, so that a first experiment needs no download."""

from __future__ import annotations

from pathlib import Path

from nextbar.bars.writing import write_files

SAMPLES = {"spx": "sp500", "nasdaq": "nasdaq"}
_COLUMNS = {"Open": "open", "High": "high", "Low": "low", "Close": "close", "Volume": "volume"}


def write_samples(folder: str | Path, overwrite: bool = False) -> list[Path]:
    """Write daily bars of the S&P 500 and the Nasdaq composite, 1999 to 2018.

    The package arch carries them. They become ``<folder>/1d/spx_1d.csv`` and ``<folder>/1d/nasdaq_1d.csv``,
    whole or not at all. A file that is there with the same content stays as it is.

    Raises:
        DataError: a file of another content is there and ``overwrite`` is False, or the folder cannot be
            written.
    """
    target = Path(folder) / "1d"
    return write_files({target / f"{ticker}_1d.csv": sample_csv(ticker).encode() for ticker in SAMPLES}, overwrite)


def sample_csv(ticker: str) -> str:
    """The bars of one sample as CSV text: date, open, high, low, close, volume."""
    import importlib

    frame = importlib.import_module(f"arch.data.{SAMPLES[ticker]}").load()[list(_COLUMNS)].rename(columns=_COLUMNS)
    frame.index = frame.index.strftime("%Y-%m-%dT%H:%M:%SZ").rename("date")
    return frame.to_csv(lineterminator="\n")
