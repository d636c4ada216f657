"""`ivap`: inductive Venn-Abers prediction (Vovk, Petej and Fedorova, NeurIPS 2015)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec
from calibench.lazy import np
from calibench_methods.calibrators.multiclass import Column, Floats
from calibench_methods.calibrators.parameters import OF_DEVIATIONS, TOP_DEVIATION, of_param
from calibench_methods.calibrators.steps import StepMap

STEP_TOLERANCE = 1e-6
"""Neighbouring steps whose value lies this close to the first one's are stored as one, which leaves a fifth of them."""

SPEC = MethodSpec(
    name="ivap",
    kind="calibrator",
    target=f"{__name__}:IVAP",
    summary="Inductive Venn-Abers: merges two isotonic fits, in which the sample counts as a miss and as a hit.",
    params=(of_param("top"),),
    equation="q = p1 / (1 - p0 + p1), p_y = isotonic fit of cal and (p, y) at p",
    use_when="no shape of the error should be assumed, and rows to judge are drawn like cal",
    avoid_when="of=classes with many classes: confidences end 5 to 6 points too low on CIFAR-100, and records take 8 MB",
    cost="two isotonic fits",
    paper=(
        "V. Vovk, I. Petej, V. Fedorova, Large-scale probabilistic predictors with and without guarantees of validity, "
        "NeurIPS 2015 (arXiv 1511.00213)"
    ),
    deviations=(
        TOP_DEVIATION + ". On CIFAR-100, one-vs-rest gives an ECE15 of 5 to 6 % and a record of 8 MB",
        "steps less than 1e-6 apart are stored as one",
        *OF_DEVIATIONS,
    ),
)


class IVAP(StepMap):
    """`p = p1 / (1 - p0 + p1)`: the log-loss minimax of two isotonic fits, in which the sample counts as a miss and as a hit."""

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`edges` and `value`: step j holds for `edges[j-1] < s <= edges[j]`; a fitted score and the gap below it are two steps."""
        scores, group = np.unique(column.p, return_inverse=True)
        count: Floats = np.bincount(group).astype(np.float64)
        hits: Floats = np.bincount(group, weights=hit).astype(np.float64)
        p1 = isotonic_with_a_hit(count, hits)
        p0 = 1 - isotonic_with_a_hit(count[::-1], (count - hits)[::-1])[::-1]
        # In a gap between scores, a miss joins the scores below and a hit the scores above; past both ends it stands alone.
        below, above = np.append(0.0, p0), np.append(p1, 1.0)
        steps = np.empty(2 * len(scores) + 1)
        steps[0::2] = above / (1 - below + above)
        steps[1::2] = p1 / (1 - p0 + p1)
        edges = np.empty(2 * len(scores))
        edges[0::2] = np.nextafter(scores, -1)  # the gap ends just before the score
        edges[1::2] = scores
        indices = distinct_steps(steps)
        return {"edges": edges[np.array(indices[1:], dtype=int) - 1].tolist(), "value": steps[indices].tolist()}


def distinct_steps(steps: Floats) -> list[int]:
    """Indices of the steps that differ from the last kept one by more than `STEP_TOLERANCE`, the first step included."""
    indices = [0]
    for j in range(1, len(steps)):
        if abs(steps[j] - steps[indices[-1]]) > STEP_TOLERANCE:
            indices.append(j)
    return indices


def isotonic_with_a_hit(count: Floats, hits: Floats) -> Floats:
    """p1 at each distinct score, ascending: the isotonic fit's value there after one more sample, a hit, at that score.

    `count [M]` and `hits [M]` are the samples and hits at each score. The values are slopes of the greatest convex minorant
    of the cumulative sums, updated from left to right (Vovk et al., algorithms 1 and 2).
    """
    x = np.concatenate([[-1.0, 0.0], np.cumsum(count)]).tolist()
    y = np.concatenate([[-1.0, 0.0], np.cumsum(hits)]).tolist()
    points = list(zip(x, y, strict=True))  # points[i + 1] is P_i, P_-1 = (-1, -1)
    corners: list[tuple[float, float]] = []
    for point in points:
        while len(corners) > 1 and not _turns_left(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    corners.reverse()
    p1 = np.empty(len(count))
    moving = points[0]
    for i in range(len(count)):
        (x0, y0), (x1, y1) = corners[-1], corners[-2]
        p1[i] = (y1 - y0) / (x1 - x0)
        moving = (moving[0] + float(count[i]), moving[1] + float(hits[i]))
        if (moving[1] - y0) * (x1 - x0) >= (y1 - y0) * (moving[0] - x0):
            continue  # at or above the first segment
        corners.pop()
        while len(corners) > 1 and not _turns_left(moving, corners[-1], corners[-2]):
            corners.pop()
        corners.append(moving)
    return np.clip(p1, 0, 1)


def _turns_left(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """True if a, b, c turn to the left; exact, because the coordinates are whole numbers."""
    return (b[0] - a[0]) * (c[1] - b[1]) > (b[1] - a[1]) * (c[0] - b[0])
