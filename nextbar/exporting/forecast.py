"""Forecasts of a model that nextbar trained, by NumPy alone: from raw bars to prices, law and intervals, or bins.

`python forecast.py spx_1d.csv` forecasts from the last bar of a file; `--check` compares with what nextbar forecast. In
Python: `Export().forecast({"time": seconds since the epoch, "open": ..., "close": ...})`. manifest.json has a program
of NumPy calls, see `run`. Arrays end in their axes: N bars given, L seen, H predicted, D = 1 + H, M models, Q shares.
"""

import argparse
import csv
import datetime as dt
import json
import re
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

Array = Any
Table = dict[str, Any]
_t = np.arange(-3, 3.7, 0.2)
NODES = np.exp(_t - np.exp(-_t))  # of an integral from 0 on, double-exponential (Takahasi and Mori 1974)
WEIGHTS = 0.2 * NODES * (1 + np.exp(-_t))


def require(is_so: object, otherwise: str) -> None:
    if not is_so:
        raise ValueError(otherwise)


def slots(c: Table, time_N: Array, horizon: int) -> tuple[Array, Array, Array]:
    """Times of the week of each bar's slot and the H open ones after it, (N, 1 + H); whether bars are missing before
    it; when the H after the last open. A calendar is runs of open slots, one step apart, that are numbered through."""
    run_N = np.searchsorted(c["begin"], time_N + c["step"] // 2, side="right") - 1
    inside_N, off_N = np.divmod(time_N - c["begin"][run_N] + c["step"] // 2, c["step"])
    own_N, next_N = np.minimum(c["number"][run_N] + inside_N + [[0], [1]], c["number"][run_N + 1])
    ahead_ND = next_N[:, None] + np.arange(-1, horizon)
    require(run_N[0] >= 0 and ahead_ND[-1, -1] < c["number"][-1], "found bars beyond the sessions that are known")
    gap = np.stack([next_N[:-1], own_N[1:]])  # the first slot without a bar, and the one after the last
    missing = np.maximum(gap[1] - gap[0], 0)
    before, after = (c["turns"][np.searchsorted(c["number"], gap, side=side)] for side in ("left", "right"))
    decreed, usual = (after > before).any(axis=0), (after[1] > before[0]) | (missing >= c["day"])
    closure = (decreed if c["exchange"] else usual) & (missing <= 4 * c["day"]) & (time_N[:-1] >= c["seen"])
    outside_N = c["exchange"] & ((own_N == c["number"][run_N + 1]) | (off_N == 0))
    hole_N = outside_N | np.concatenate([[False], (missing > 0) & ~closure])
    run_ND = np.searchsorted(c["number"], ahead_ND, side="right") - 1
    inside_ND = ahead_ND - c["number"][run_ND]
    date_H = (c["begin"][run_ND] + inside_ND * c["step"])[-1, 1:] + (0 if c["exchange"] else off_N[-1] - c["step"] // 2)
    return (c["rank"][run_ND] + inside_ND) % len(c["clocks"]), hole_N, date_H


def smoothed(value_N: Array, bars: int, weight: float) -> Array:
    """Exponential average, begun as the mean of the first values; NaN till then."""
    step = np.frompyfunc(lambda y, x: y + weight * (x - y), 2, 1)
    smooth_N = step.accumulate(np.r_[value_N[:bars].mean(), value_N[bars:]].astype(object)).astype(float)
    return np.r_[np.full(bars - 1, np.nan), smooth_N][: len(value_N)]


class Mixtures:
    """Equal-weight mixtures of M laws: Hansen's skewed Student-t (1994) of a location, scale, shape; (H, M) each."""

    def __init__(self, location: Array, scale: Array, df: Array, skew: Array) -> None:
        self.location, self.scale, self.df, self.skew = location, scale, df, skew
        self.beta = 2 * self.tail(0 * df)  # B(1/2, df/2)
        self.mean = 4 * skew * np.sqrt(df - 2) / (df - 1) / self.beta  # and deviation, before it is standardised
        self.spread = np.sqrt(1 + 3 * skew**2 - self.mean**2)

    def tail(self, s: Array) -> Array:
        """Integral of cosh^-df from s on: what a Student-t leaves beyond sqrt(df) sinh(s), times B(1/2, df/2)."""
        reach = 1 / (np.sqrt(self.df) + self.df * np.tanh(s))
        return reach * (np.cosh(s[..., None] + reach[..., None] * NODES) ** -self.df[..., None] @ WEIGHTS)

    def at(self, x: Array) -> tuple[Array, Array]:
        """Share below x, (..., H), and density there."""
        y = self.mean + self.spread * (x[..., None] - self.location) / self.scale
        width, room = np.where(y < 0, 1 - self.skew, 1 + self.skew), np.sqrt(self.df - 2)
        t = np.abs(y) / (width * room)
        outer = width * self.tail(np.arcsinh(t)) / self.beta
        density = self.spread / (self.scale * self.beta * room) * (1 + t * t) ** (-(self.df + 1) / 2)
        return np.where(y < 0, outer, 1 - outer).mean(axis=-1), density.mean(axis=-1)

    def quantiles(self, share_Q: Array) -> Array:
        """(Q, H), by Newton's steps within Cantelli's bounds, begun as of normal laws."""
        share, location, scale = np.reshape(share_Q, (-1, 1)), self.location, self.scale
        reach = np.sqrt(share / (1 - share))[..., None]
        low, high = (location - scale / reach).min(axis=-1), (location + scale * reach).max(axis=-1)
        x, step = (location + scale * 4.91 * (share**0.14 - (1 - share) ** 0.14)[..., None]).mean(axis=-1), np.inf
        while np.any(np.abs(step) > 1e-6 * scale.min(axis=-1)):
            below, density = self.at(x)
            low, high = np.where(below < share, x, low), np.where(below < share, high, x)
            newton = x - (below - share) / np.maximum(density, 1e-300)
            step = np.where((newton >= low) & (newton <= high), newton, (low + high) / 2) - x
            x = x + step
        return x


NUMPY = (  # what the steps of a program may do: these functions of NumPy, and those below
    "absolute add asarray clip cumsum diff divide equal exp expm1 float32 float64 greater less log log1p logaddexp "
    "matmul maximum mean min minimum multiply negative power ptp sin std subtract sum swapaxes tanh transpose where"
)
FUNCTIONS: dict[str, Any] = {name: getattr(np, name) for name in NUMPY.split()} | {
    "get": lambda x, *index: x[index],
    "reshape": lambda x, *shape: x.reshape(shape),
    "stack": lambda axis, *arrays: np.stack(arrays, axis),
    "join": lambda *arrays: np.concatenate(arrays),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x * x * x))),
    "centered": lambda x: x - x.sum(axis=-1, keepdims=True) / x.shape[-1],
    "scaled": lambda x: x / np.sqrt((x * x).sum(axis=-1, keepdims=True) / x.shape[-1] + 1e-6),
    "exp_below_max": lambda x: np.exp(x - x.max(axis=-1, keepdims=True)),
    "shares": lambda x: x / x.sum(axis=-1, keepdims=True),
    "unknown": lambda bars: np.full(bars, np.nan),
    "windows": lambda x, bars: np.lib.stride_tricks.sliding_window_view(x, bars),
    "smoothed": smoothed,
    "first_not_0": lambda *numbers: next(filter(None, numbers), 1.0),
    "below": lambda x, *law: Mixtures(*(a[:, None] for a in law)).at(x)[0],
}


def run(steps: list[list[Any]], values: Table) -> Table:
    """Go through a program: a step has a name for its result, a function, and what it takes: names, numbers, slices."""
    for name, function, *given in steps:
        taken = [values[a] if isinstance(a, str) else slice(*a) if isinstance(a, list) else a for a in given]
        values[name] = FUNCTIONS[function](*taken)
    return values


def verify(folder: Path) -> None:
    text = (folder / "checksums.json").read_bytes()  # its last line is the checksum of what is before
    whole = text[-68:] == f'{sha256(text[:-68]).hexdigest()}"\n}}\n'.encode()
    sums = json.loads(text)["files"] if whole else {"checksums.json": ""}
    damaged = [name for name in sums if sha256((folder / name).read_bytes()).hexdigest() != sums[name]]
    require(not damaged, f"{folder}: {', '.join(damaged)} is damaged; copy the folder again, or export the run again")


def load(path: Path) -> Table:
    """Arrays by table and name."""
    tables: Table = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays:
            tables.setdefault(key.rpartition("/")[0], {})[key.rpartition("/")[2]] = arrays[key]
    return tables


class Export:
    """An export in its folder: what nextbar learnt, in words (manifest.json) and in numbers (weights.npz)."""

    def __init__(self, folder: Any = Path(__file__).parent) -> None:
        verify(Path(folder))
        self.folder, self.m = Path(folder), json.loads((Path(folder) / "manifest.json").read_bytes())
        self.tables = load(self.folder / "weights.npz")

    def values(self, bars: Table, series: str = "", now: float = np.inf) -> tuple[Table, float, list[Table]]:
        """Table of the next bars, the last close, and the results of each model by name: see `forecast`."""
        m, length, series = self.m, self.m["seq_len"], series or self.m["default"]
        require(series in m["series"], f"series: found {series!r}, should be one of {', '.join(m['series'])}")
        s, c = self.tables[f"series/{series}"], self.tables[m["series"][series]]
        bars = {name: np.asarray(values, np.int64 if name == "time" else float) for name, values in bars.items()}
        absent = {"time", "close", *m["columns"]} - {*bars, *m["formulas"]}
        require(not absent, f"{series}: found no column {', '.join(sorted(absent))}")
        lengths = {name: len(values) for name, values in bars.items()}
        require(len({*lengths.values()}) == 1, f"{series}: found columns of unequal length, should be one: {lengths}")
        bars = {name: values[: np.sum(bars["time"] + c["step"] <= now)] for name, values in bars.items()}
        bars = {name: run(steps, {"close": bars["close"]})["result"] for name, steps in m["formulas"].items()} | bars
        bars = {name: values[-s["seen"] :] for name, values in bars.items()}
        time_N, used, prefix = bars["time"], np.stack([bars[name] for name in m["columns"]]), f"{series}: found"
        needs = f"{prefix} {len(time_N)} bars, needs {s['history']}, and all values in the last {length}"
        require(len(time_N) >= s["history"] and np.isfinite(used[:, -length:]).all(), needs)
        require(np.diff(time_N).min() >= 0.7 * c["step"], f"{prefix} bars that are double, or not in order of time")
        require(used[: m["own_prices"]].min() > 0 or not m["log_prices"], f"{prefix} a price that is not above 0")
        slot_ND, hole_N, date_H = slots(c, time_N, m["horizon"])
        require(not hole_N[1 - length :].any(), f"{series}: bars are missing among the last {length}")
        table = {"origin": np.full(len(date_H), time_N[-1]), "step": 1 + np.arange(len(date_H)), "date": date_H}
        given = s | {"slots": slot_ND, "clocks": c["clocks"], "counted": np.arange(1, len(time_N) + 1)}
        given = run(m["start"], given | self.tables.get("start", {}) | {f"bars/{name}": a for name, a in bars.items()})
        return table, bars["close"][-1], [run(p, given | self.tables[f"model_{k}"]) for k, p in enumerate(m["models"])]

    def forecast(
        self, bars: Table, series: str = "", levels: Any = None, conformal: bool = False, now: float = np.inf
    ) -> Table:
        """Opening date, close, intervals, law, or bins of the H bars after the last closed by `now` (epoch seconds)."""
        m, (table, last, models) = self.m, self.values(bars, series, now)
        levels = tuple(((0.5, 0.8, 0.95) if m["law"] else ()) if levels is None else levels)
        require(m["law"] or not (levels or conformal), "levels, conformal: leave them out, this run has no intervals")
        if m["bins"]:
            return table | dict(zip(m["bins"], np.mean([model["shares"] for model in models], axis=0).T, strict=True))
        location, scale, df, skew = np.stack([model["law"] for model in models], axis=-1)  # (H, M) each
        center = location.mean(axis=1, keepdims=True)
        whole = np.sqrt((scale**2 + (location - center) ** 2).mean(axis=1, keepdims=True))
        require(all(0 < level < 1 for level in levels), f"levels: found {levels}, should be shares between 0 and 1")
        names = [f"close-{side}-{100 * level:g}" for level in levels for side in ("lo", "hi")]
        if conformal:
            kept, reach_LH = models[0]["conformal_levels"].tolist(), models[0]["conformal"]
            require({*levels} <= {*kept}, f"levels: no residuals for {set(levels) - set(kept)}, only for {kept}")
            reach = [sign * reach_LH[kept.index(level)] for level in levels for sign in (-1, 1)]
            end_QH = center.T + np.reshape(reach, (-1, m["horizon"])) * whole.T
        else:
            end_QH = Mixtures(location, scale, df, skew).quantiles(0.5 + np.outer(levels, (-0.5, 0.5)).ravel())
        change_HX = np.hstack([center, location, end_QH.T])
        close_HX = last + change_HX if m["target"] == "close" else last * np.exp(np.clip(change_HX, -500, 500))
        table |= {"close": close_HX[:, 0]} | dict(zip(names, close_HX.T[1 + len(models) :], strict=True))
        return table | {n: (close_HX, np.hstack([whole, scale]), df, skew)[part][:, k] for n, part, k in m["law"]}

    def check(self) -> float:
        """Largest difference from nextbar: dates in seconds, else as a share of a column's largest value, or change."""
        golden, errors = load(self.folder / "golden.npz"), []
        for kind, series in (key.split("/", 1) for key in golden if not key.startswith(("bars/", "sizes/"))):
            bars, target, sizes = (golden[f"{table}/{series}"] for table in ("bars", kind, f"sizes/{kind}"))
            histories = [{name: values[: row + 1] for name, values in bars.items()} for row in target.pop("row")]
            tables = [self.forecast(bars, series, conformal=kind == "conformal") for bars in histories]
            errors += [np.abs([table[name] for table in tables] - target[name]).max() / sizes[name] for name in target]
        return float(np.max(errors))


def seconds(text: str) -> int:
    """A date in seconds since the epoch: ISO 8601, UTC where no zone is given, or epoch seconds or milliseconds."""
    if text.isdigit():
        return int(text) // (1000 if len(text) > 11 else 1)
    date = dt.datetime.fromisoformat(text.strip())
    return int((date if date.tzinfo else date.replace(tzinfo=dt.UTC)).timestamp())


def main() -> None:
    parser = argparse.ArgumentParser(description="Forecast the bars after the last one of a file, as CSV.")
    parser.add_argument("file", nargs="?", type=Path, help="CSV with date and the columns that the run sees")
    parser.add_argument("--series", default="", help="which of the run's; else as the file is called, or the only one")
    parser.add_argument("--levels", type=float, nargs="+", help="of intervals, such as 0.5 0.9")
    parser.add_argument("--conformal", action="store_true", help="correct the intervals by what happened in validation")
    parser.add_argument("--check", action="store_true", help="compare with what nextbar itself forecast")
    given, export = parser.parse_args(), Export()
    if given.check or given.file is None:
        print(f"differs from nextbar by {(worst := export.check()):.1e} at most")
        sys.exit(not worst <= 1e-5)
    with open(given.file, newline="", encoding="utf-8-sig") as text:
        rows = [{(name or "").strip().lower(): value for name, value in row.items()} for row in csv.DictReader(text)]
    date = next((name for name in ("date", "datetime", "timestamp", "time") if rows and name in rows[0]), "")
    require(date, f"{given.file}: needs a header with date, and rows")
    bars: Table = {name: [float(row[name] or "nan") for row in rows] for name in export.m["columns"] if name in rows[0]}
    bars["time"] = [seconds(row[date]) for row in rows]
    series = given.series or (given.file.stem if re.fullmatch(r".+_\d+[smhdw]", given.file.stem) else "")
    table = export.forecast(bars, series, given.levels, given.conformal, dt.datetime.now().timestamp())
    table |= {name: [f"{date}Z" for date in table[name].astype("datetime64[s]")] for name in ("origin", "date")}
    csv.writer(sys.stdout, lineterminator="\n").writerows([table, *zip(*table.values(), strict=True)])


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, TypeError) as error:
        sys.exit(f"{error}")
