"""The verdicts of records and evaluations as headings of a page."""

from __future__ import annotations

ANSWERS = {
    "no_sign": "No sign of miscalibration",
    "miscalibrated": "Miscalibrated",
    "too_few": "Too few samples to tell",
    "not_tested": "Not tested",
}
"""By the verdict in a word."""
