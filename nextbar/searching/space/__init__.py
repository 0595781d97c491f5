"""The search space: what is varied, how it is written and read."""
