"""The test of drift as a sentence, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOP = "top label"


def drift_words(drift: Mapping[str, Any], labels_per_sample: int) -> str:
    """Whether calibration changes with time, of what most, since when, and by how much."""
    if drift["drifts"] is None:
        return "not tested, since all samples have one time"
    if not drift["drifts"]:
        return f"no sign that calibration changes with time (p {drift['p']:.3g})"
    noun = "class" if labels_per_sample == 1 else "label"
    name = f"the {TOP}" if drift["name"] == TOP else f"{noun} {drift['name']}"
    before, after = (f"{100 * drift[key]:+.1f} %" for key in ("gap_before", "gap_after"))
    return (
        f"calibration changes with time (p {drift['p']:.3g}), that of {name} most, after {drift['since']}: "
        f"predicted less observed is {before} up to then and {after} afterwards"
    )
