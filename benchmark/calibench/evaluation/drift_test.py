"""The test of drift: whether the gap between labels and probabilities changes with time, of the top label and of every class.

Residuals `y - p` stand in the order of time, less their mean. If the gap stays the same, their cumulative sum is a bridge, which
ends where it starts; its range is compared with that of bridges of residuals with random signs (wild bootstrap, Wu 1986), all
columns together by minP. So a constant error is no drift, and inputs that become harder are none either. Source of the range:
Kuiper 1960; of cumulative residuals against a covariate: Lin, Wei & Ying 1993.
"""

from __future__ import annotations

from typing import Any, TypedDict

from calibench.evaluation.joint_test import JOINT_LEVEL, joint_test
from calibench.evaluation.periods import Times
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.noise_floor import DRAWS

BLOCKS = 400
"""Samples are added up in so many blocks at most."""

STREAM = 8
"""Separates the random stream of the signs from the others of a seed."""

TOP, CLASSES = "top label", "classes"


class Drift(TypedDict):
    """The result of the test. None where there are too few times to test."""

    drifts: bool | None
    p: float | None
    """Adjusted for the top label and all classes."""
    name: str | None
    """What changes most: `top label`, or the name of the class or label, its number where it has none."""
    since: str | None
    """The time at which it changes most, the last one before the change."""
    gap_before: float | None
    """The mean of `probability - label` up to then, a fraction."""
    gap_after: float | None
    """The same from then on."""


def drift_test(judged: Judged, times: Times, seed: int = 0) -> Drift:
    """Whether `probability - label` changes over the `times` of the samples."""
    block, last = _blocks(times.time)
    if len(last) < 2:
        return Drift(drifts=None, p=None, name=None, since=None, gap_before=None, gap_after=None)
    residuals, names = _residuals(judged)
    weight = once(judged)[0].reshape(len(times.time), -1)[:, 0]
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, STREAM))))
    cell, block_of_cell = _cells(block, generator)
    in_cells = np.stack([np.bincount(cell, weight * column, len(block_of_cell)) for column in residuals.T], axis=1)
    weight_of_cell = np.bincount(cell, weight, len(block_of_cell))
    share = np.bincount(block_of_cell, weight_of_cell, len(last)) / weight.sum()
    ends = np.flatnonzero(np.append(block_of_cell[1:] != block_of_cell[:-1], True))
    mean = in_cells.sum(axis=0) / weight.sum()
    centred = in_cells - weight_of_cell[:, None] * mean
    sums = np.diff(in_cells.cumsum(axis=0)[ends], axis=0, prepend=0)
    spread = np.sqrt((centred**2).sum(axis=0))
    spread = np.where(spread > 0, spread, 1.0)
    bridge = centred.cumsum(axis=0)[ends] / spread
    drawn = np.empty((DRAWS, len(names)))
    for draw in range(DRAWS):
        noise = (centred * (generator.integers(0, 2, size=(len(centred), 1)) * 2.0 - 1)).cumsum(axis=0)[ends]
        drawn[draw] = _range((noise - share.cumsum()[:, None] * noise[-1]) / spread)
    observed = _range(bridge)
    families = {TOP: slice(0, 1), CLASSES: slice(1, None)} if judged.labels_per_sample == 1 else {CLASSES: slice(None)}
    test = joint_test(
        {name: observed[part] for name, part in families.items()},
        {name: drawn[:, part] for name, part in families.items()},
    )
    p = np.concatenate([test.p[name] for name in families])
    column = int(np.lexsort((-observed, p))[0])
    at = int(np.abs(bridge[:-1, column]).argmax())
    before = share[: at + 1].sum() * weight.sum()
    gaps = -sums[: at + 1, column].sum() / before, -sums[at + 1 :, column].sum() / (weight.sum() - before)
    smallest = float(p.min())
    return Drift(
        drifts=smallest <= JOINT_LEVEL,
        p=smallest,
        name=names[column],
        since=times.name_of(float(last[at])),
        gap_before=float(gaps[0]),
        gap_after=float(gaps[1]),
    )


def _range(sums: Floats) -> Floats:
    """The range of each column, with the 0 at which it starts."""
    span: Floats = sums.max(axis=0, initial=0.0) - sums.min(axis=0, initial=0.0)
    return span


def _blocks(time: Floats) -> tuple[Ints, Floats]:
    """The block of each sample `[N]`, in the order of time, and the last time of each; equal times share a block."""
    distinct, place, sizes = np.unique(time, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    if len(distinct) <= BLOCKS:
        return place, distinct
    part = np.minimum(((sizes.cumsum() - sizes / 2) * BLOCKS / len(time)).astype(np.int64), BLOCKS - 1)
    filled, part = np.unique(part, return_inverse=True)
    part = part.reshape(-1)
    return part[place], np.array([distinct[part == number].max() for number in range(len(filled))])


def _cells(block: Ints, generator: np.random.Generator) -> tuple[Ints, Ints]:
    """The cell of each sample `[N]`, and the block of each cell, ascending: what shares a random sign.

    There are about `BLOCKS` cells of as many samples each. Those of a block are mixed, for their order may mean something.
    """
    n = len(block)
    order = np.lexsort((generator.random(n), block))
    chunk = np.arange(n) * min(BLOCKS, n) // n
    inside = block[order]
    start = np.append(True, (inside[1:] != inside[:-1]) | (chunk[1:] != chunk[:-1]))
    cell = np.empty(n, dtype=np.int64)
    cell[order] = start.cumsum() - 1
    return cell, inside[start]


def _residuals(judged: Judged) -> tuple[Floats, list[str]]:
    """`y - p` of the top label and of every class, `[N, 1 + K]`; of several labels `[N, Q]`. People's shares serve as y."""
    per: int = judged.labels_per_sample
    if per > 1:
        columns: Any = (judged.labels - judged.probs[:, 1]).reshape(-1, per)
        return columns, list(judged.class_names) or [str(label) for label in range(per)]
    rows = np.arange(judged.n)
    residuals = np.empty((judged.n, 1 + judged.num_classes))
    residuals[:, 1:] = -judged.probs
    if judged.soft is None:
        residuals[rows, 1 + judged.labels] += 1
    else:
        residuals[:, 1:] += judged.soft
    residuals[:, 0] = residuals[rows, 1 + judged.prediction]
    return residuals, ["top label", *(judged.class_names or (str(k) for k in range(judged.num_classes)))]
