"""The search space: its fields and dimensions, its expressions, and how it is read from a mapping.

- ``space``: ``Space``; ``dimensions``: categories and ranges; ``expression``: fields that follow from others
- ``fields``: the fields that a search may vary; ``reading``: from a mapping to the parts of a space
- ``contradictions``: whether a choice is possible in no experiment
"""
