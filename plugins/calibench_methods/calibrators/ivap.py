"""`ivap`: inductive Venn-Abers prediction (Vovk, Petej and Fedorova, NeurIPS 2015)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec
from calibench.lazy import np
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import ROWS, TOP, of

SAME = 1e-6
"""Neighbouring steps whose value lies this close to the first of them are stored as one, which leaves a fifth of them."""


SPEC = MethodSpec(
    name="ivap",
    kind="calibrator",
    target=f"{__name__}:IVAP",
    summary="Inductive Venn-Abers: two isotonic fits that take each sample in as a miss and as a hit, merged.",
    params=(of("top"),),
    equation="q = p1 / (1 - p0 + p1), p_y = isotonic fit of cal and (p, y) at p",
    paper=(
        "V. Vovk, I. Petej, V. Fedorova, Large-scale probabilistic predictors with and without guarantees of validity, "
        "NeurIPS 2015 (arXiv 1511.00213)"
    ),
    deviations=(
        TOP + ". On CIFAR-100 one-vs-rest leaves ECE15 at 5 to 6 % and the record at 8 MB",
        "steps less than 1e-6 apart are stored as one",
        *ROWS,
    ),
)


class IVAP(BinaryMap):
    """`p = p1 / (1 - p0 + p1)`, the log-loss minimax of the two isotonic fits that take the sample in as a miss and as a hit."""

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`edges` and `value`: step j holds for `edges[j-1] < s <= edges[j]`, a fitted score and the gap below it apart."""
        scores, group = np.unique(column.p, return_inverse=True)
        count: Floats = np.bincount(group).astype(np.float64)
        hits: Floats = np.bincount(group, weights=hit).astype(np.float64)
        p1 = as_a_hit(count, hits)
        p0 = 1 - as_a_hit(count[::-1], (count - hits)[::-1])[::-1]
        # In the gap below score i a miss joins the scores below it and a hit those above; past the ends it stands alone.
        below, above = np.append(0.0, p0), np.append(p1, 1.0)
        pieces = np.empty(2 * len(scores) + 1)
        pieces[0::2] = above / (1 - below + above)
        pieces[1::2] = p1 / (1 - p0 + p1)
        edges = np.empty(2 * len(scores))
        edges[0::2] = np.nextafter(scores, -1)  # the gap ends just before the score
        edges[1::2] = scores
        keep = [0]
        for j in range(1, len(pieces)):
            if abs(pieces[j] - pieces[keep[-1]]) > SAME:
                keep.append(j)
        return {"edges": edges[np.array(keep[1:], dtype=int) - 1].tolist(), "value": pieces[keep].tolist()}

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The value of the step."""
        return np.asarray(fitted["value"])[np.searchsorted(fitted["edges"], column.p, side="left")]


def as_a_hit(count: Floats, hits: Floats) -> Floats:
    """p1 at each distinct score, ascending: the isotonic fit's value there once one more sample, a hit, lies there.

    The slopes of the greatest convex minorant of the cumulated sums, updated from left to right (Vovk et al., algorithms 1
    and 2); `count [M]` and `hits [M]` are the samples and hits at each score.
    """
    x = np.concatenate([[-1.0, 0.0], np.cumsum(count)]).tolist()
    y = np.concatenate([[-1.0, 0.0], np.cumsum(hits)]).tolist()
    points = list(zip(x, y, strict=True))  # points[i + 1] is P_i, P_-1 = (-1, -1)
    stack: list[tuple[float, float]] = []
    for point in points:
        while len(stack) > 1 and not _turns_left(stack[-2], stack[-1], point):
            stack.pop()
        stack.append(point)
    stack.reverse()
    p1 = np.empty(len(count))
    last = points[0]
    for i in range(len(count)):
        (x0, y0), (x1, y1) = stack[-1], stack[-2]
        p1[i] = (y1 - y0) / (x1 - x0)
        last = (last[0] + float(count[i]), last[1] + float(hits[i]))
        if (last[1] - y0) * (x1 - x0) >= (y1 - y0) * (last[0] - x0):
            continue  # at or above the first segment
        stack.pop()
        while len(stack) > 1 and not _turns_left(last, stack[-1], stack[-2]):
            stack.pop()
        stack.append(last)
    return np.clip(p1, 0, 1)


def _turns_left(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether a, b, c turn to the left, by whole numbers, so exactly."""
    return (b[0] - a[0]) * (c[1] - b[1]) > (b[1] - a[1]) * (c[0] - b[0])
