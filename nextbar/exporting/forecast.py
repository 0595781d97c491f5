"""Forecasts of a model that nextbar trained, by NumPy alone: from raw bars to prices, law and intervals, or bins.

`python forecast.py spx_1d.csv` forecasts from the last bar of a file; `--check` compares with what nextbar forecast. In
Python: `Export().forecast({"time": seconds since the epoch, "open": ..., "close": ...})`. Networks compute in float32,
the rest in float64. Arrays end in their axes: N bars given, L seen, H predicted, M models, Q shares, K bins or lags.
"""

import argparse
import csv
import datetime as dt
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

Array = Any
Table = dict[str, Any]
PRICES, LEVELS = ("open", "high", "low", "close"), (0.5, 0.8, 0.95)
NORMAL = 1e7  # degrees of freedom from which a Student-t is normal, to seven digits
_t = np.arange(-3, 3.7, 0.2)
NODES = np.exp(_t - np.exp(-_t))  # of an integral from 0 on, double-exponential (Takahasi and Mori 1974)
WEIGHTS = 0.2 * NODES * (1 + np.exp(-_t))


def slots(c: Table, time_N: Array, horizon: int) -> tuple[Array, Array, Array]:
    """Rank in the week of the open slot after each bar; where bars are missing before it; opening of the H next."""
    at_N = np.searchsorted(c["change"], time_N, side="right")  # the local clock is changed now and then
    number_N = (time_N + c["offset"][at_N] - c["origin"] + c["step"] // 2) // c["step"] + c["ahead"][at_N]
    number = np.arange(number_N[0], number_N[-1] + len(c["open"]) * (2 + horizon // c["open"].sum()))
    part = np.searchsorted(c["first"], number, side="right")
    place, cycle, at_N = number - c["ahead"][part], len(c["open"]), number_N - number[0]
    begin = c["origin"] + place * c["step"] - c["offset"][part]
    passed, passed_edges = (np.cumsum(c[name][place % cycle]) for name in ("open", "edge"))
    missing, ends = (np.maximum(a[at_N[1:] - 1] - a[at_N[:-1]], 0) for a in (passed, passed_edges))
    ahead = np.flatnonzero(c["open"][place % cycle])
    closure = c["sessions"] & (missing <= 4 * c["day"]) & ((missing >= c["day"]) | (ends > 0))
    rank_N = (np.cumsum(c["open"]) - 1)[place[ahead[passed[at_N]]] % cycle]
    date_H = begin[ahead[passed[at_N[-1]] + np.arange(horizon)]] + time_N[-1] - begin[at_N[-1]]
    return rank_N, np.r_[False, (missing > 0) & ~closure], date_H


def smoothed(value_N: Array, bars: int, weight: float) -> Array:
    step = np.frompyfunc(lambda y, x: y + weight * (x - y), 2, 1)
    smooth_N = step.accumulate(np.r_[value_N[:bars].mean(), value_N[bars:]].astype(object)).astype(float)
    return np.r_[np.full(bars - 1, np.nan), smooth_N][: len(value_N)]


def indicator(close_N: Array, kind: str, bars: int, width: float) -> Array:
    """Exponential moving average, relative strength index (0 to 1) or Bollinger band."""
    if kind == "ema":
        return smoothed(close_N, bars, 2 / (bars + 1))
    if kind == "rsi":
        rise, fall = (smoothed(np.maximum(sign * np.diff(close_N), 0), bars, 1 / bars) for sign in (1, -1))
        still = rise + fall == 0
        return np.r_[np.nan, np.where(still, 0.5, rise / np.where(still, 1, rise + fall))]
    window_NL = np.lib.stride_tricks.sliding_window_view(np.r_[np.full(bars - 1, np.nan), close_N], bars)
    return window_NL.mean(axis=1) + width * window_NL.std(axis=1)


def upper(s: Array, df: Array) -> Array:
    """Integral of cosh^-df from s on: what a Student-t leaves beyond sqrt(df) sinh(s), times B(1/2, df/2)."""
    reach = 1 / (np.sqrt(df) + df * np.tanh(s))
    return reach * (np.cosh(s[..., None] + reach[..., None] * NODES) ** -df[..., None] @ WEIGHTS)


def shape(df: Array, skew: Array) -> tuple[Array, ...]:
    """Degrees of freedom, skewness, mean, deviation and B(1/2, df/2) of Hansen's Student-t (1994), not standardised."""
    beta = 2 * upper(0 * df, df)
    mean = 4 * skew * np.sqrt(df - 2) / (df - 1) / beta
    return df, skew, mean, np.sqrt(1 + 3 * skew**2 - mean**2), beta


def law(z: Array, df: Array, skew: Array, mean: Array, spread: Array, beta: Array) -> tuple[Array, Array, Array]:
    """Shares below and above z, and density there, of the law of this shape, standardised."""
    y = mean + spread * z
    width, room = np.where(y < 0, 1 - skew, 1 + skew), np.sqrt(df - 2)
    t = np.abs(y) / (width * room)
    outer = width * upper(np.arcsinh(t), df) / beta
    density = spread / (beta * room) * (1 + t * t) ** (-(df + 1) / 2)
    return np.where(y < 0, outer, 1 - outer), np.where(y < 0, 1 - outer, outer), density


def quantiles(share_Q: list[float], location_HM: Array, scale_HM: Array, *shape_HM: Array) -> Array:
    """(Q, H): of equal-weight mixtures, by Newton's steps within Cantelli's bounds, begun as of normal laws."""
    share = np.reshape(share_Q, (-1, 1))
    reach = np.sqrt(share / (1 - share))[..., None]
    low, high = (location_HM - scale_HM / reach).min(axis=-1), (location_HM + scale_HM * reach).max(axis=-1)
    x, step = (location_HM + scale_HM * 4.91 * (share**0.14 - (1 - share) ** 0.14)[..., None]).mean(axis=-1), np.inf
    while np.any(np.abs(step) > 1e-6 * scale_HM.min(axis=-1)):
        below, _, density = law((x[..., None] - location_HM) / scale_HM, *shape_HM)
        excess = below.mean(axis=-1) - share
        low, high = np.where(excess < 0, x, low), np.where(excess < 0, high, x)
        newton = x - excess / np.maximum((density / scale_HM).mean(axis=-1), 1e-300)
        step = np.where((newton >= low) & (newton <= high), newton, (low + high) / 2) - x
        x = x + step
    return x


def attend(x: Array, a: Table, asking: int) -> Array:
    """Attention of the last positions to all."""
    qkv = x[-asking:] @ a["query"], x @ a["key"], x @ a["value"]
    q, k, v = (y.reshape(len(y), a["heads"], -1).swapaxes(0, 1) for y in qkv)
    scores = q @ k.swapaxes(1, 2) / np.float32(math.sqrt(q.shape[-1]))
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = weights / weights.sum(axis=-1, keepdims=True) @ v
    return mixed.swapaxes(0, 1).reshape(asking, -1) @ a["output"]


KINDS: Table = {  # of a network's steps: from x, the arrays of its layer, and what was kept for a residual
    "dense": lambda x, a, kept: x @ a["kernel"] + a["bias"],
    "gelu": lambda x, a, kept: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))),
    "center": lambda x, a, kept: x - x.mean(axis=-1, keepdims=True),
    "norm": lambda x, a, kept: x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-6) * a["scale"] + a["bias"],
    "attend": lambda x, a, kept: attend(x, a, len(kept)),
    "add": lambda x, a, kept: (kept @ a["kernel"] if a else kept) + x,
    "last": lambda x, a, kept: x[-1],
    "average": lambda x, a, kept: x.mean(axis=0),
    "flatten": lambda x, a, kept: x.reshape(-1),
}


def network(steps: list[tuple[str, str]], tables: Table, w: Table) -> list[Array]:
    """Outputs of the head's layers for a window; a step has a kind, and the name of a layer or of what is joined."""
    x, kept, outputs = w["x"], w["x"], []
    for kind, name in steps:
        a = tables.get(name, {})
        if kind in KINDS:
            x = KINDS[kind](x, a, kept)
        elif kind == "keep":  # of the last block one position, where nothing looks at the others afterwards
            kept = x[-1:] if name == "last" else x
        elif kind == "place":
            angle = w["clock"] @ a["clock"] + a["place"]
            x = x + np.where(a["wave"], np.sin(angle), angle)
        elif kind == "tokens":  # in front of the bars
            x = np.concatenate([a["embedding"][range(len(w["tokens"])), w["tokens"]], x])
        elif kind == "join":
            x = np.concatenate([x, w[name].reshape(-1)])
        else:
            outputs.append((x @ a["kernel"] + a["bias"]).astype(float))
    return outputs


def load(path: Path) -> Table:
    """Arrays by table and name."""
    tables: Table = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays:
            table, _, name = key.rpartition("/")
            tables.setdefault(table, {})[name] = arrays[key]
    return tables


class Export:
    """An export in its folder: what nextbar learnt, in words (manifest.json) and in numbers (weights.npz)."""

    def __init__(self, folder: Any = Path(__file__).parent) -> None:
        self.folder, self.m = Path(folder), json.loads((Path(folder) / "manifest.json").read_bytes())
        self.tables = load(self.folder / "weights.npz")

    def start(self, s: Table, bars: Table, rank_N: Array) -> tuple[Array, Array]:
        """Law of the log return by a range HAR, (H, X) as the head has it, and the regressors behind it."""
        o, h, low, c = (np.log(bars[name]) for name in PRICES)
        variance_N = np.r_[0, o[1:] - c[:-1]] ** 2 + 0.5 * (h - low) ** 2 - (2 * math.log(2) - 1) * (c - o) ** 2
        end_N1, floor, factor = np.arange(1, len(c) + 1)[:, None], s["floor"], s["factor"]
        own_N1 = np.sqrt(np.maximum(np.cumsum(variance_N)[:, None] / end_N1, floor))
        log_unit_N1 = np.log(own_N1 if np.isnan(s["unit"]) else s["unit"] + 0 * own_N1)
        scaled_N = np.clip(variance_N / factor[(rank_N - 1) % len(factor)] ** 2, floor, floor * 2.0**30)
        sum_N1 = np.r_[0, np.cumsum(scaled_N)][:, None]
        begin_NK = np.maximum(end_N1 - s["lags"], 0)
        log_NK = np.log((sum_N1[end_N1, 0] - sum_N1[begin_NK, 0]) / (end_N1 - begin_NK))
        ahead_NH = factor[(rank_N[:, None] + np.arange(self.m["horizon"])) % len(factor)]
        shift_NH = 0.5 * np.log(np.cumsum(ahead_NH**2, axis=1)) + log_unit_N1
        log_variance_NH = s["coefficients"][0] + (log_NK - 2 * log_unit_N1) @ s["coefficients"][1:]
        log_scale_NH, location_NH = 0.5 * np.clip(log_variance_NH, -20, 20) + shift_NH, s["location"] * np.exp(shift_NH)
        logs_K = np.r_[log_NK[-1, :-1] - log_NK[-1, -1], s["padding"], log_NK[-1, -1] - 2 * log_unit_N1[-1]]
        law_HX = np.stack([location_NH[-1], log_scale_NH[-1]], axis=1)
        if s["trail"]:  # what returns of late say of their laws (Harvey 2013)
            z = (np.diff(c) - location_NH[:-1, 0]) * np.exp(-log_scale_NH[:-1, 0])
            df, skew, mean, spread, _ = shape(s["df"][0], s["skew"][0])
            y = mean + spread * z
            score = (df + 1) * spread * z * y / ((df - 2) * np.where(y < 0, 1 - skew, 1 + skew) ** 2 + y**2) - 1
            score = np.clip(score, -1000, 1000)[-s["trail"] :]
            level = score.sum() / s["information"] / (len(score) + s["trail"])
            logs_K, law_HX = np.r_[logs_K, level], law_HX + np.array([0, level])
        if not self.m["bins"]:
            return np.concatenate([law_HX, s["raw_shape"]], axis=1), logs_K
        z_HK = (s["edges"] - law_HX[:, :1]) * np.exp(-law_HX[:, 1:])
        shares = law(z_HK, *shape(s["df"][:, None], s["skew"][:, None]))[:2]
        below, above = (np.pad(share, ((0, 0), (1, 1))) for share in shares)
        below[:, -1] = above[:, 0] = 1
        mass = np.maximum(np.where(below[:, 1:] < 0.5, np.diff(below), -np.diff(above)), 1e-12)
        return np.log(mass / mass.sum(axis=1, keepdims=True)), np.r_[logs_K, law_HX[:, 1] - log_unit_N1[-1]]

    def window(self, model: Table, s: Table, bars: Table) -> Table:
        """What a model sees of the L bars that are given, and the unit of its label."""
        m, close = self.m, bars["close"]
        groups: list[Array] = []
        spreads: list[float] = []
        path_L = np.log(close / close[-1]) if m["log_prices"] else close - close[-1]
        moved = np.diff(path_L).std()
        for g in reversed(range(len(m["groups"]))):  # volumes, then prices
            values = np.stack([bars[name] for name in m["groups"][g]], axis=1)
            values = np.log1p(values) if g and m["returns"] else values
            own = values[:, : m["own_prices"]]
            low, mean, deviation = own.min(), own.mean(), (own - own[-1, -1]).std()
            maps = {"minmax": (low, np.ptp(own), 0), "meanstd": (mean, deviation, 0), "mean": (mean, mean, 1)}
            kind = model["norms"][g]
            offset, scale, shift = maps[kind] if kind in maps else (*s[kind][g], 0)
            scale, shift = (scale, shift) if scale else (abs(mean) or 1.0, 0)
            groups.insert(0, (values - offset) / scale + shift)
            spreads.insert(0, deviation if g or not m["log_prices"] else moved)
        unit = (s["return_unit"] if model["unit"] == "training" else moved if model["unit"] == "window" else 1.0) or 1.0
        own, others = np.split(groups[0], [m["own_prices"]], axis=1)
        if m["returns"]:
            o, h, low, c = (np.log(bars[name] / close[-1]) for name in PRICES)
            before = np.r_[o[0], c[:-1]]
            moves = c - before, h - before, low - before, o - before, h - low, c / math.sqrt(len(c))
            own = np.stack(moves, axis=1) / unit
        plain = [(bars[name] - middle) / width for name, (middle, width) in zip(m["plain"], s["plain"], strict=True)]
        columns = np.column_stack([own, others, *groups[1:], *plain, bars["share"], np.linspace(0, 1, len(close))])
        spread_G = np.clip(np.log(np.maximum(spreads / s["spreads"], math.exp(-5))), -5, 5).astype(np.float32)
        tokens_G = (spread_G[:, None] > s["token_edges"]).sum(axis=1)
        x_LF = columns[:, m["features"]].astype(np.float32)
        unit = unit if m["target"] == "log_return" else abs(scale)
        return {"x": x_LF, "spread": spread_G, "tokens": tokens_G, "unit": unit}

    def inputs(self, bars: Table, series: str = "", now: float = math.inf) -> tuple[Table, list[Table]]:
        """What is known of the next bars, and what each model sees: see `forecast`."""
        m, length, ahead, series = self.m, self.m["seq_len"], np.arange(self.m["horizon"]), series or self.m["default"]
        if series not in m["series"]:
            raise ValueError(f"series: found {series!r}, should be one of {', '.join(m['series'])}")
        s, c = self.tables[f"series/{series}"], self.tables[m["series"][series]]
        bars = {name: np.asarray(values, np.int64 if name == "time" else float) for name, values in bars.items()}
        if absent := {"time", "close", *m["columns"]} - {*bars, *m["formulas"]}:
            raise ValueError(f"{series}: found no column {', '.join(sorted(absent))}")
        bars = {name: values[: np.sum(bars["time"] + c["step"] <= now)] for name, values in bars.items()}
        bars = {name: indicator(bars["close"], *formula) for name, formula in m["formulas"].items()} | bars
        bars = {name: values[-s["seen"] :] for name, values in bars.items()}
        time_N, used = bars["time"], np.stack([bars[name] for name in m["columns"]])
        if len(time_N) < s["history"] or not np.isfinite(used[:, -length:]).all():
            raise ValueError(
                f"{series}: found {len(time_N)} bars, needs {s['history']}, and all values in the last {length}"
            )
        if np.diff(time_N).min() < 0.7 * c["step"]:
            raise ValueError(f"{series}: found bars that are double, or not in order of time")
        if m["log_prices"] and not used[: m["own_prices"]].min() > 0:
            raise ValueError(f"{series}: found a price that is not above 0")
        rank_N, hole_N, date_H = slots(c, time_N, len(ahead))
        if hole_N[1 - length :].any():
            raise ValueError(f"{series}: bars are missing among the last {length}")
        bars["share"], last = (time_N + c["step"] - m["times"][0]) / m["times"][1], bars["close"][-1]
        start_HX, regressors = self.start(s, bars, rank_N) if "floor" in s else (np.zeros((1, 1)), np.zeros(0))
        clock = c["clock"][(rank_N[-length:] - 1) % len(c["clock"])]
        clock_ahead = c["clock"][(rank_N[-1] + ahead) % len(c["clock"])]
        seen = [self.window(model, s, {name: a[-length:] for name, a in bars.items()}) for model in m["models"]]
        for w in seen:
            w |= {"start": start_HX.copy(), "regressors": regressors, "clock": clock, "clock_ahead": clock_ahead}
            if "floor" in s and not m["bins"]:  # the law of the log return as one of the label
                is_price, unit = m["target"] == "close", w["unit"]
                w["start"][:, 0] = (np.expm1(start_HX[:, 0]) * last if is_price else start_HX[:, 0]) / unit
                w["start"][:, 1] -= np.log(unit / last if is_price else unit)
                w["regressors"] = np.r_[w["start"][:, 1], regressors]
            w["regressors"] = w["regressors"].astype(np.float32)
        return {"origin": np.full(len(ahead), time_N[-1]), "step": 1 + ahead, "date": date_H, "close": last}, seen

    def forecast(
        self, bars: Table, series: str = "", levels: Any = LEVELS, conformal: bool = False, now: float = math.inf
    ) -> Table:
        """Of the H bars after the last that has closed by `now` (epoch seconds): `date`, when they open, close,
        intervals and law, or shares of bins."""
        m, (table, seen), models = self.m, self.inputs(bars, series, now), []
        for model, w in zip(m["models"], seen, strict=True):
            outputs = [output.reshape(m["horizon"], -1) for output in network(model["steps"], self.tables, w)]
            x = np.concatenate(outputs, axis=1) + w["start"]
            if m["bins"]:
                x = np.exp(x - x.max(axis=1, keepdims=True))
                models.append(x / x.sum(axis=1, keepdims=True))
            else:
                scale, df = np.exp(np.clip(x[:, 1], -40, 80)) * w["unit"], 2.1 + np.logaddexp(0, x[:, 2])
                models.append(np.stack([x[:, 0] * w["unit"], scale, df, 0.99 * np.tanh(x[:, 3])], axis=1))
        last = table.pop("close")
        if m["bins"]:
            return table | dict(zip(m["bins"], np.mean(models, axis=0).T, strict=True))
        location, scale, df, skew = np.transpose(models, (2, 1, 0))  # (H, M) each
        center = location.mean(axis=1)
        whole = np.sqrt((scale**2 + (location - center[:, None]) ** 2).mean(axis=1))
        law_H = {"close": center, "scale": whole, "df": df[:, 0], "skew": skew[:, 0]}
        for name, number_HM in {"close": location, "scale": scale, "df": df, "skew": skew}.items():
            law_H |= {f"{name}-{k + 1}": number_H for k, number_H in enumerate(number_HM.T)}
        table |= {"close": center}
        if m["law"]:
            if not all(0 < level < 1 for level in levels):
                raise ValueError(f"levels: found {levels}, should be shares between 0 and 1")
            ends = [(level, side, sign) for level in levels for side, sign in (("lo", -1), ("hi", 1))]
            end_QH = quantiles([0.5 + sign * level / 2 for level, _, sign in ends], location, scale, *shape(df, skew))
            if conformal:
                s = self.tables[f"series/{series or m['default']}"]
                factors = dict(zip(s.get("conformal_levels", ()), s.get("conformal", ()), strict=True))
                if unknown := {*levels} - {*factors}:
                    raise ValueError(f"levels: no residuals for {unknown}, only for {[*map(float, factors)]}")
                end_QH = [center + sign * factors[level] * whole for level, _, sign in ends]
            table |= {f"close-{side}-{100 * level:g}": end for (level, side, _), end in zip(ends, end_QH, strict=True)}
        table |= {name: law_H[name] for name in m["law"]}
        is_price = m["target"] == "close"
        for name in (name for name in table if name.startswith("close")):
            table[name] = last + table[name] if is_price else last * np.exp(np.clip(table[name], -500, 500))
        return table

    def check(self) -> float:
        """The largest difference from what nextbar forecast: of dates in seconds, else as a share of a column's largest
        value, of prices the largest change."""
        golden, errors = load(self.folder / "golden.npz"), []
        for kind, series in (key.split("/", 1) for key in golden if not key.startswith("bars/")):
            bars, wanted, found = golden[f"bars/{series}"], golden[f"{kind}/{series}"], []
            for row in (rows := wanted.pop("row")):
                known = {name: values[: row + 1] for name, values in bars.items()}
                found.append(self.forecast(known, series, conformal=kind == "conformal"))
            for name, wanted_NH in wanted.items():
                zero = bars["close"][rows][:, None] if name.startswith("close") else 0.0
                size = 1.0 if name == "date" else np.abs(wanted_NH - zero).max() or 1.0
                errors.append(np.abs([table[name] for table in found] - wanted_NH).max() / size)
        return float(np.max(errors))


def seconds(text: str) -> int:
    """A date in seconds since the epoch: ISO 8601, UTC where no zone is given, or epoch seconds or milliseconds."""
    if text.isdigit():
        return int(text) // (1000 if len(text) > 11 else 1)
    try:
        date = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"found date {text!r}, should be ISO 8601 or whole seconds since the epoch") from None
    return int((date if date.tzinfo else date.replace(tzinfo=dt.UTC)).timestamp())


def main() -> None:
    parser = argparse.ArgumentParser(description="Forecast the bars after the last one of a file, as CSV.")
    parser.add_argument("file", nargs="?", help="CSV with date and the columns that the run sees")
    parser.add_argument("--series", default="", help="which of the run's; else the one that the file is called after")
    parser.add_argument("--levels", type=float, nargs="+", default=LEVELS, help="of intervals, such as 0.5 0.9")
    parser.add_argument("--conformal", action="store_true", help="correct the intervals by what happened in validation")
    parser.add_argument("--check", action="store_true", help="compare with what nextbar itself forecast")
    given, export = parser.parse_args(), Export()
    if given.check or given.file is None:
        worst = export.check()
        print(f"differs from nextbar by {worst:.1e} at most")
        sys.exit(not worst <= 1e-5)
    with open(given.file, newline="", encoding="utf-8-sig") as text:
        rows = [{(name or "").strip().lower(): value for name, value in row.items()} for row in csv.DictReader(text)]
    date = next((name for name in ("date", "datetime", "timestamp", "time") if rows and name in rows[0]), None)
    if date is None:
        raise ValueError(f"{given.file}: needs a header with date, and rows")
    stem = Path(given.file).stem
    bars: Table = {name: [float(row[name] or "nan") for row in rows] for name in export.m["columns"] if name in rows[0]}
    bars["time"] = [seconds(row[date]) for row in rows]
    series = given.series or (stem if stem in export.m["series"] else "")
    table = export.forecast(bars, series, given.levels, given.conformal, dt.datetime.now().timestamp())
    table |= {name: [f"{date}Z" for date in table[name].astype("datetime64[s]")] for name in ("origin", "date")}
    print(",".join(table))
    for values in zip(*table.values(), strict=True):
        print(",".join(map(str, values)))


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, TypeError) as error:
        sys.exit(f"{error}")
