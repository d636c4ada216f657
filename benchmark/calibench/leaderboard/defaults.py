"""What a board is ordered by, and which figures it calls equal, unless the user says otherwise."""

from __future__ import annotations

RANK_BY = "brier"
"""The metric that orders a board unless the user names another: a proper score, which no method can improve by binning alone."""

TOLERANCE = 1e-6
"""The default tolerance of practical equality, in the figure's own unit: two spellings of one loss differ by less."""
