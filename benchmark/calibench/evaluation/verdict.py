"""The verdict on a set of outputs, in one sentence."""

from __future__ import annotations

from calibench.metrics.judged import Judged


def verdict(judged: Judged, metrics: dict[str, float | None], floors: dict[str, dict[str, float]]) -> str:
    """The mean gap between confidence and accuracy, and whether ECE15 is larger than chance explains."""
    ece, floor = metrics.get("ece15"), floors.get("ece15")
    confidence, accuracy = judged.confidence.mean(), judged.correct.mean()
    means = f"mean confidence {100 * confidence:.2f} %, accuracy {100 * accuracy:.2f} %"
    if ece is None or floor is None:
        return means
    chance = f"a perfectly calibrated model stays under {100 * floor['p95']:.2f} % in 95 of 100 draws"
    figures = f"ECE15 {100 * ece:.2f} %, {chance}; {means}"
    if ece <= floor["p95"]:
        noun = "samples" if judged.labels_per_sample == 1 else "answers"
        return f"no sign of miscalibration in {judged.n} {noun}: {figures}"
    direction = "over-confident" if float(confidence - accuracy) > 0 else "under-confident"
    return f"miscalibrated, on the whole {direction}: {figures}"
