"""How a map of one probability serves K classes: one-vs-rest, where each class has its own, or top-label, where one is enough."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from calibench import Calibrator, Outputs
from calibench.lazy import np, torch
from calibench.metrics.nll import CLIP

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int64]"

ABOVE_THE_REST = 1 + 1e-9
"""A top probability that would sink below the second is held this much above it, so that the answer stays."""


class Column(NamedTuple):
    """What is said of one class: `p [N]`, and `ln p` and `ln(1 - p)`, finite and exact where p rounds to 0 or 1."""

    p: Floats
    log_p: Floats
    log_q: Floats


class BinaryMap(Calibrator):
    """A map of one probability, made a map of K: of each class against the rest (`of=classes`) or of the answer (`of=top`).

    `classes`: every `p_k` has a map, fitted to "is it class k", and rows are divided by their sums; a row of zeros stays as
    it was. `top`: the confidence `max_k p_k` has the one map, fitted to "is the answer right", and the other classes share
    what it leaves in proportion, so that no answer changes.
    """

    def __init__(self, of: str) -> None:
        self.of = of

    @abstractmethod
    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """What one map learned, as JSON, from its probabilities and `hit [N]`, 1 where they came true, else 0."""

    @abstractmethod
    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The mapped probabilities, `[N]`, finite and >= 0."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`maps`, what each map learned (one a class, or one), and the NLL of the same samples before and after, in nats."""
        truth = labels.cpu().numpy()
        if self.of == "top":
            best = answers(outputs)
            maps = [self.fit_one(top_column(outputs, best), (best == truth).astype(np.float64))]
        else:
            maps = [self.fit_one(col, (truth == k).astype(np.float64)) for k, col in enumerate(columns(outputs))]
        return with_nll(self, outputs, labels, {"maps": maps})

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Probabilities `[N, K]`."""
        if self.of == "top":
            best = answers(outputs)
            return with_top(outputs, best, self.apply_one(top_column(outputs, best), fitted["maps"][0]))
        pairs = zip(columns(outputs), fitted["maps"], strict=True)
        mapped = np.stack([self.apply_one(column, found) for column, found in pairs], axis=1)
        total = mapped.sum(axis=1, keepdims=True)
        mapped = np.where(total > 0, mapped, unit_rows(outputs))
        return probabilities(mapped / mapped.sum(axis=1, keepdims=True), outputs)


def columns(outputs: Outputs) -> list[Column]:
    """The K columns of the outputs; `ln(1 - p)` is summed over the other classes, so that p = 1 costs no digits."""
    log_p = outputs.logits().log_softmax(dim=1).cpu().numpy()
    top = log_p.argmax(axis=1)
    rest = log_p.copy()
    rest[np.arange(len(rest)), top] = -np.inf
    highest = rest.max(axis=1)
    rest_sum = highest + np.log(np.exp(rest - highest[:, None]).sum(axis=1))
    log_q = np.log1p(-np.exp(np.minimum(log_p, np.log(0.75))))  # only the top class can exceed 1/2
    log_q[np.arange(len(log_q)), top] = rest_sum
    probs = unit_rows(outputs)
    return [Column(*(a[:, k] for a in (probs, log_p, log_q))) for k in range(outputs.num_classes)]


def unit_rows(outputs: Outputs) -> Floats:
    """Probabilities `[N, K]` whose rows sum to 1 as exactly as float64 can, not only to within the tolerance of a file."""
    probs = outputs.probs()
    unit: Floats = (probs / probs.sum(dim=1, keepdim=True)).cpu().numpy()
    return unit


def probabilities(values: Floats, like: Outputs) -> Outputs:
    """Outputs of probabilities, on the device of `like`."""
    return Outputs(torch.from_numpy(values).to(like.scores.device), from_probs=True)


def answers(outputs: Outputs) -> Ints:
    """The most probable class of each row, the lowest index of equals, `[N]`."""
    best: Ints = outputs.scores.argmax(dim=1).cpu().numpy()
    return best


def top_column(outputs: Outputs, best: Ints) -> Column:
    """What is said of the answers `best [N]`."""
    rows = np.arange(len(best))
    p, log_p, log_q = (np.stack(parts, axis=1)[rows, best] for parts in zip(*columns(outputs), strict=True))
    return Column(p, log_p, log_q)


def with_top(outputs: Outputs, best: Ints, top: Floats) -> Outputs:
    """The outputs with `top [N]` as the probability of the answers `best [N]`; the other classes keep their proportions.

    Equation: q_j = p_j (1 - top) / (1 - p_best). A `top` that would put the answer below the second is raised to just
    above it, so no answer changes. Where the others are all 0 they share 1 - top equally.
    """
    rows = np.arange(len(best))
    rest = unit_rows(outputs)
    rest[rows, best] = 0
    left = rest.sum(axis=1, keepdims=True)
    shares = np.where(left > 0, rest / np.where(left > 0, left, 1), 1 / (rest.shape[1] - 1))
    shares[rows, best] = 0
    second = shares.max(axis=1)
    top = np.clip(top, second / (1 + second) * ABOVE_THE_REST, 1)
    mapped = shares * (1 - top)[:, None]
    mapped[rows, best] = top
    return probabilities(mapped / mapped.sum(axis=1, keepdims=True), outputs)


def with_nll(method: Calibrator, outputs: Outputs, labels: torch.Tensor, fitted: dict[str, Any]) -> dict[str, Any]:
    """`fitted`, with the mean NLL of the samples it was fitted on before and after, as the metric `nll` shows it, in nats."""
    after = mean_nll(method.apply(outputs, fitted), labels)
    return {"nll_before": mean_nll(outputs, labels), "nll_after": after, **fitted}


def mean_nll(outputs: Outputs, labels: torch.Tensor) -> float:
    """`mean(-ln p_label)` in nats: by log-softmax from logits; from probabilities with p clipped at 1e-12."""
    probs = outputs.scores.double().clamp_min(CLIP).log() if outputs.from_probs else outputs.scores.double()
    log_p = probs if outputs.from_probs else probs.log_softmax(dim=1)
    return float(-log_p.gather(1, labels.to(log_p.device).long()[:, None]).mean())
