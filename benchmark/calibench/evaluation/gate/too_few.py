"""Limits that so few samples could not show even of a faultless model, and the number of samples that could."""

from __future__ import annotations

import math

from calibench.evaluation.gate.bounds import Bounds, is_share, share_bounds
from calibench.evaluation.gate.limit import Limit
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric


def too_few(judged: Judged, metric: Metric, limit: Limit, bounds: Bounds, alpha: float) -> str:
    """The reason why hardly any answer to these inputs could show the limit, and the number of samples that could; else empty.

    A share is compared with that of samples that all count, at `alpha`, and a calibration error with that of a calibrated model:
    `Bounds.best`. Other figures have no best answer, so none of them is refused here.
    """
    n = judged.n // judged.labels_per_sample
    if is_share(metric, judged):
        return _of_share(limit, n, alpha)
    if bounds.best is not None and limit.kind == "max":
        return _of_calibrated(limit, n, bounds.best)
    return ""


def _of_share(limit: Limit, n: int, alpha: float) -> str:
    best = limit.value if limit.kind == "min" else 1 - limit.value
    low, high = share_bounds(n if limit.kind == "min" else 0, n, alpha)
    if (low if limit.kind == "min" else 1 - high) >= best:
        return ""
    if best >= 1:
        return f"no number of samples shows {limit}"
    needed = math.ceil(math.log(alpha) / math.log(best))
    every = "if every sample counted" if limit.kind == "min" else "if none counted"
    bound = f"at least {low:.4f}" if limit.kind == "min" else f"at most {high:.4f}"
    return f"{n} samples are too few to show {limit}: even {every} they would show {bound}; {needed} are needed"


def _of_calibrated(limit: Limit, n: int, best: float) -> str:
    if best <= limit.value:
        return ""
    if limit.value <= 0:
        return f"no number of samples shows {limit}"
    needed = rounded_up(n * (best / limit.value) ** 2)
    calibrated = f"a calibrated model with these probabilities would show at most {best:.4f}"
    return f"{n} samples are too few to show {limit}: {calibrated}; about {needed} are needed"


def about_needed(limit: Limit, bounds: Bounds, n: int) -> int | None:
    """About how many samples would show the limit if the population value lay where these samples put it; None if none would.

    Bounds come nearer to the value as `1 / sqrt(N)`. Noise makes a calibration error larger, so its value is taken as the
    middle of the interval, or as 0 if the interval starts there.
    """
    inside = bounds.low < bounds.value < bounds.high
    value = bounds.value if inside else (bounds.low + bounds.high) / 2
    if bounds.low == 0:
        value = 0.0
    bound = bounds.high if limit.kind == "max" else bounds.low
    room = limit.value - value if limit.kind == "max" else value - limit.value
    if room <= 0:
        return None
    return rounded_up(n * ((bound - value) / room) ** 2)


def rounded_up(count: float) -> int:
    """The count with two digits, rounded up."""
    unit = 10 ** max(0, math.floor(math.log10(max(count, 1))) - 1)
    return int(math.ceil(count / unit) * unit)
