"""Real bars that come with a dependency, so that a first experiment needs no download."""

from __future__ import annotations

from pathlib import Path

from nextbar.errors import DataError
from nextbar.files import write_whole

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
    contents = {target / f"{ticker}_1d.csv": sample_csv(ticker).encode() for ticker in SAMPLES}
    try:
        stale = {path: data for path, data in contents.items() if not path.is_file() or path.read_bytes() != data}
        existing = [str(path) for path in stale if path.exists()]
        if existing and not overwrite:
            raise DataError(
                f"{' and '.join(existing)}: there already, with other content; move it away or overwrite it"
            )
        target.mkdir(parents=True, exist_ok=True)
        for path, data in stale.items():
            write_whole(path, data)
    except OSError as error:
        raise DataError(f"{target}: the samples cannot be written: {error.strerror or error}") from error
    return list(contents)


def sample_csv(ticker: str) -> str:
    """The bars of one sample as CSV text: date, open, high, low, close, volume."""
    import importlib

    frame = importlib.import_module(f"arch.data.{SAMPLES[ticker]}").load()[list(_COLUMNS)].rename(columns=_COLUMNS)
    frame.index = frame.index.strftime("%Y-%m-%dT%H:%M:%SZ").rename("date")
    return frame.to_csv(lineterminator="\n")
