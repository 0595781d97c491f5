"""Range HAR: the strongest simple model of the next bar, a baseline and what a network may start from.

- ``ranges``: variances of bars by their range, and their means over a bar, a quarter day, a day, a week
- ``diurnal``, ``units``: in which ranges and returns of different series, at different times of the week, look alike
- ``likelihood``, ``har``: the law of the next return given those means, fitted and run forward
- ``level``: what the last returns say of the level of their laws
"""

from nextbar.data.range_har.har import RangeHar, RangeLaw, fit_range_har
from nextbar.data.range_har.level import TRAIL

__all__ = ["TRAIL", "RangeHar", "RangeLaw", "fit_range_har"]
