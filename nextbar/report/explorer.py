"""Forecast against truth, bar by bar: a chart to scroll through, with its controls.

The page holds every bar once, and its script draws as many candles as fit the screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nextbar.display.fan import moment
from nextbar.display.figure import text
from nextbar.display.markup import Html, element
from nextbar.errors import listed
from nextbar.report.tracks import Track

MAX_BARS = 20_000
"""bars in the page, all series together; the latest of more"""
MAX_NUMBERS = 160_000
"""numbers of four bytes in the page, which so stays below 6 MB"""
WINDOWS = (200, 1_000)
"""bars that a button shows; the page opens with the first"""


@dataclass(frozen=True)
class Explorer:
    """A chart of tracks to scroll through, with its controls."""

    tracks: tuple[Track, ...]
    level: int
    """the interval that is drawn, percent"""
    bins: tuple[str, ...] = ()
    caption: str = ""
    key: str = field(default="explorer", init=False)

    @classmethod
    def of(cls, tracks: Sequence[Track], level: float, bins: Sequence[str] = (), caption: str = "") -> Explorer:
        """The explorer of tracks, cut to their latest bars where the page would grow too large; its caption says so."""
        limit = max(1, int(min(MAX_BARS, MAX_NUMBERS / max(t.numbers for t in tracks)) / len(tracks)))
        total = sum(len(t.time_N) for t in tracks)
        if any(len(t.time_N) > limit for t in tracks):
            shown = sum(min(len(t.time_N), limit) for t in tracks)
            caption = f"{caption} The latest {shown:,} of {total:,} bars are here.".strip()
        return cls(tuple(t.last(limit) for t in tracks), round(100 * level), tuple(bins), caption)

    def html(self) -> Html:
        """Controls, and the boxes that the script draws into."""
        controls = []
        if len(self.tracks) > 1:
            controls.append(_select("Series ", "series", [t.name for t in self.tracks]))
        ahead = [step.ahead for step in self.tracks[0].steps]
        if len(ahead) > 1:
            controls.append(_select("Forecast made ", "step", [f"{h} bar{'s' * (h > 1)} before" for h in ahead]))
        buttons = [element("button", f"last {n:,}", type="button", data_bars=str(n)) for n in WINDOWS]
        controls += [element("span", "Show ", *buttons, element("button", "all", type="button", data_bars="0"))]
        bins = None
        if self.bins:
            bins = element("div", id=f"{self.key}-bins", class_="plot", style="height:240px", role="img",
                           aria_label=f"Probability of each bin over time: {', '.join(self.bins)}")  # fmt: skip
        return element(
            "figure",
            element("h3", "Forecast and truth, bar by bar"),
            element("div", *controls, element("span", class_="state", data_control="state"), class_="controls"),
            element("div", id=self.key, class_="plot", style="height:460px", role="img",
                    aria_label=self._alternative()),
            bins,
            element("figcaption", self.caption),
            class_="wide",
        )  # fmt: skip

    def _alternative(self) -> str:
        """Which series, and from when to when."""
        times = [moment(t, track.width) for track in self.tracks for t in (track.time_N[0], track.time_N[-1])]
        bars = sum(len(track.time_N) for track in self.tracks)
        names = listed(track.name for track in self.tracks)
        return (
            f"Forecast and truth, bar by bar: {names}, {bars:,} bars from {min(times)} to {max(times)}. {self.caption}"
        )

    def plain(self) -> dict[str, Any]:
        """Plain values for the script."""
        return {
            "id": self.key,
            "level": self.level,
            "first": WINDOWS[0],
            "unit": "price" if "open" in self.tracks[0].columns else "close",
            "bins": [text(name) for name in self.bins],
            "series": [track.plain() for track in self.tracks],
        }


def captions(output_mode: str, level: float, conformal: bool = False) -> str:
    """Caption of an explorer.

    Args:
        output_mode: what the forecasts consist of.
        level: of the central interval, a share.
        conformal: whether the intervals have been adjusted.
    """
    band = f"central {100 * level:.0f} % interval" + (" (adjusted by validation)" if conformal else "")
    seen = {
        "mean": "The line is what had been forecast for each bar.",
        "distribution": f"The band is the {band} that had been forecast for each bar.",
        "discrete_grid": "Below: the probability of each bin of the move (the stronger the colour, the likelier) and "
        "the bin that came.",
    }
    how = "Drag to move; the ends of the slider set how much is seen. Seen from afar, bars are drawn together."
    return f"{seen[output_mode]} {how}"


def _select(label: str, control: str, options: Sequence[str]) -> Html:
    choices = (element("option", option, value=str(i)) for i, option in enumerate(options))
    return element("label", label, element("select", *choices, data_control=control))
