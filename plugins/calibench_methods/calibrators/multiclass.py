"""A map of one probability, extended to K classes: one-vs-rest (a map for each class) or top-label (a single map)."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from calibench import Calibrator, Outputs
from calibench.lazy import np, torch
from calibench.metrics.nll import CLIP
from calibench.stages import Ops, Scores
from calibench.stages.numpy_ops import NumpyOps

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int64]"

ABOVE_THE_REST = 1 + 1e-9
"""A top probability that would fall below the second is set to this multiple of it, so that the predicted class stays."""


class Column(NamedTuple):
    """The probability of one class: `p [N]`, `ln p` and `ln(1 - p)`; the logarithms stay exact where p rounds to 0 or 1."""

    p: Floats
    log_p: Floats
    log_q: Floats


class BinaryMap(Calibrator):
    """Extends a map of one probability to K classes, by one map per class (`of=classes`) or one in all (`of=top`).

    `classes`: every `p_k` has its own map, fitted to "the label is k". Rows are then divided by their sums; a row that maps
    to zeros keeps its probabilities. `top`: the confidence `max_k p_k` has the only map, fitted to "the prediction is
    right". The other classes share the remaining probability in proportion, so no prediction changes.
    """

    def __init__(self, of: str) -> None:
        self.of = of

    @abstractmethod
    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """Fit one map to its probabilities and to `hit [N]`, 1 where the class is right and else 0; returns JSON values."""

    @abstractmethod
    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The mapped probabilities, of the shape of the column's, finite and >= 0."""

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The curve by numpy, `[N]`."""
        mapped: Floats = self.curve(NumpyOps(), column, fitted)
        return mapped

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`maps` (one per class, or one), and the NLL of the same samples before and after, in nats."""
        truth = labels.cpu().numpy()
        if self.of == "top":
            predicted = predicted_classes(outputs)
            maps = [self.fit_one(top_column(outputs, predicted), (predicted == truth).astype(np.float64))]
        else:
            maps = [self.fit_one(col, (truth == k).astype(np.float64)) for k, col in enumerate(columns(outputs))]
        return with_nll(self, outputs, labels, {"maps": maps})

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Probabilities `[N, K]`."""
        if self.of == "top":
            predicted = predicted_classes(outputs)
            return with_top(outputs, predicted, self.apply_one(top_column(outputs, predicted), fitted["maps"][0]))
        pairs = zip(columns(outputs), fitted["maps"], strict=True)
        mapped = np.stack([self.apply_one(column, fitted_map) for column, fitted_map in pairs], axis=1)
        total = mapped.sum(axis=1, keepdims=True)
        mapped = np.where(total > 0, mapped, unit_rows(outputs))
        return probability_outputs(mapped / mapped.sum(axis=1, keepdims=True), outputs)

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """The same by the operations of the scores."""
        ops, whole, probs = scores.ops, formula_columns(scores), scores.unit_probs()
        if self.of == "top":
            mask = ops.top(scores.values, scores.classes)
            of_top = Column(*(ops.total(ops.where(mask, part, 0.0)) for part in whole))
            return scores.as_probs(formula_with_top(scores, mask, self.curve(ops, of_top, fitted["maps"][0])))
        mapped = ops.join(
            [
                self.curve(ops, Column(*(ops.column(part, k) for part in whole)), fitted_map)
                for k, fitted_map in enumerate(fitted["maps"])
            ]
        )
        mapped = ops.where(ops.positive(ops.total(mapped)), mapped, probs)
        return scores.as_probs(scores.normalised(mapped))


def formula_columns(scores: Scores) -> Column:
    """`columns` as one Column of values `[N, K]`, by the operations of the scores."""
    ops, log_p = scores.ops, scores.log_probs()
    top = ops.top(log_p, scores.classes)
    others = ops.where(top, -math.inf, log_p)
    highest = ops.highest(others)
    log_sum = ops.log(ops.total(ops.exp(others - highest))) + highest
    log_q = ops.log1p(-ops.exp(ops.least(log_p, math.log(0.75))))
    return Column(scores.unit_probs(), log_p, ops.where(top, log_sum, log_q))


def formula_with_top(scores: Scores, mask: Any, value: Any) -> Any:
    """`with_top` by the operations of the scores; `mask [N, K]` is true at the predicted classes, `value [N, 1]` their map."""
    ops = scores.ops
    others = ops.where(mask, 0.0, scores.unit_probs())
    others_sum = ops.total(others)
    some = ops.positive(others_sum)
    shares = ops.where(some, others / ops.where(some, others_sum, 1.0), 1 / (scores.classes - 1))
    shares = ops.where(mask, 0.0, shares)
    second = ops.highest(shares)
    top = ops.least(ops.greatest(value, second / (second + 1) * ABOVE_THE_REST), 1.0)
    return scores.normalised(ops.where(mask, top, shares * (1 - top)))


def columns(outputs: Outputs) -> list[Column]:
    """The K columns of the outputs; `ln(1 - p)` is summed over the other classes, so that p = 1 costs no digits."""
    log_p = outputs.logits().log_softmax(dim=1).cpu().numpy()
    top = log_p.argmax(axis=1)
    others = log_p.copy()
    others[np.arange(len(others)), top] = -np.inf
    highest = others.max(axis=1)
    log_sum = highest + np.log(np.exp(others - highest[:, None]).sum(axis=1))
    log_q = np.log1p(-np.exp(np.minimum(log_p, np.log(0.75))))  # only the top class can exceed 1/2
    log_q[np.arange(len(log_q)), top] = log_sum
    probs = unit_rows(outputs)
    return [Column(*(a[:, k] for a in (probs, log_p, log_q))) for k in range(outputs.num_classes)]


def unit_rows(outputs: Outputs) -> Floats:
    """Probabilities `[N, K]` whose rows sum to 1 to float64 precision, and not only to the tolerance of a file."""
    probs = outputs.probs()
    unit: Floats = (probs / probs.sum(dim=1, keepdim=True)).cpu().numpy()
    return unit


def probability_outputs(probs: Floats, like: Outputs) -> Outputs:
    """Outputs of the probabilities `[N, K]`, on the device of `like`."""
    return Outputs(torch.from_numpy(probs).to(like.scores.device), from_probs=True)


def predicted_classes(outputs: Outputs) -> Ints:
    """The most probable class of each row, the lowest index among equals, `[N]`."""
    predicted: Ints = outputs.scores.argmax(dim=1).cpu().numpy()
    return predicted


def top_column(outputs: Outputs, predicted: Ints) -> Column:
    """The probability of the predicted class of each row."""
    rows = np.arange(len(predicted))
    p, log_p, log_q = (np.stack(parts, axis=1)[rows, predicted] for parts in zip(*columns(outputs), strict=True))
    return Column(p, log_p, log_q)


def with_top(outputs: Outputs, predicted: Ints, top: Floats) -> Outputs:
    """The outputs with `top [N]` as the probability of the predicted classes; the other classes keep their proportions.

    Equation: q_j = p_j (1 - top) / (1 - p_top). A `top` that would fall below the second probability is raised to just above
    it, so no prediction changes. If the others are all 0, they share 1 - top equally.
    """
    rows = np.arange(len(predicted))
    others = unit_rows(outputs)
    others[rows, predicted] = 0
    others_sum = others.sum(axis=1, keepdims=True)
    shares = np.where(others_sum > 0, others / np.where(others_sum > 0, others_sum, 1), 1 / (others.shape[1] - 1))
    shares[rows, predicted] = 0
    second = shares.max(axis=1)
    top = np.clip(top, second / (1 + second) * ABOVE_THE_REST, 1)
    mapped = shares * (1 - top)[:, None]
    mapped[rows, predicted] = top
    return probability_outputs(mapped / mapped.sum(axis=1, keepdims=True), outputs)


def with_nll(method: Calibrator, outputs: Outputs, labels: torch.Tensor, fitted: dict[str, Any]) -> dict[str, Any]:
    """`fitted` and the mean NLL of the fitted samples before and after, in nats, as the metric `nll` defines it."""
    after = mean_nll(method.apply(outputs, fitted), labels)
    return {"nll_before": mean_nll(outputs, labels), "nll_after": after, **fitted}


def mean_nll(outputs: Outputs, labels: torch.Tensor) -> float:
    """`mean(-ln p_label)` in nats: from logits by log-softmax, from probabilities with p clipped at 1e-12."""
    scores = outputs.scores.double()
    log_p = scores.clamp_min(CLIP).log() if outputs.from_probs else scores.log_softmax(dim=1)
    return float(-log_p.gather(1, labels.to(log_p.device).long()[:, None]).mean())
