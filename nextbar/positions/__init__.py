"""Positions, for judging forecasts only: what a stated simple rule would have made of them. No order is ever sent.

- ``options``: ``PositionOptions``, the rule, its costs and how many configurations were tried
- ``rules``: what is expected of the next bar → a position
- ``account``: positions and opens → returns, traded value and equity, holding period by holding period
- ``year``: how many bars a market has in a year
- ``sharpe``: the Sharpe ratio, and how likely it is above zero, or above the best of several by luck
- ``break_even``: the cost at which the mean return becomes zero, with its interval, and in words
- ``performance``: an account in figures
"""
