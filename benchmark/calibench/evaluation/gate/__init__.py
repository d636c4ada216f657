"""The gate: limits of figures, each decided by the bound of the figure's interval, not by the figure.

`limit.py` reads the limits, `bounds.py` finds the bounds, `check.py` decides and words a check. `baseline.py` compares with an
earlier model on the same rows, `too_few.py` finds limits that so few samples cannot show. `gate.py` does all of it.
docs/guides/gate.md explains the rule.
"""
