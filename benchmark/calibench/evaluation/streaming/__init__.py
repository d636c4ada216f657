"""Judging a file that is larger than memory: one pass over its rows, a block at a time, which leaves sums.

`evaluate.py` makes the record. `sums.py` adds up what the figures need, `drawn_counts.py` counts drawn labels, and
`kept_rows.py` keeps the few rows that some figures need. What is left is a `StreamedJudged`; `figures.py` tells which metrics can
be computed from it, and `intervals.py` finds their intervals.
"""
