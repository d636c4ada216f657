"""`sop`: sparse over-parameterisation, a noise term for each training row (Liu et al., ICML 2022)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch, TrainTask

START = 1e-8
"""Standard deviation of the first u and v, as in the authors' configuration."""

FLOOR = 1e-4
"""Least corrected probability, as in the authors' code."""

AUTHORS_BATCH = 128
"""The rates of u and v are those for the mean loss of so many rows: the authors' batches on CIFAR-10."""

SPEC = MethodSpec(
    name="sop",
    kind="objective",
    target=f"{__name__}:SparseOverParameterization",
    summary="Sparse over-parameterisation: each training row learns its own label noise beside the network.",
    params=(
        Param(
            "lr_u", "float", 10.0, "rate of the SGD on u, for batches of 128 (CIFAR-10: 10, CIFAR-100: 1)", minimum=0
        ),
        Param(
            "lr_v", "float", 10.0, "rate of the SGD on v, for batches of 128 (CIFAR-10 and CIFAR-100: 10)", minimum=0
        ),
    ),
    equation=(
        "loss = -log q_y + |onehot(argmax p) + s - onehot(y)|^2, q proportional to max(p + s, 1e-4), "
        "s = u^2 onehot(y) - v^2 (1 - onehot(y)); u, v by SGD"
    ),
    paper=(
        "S. Liu, Z. Zhu, Q. Qu, C. You, Robust Training under Label Noise by Over-parameterization, ICML 2022 "
        "(arXiv 2202.14026); code: shengliu66/SOP"
    ),
    deviations=(
        "SOP+, which adds a consistency and a class-balance term, is left out",
        "the rates of u and v are divided by 128 a row, so that another batch size does not change how fast they grow; with "
        "batches of 128 the steps are the authors'",
        "u and v have SGD of their own at a constant rate, as the authors have it, whatever optimiser trains the network",
        "the network does not see the squared term: it takes the argmax of p",
    ),
    use_when="few labels are wrong, each by itself, and training is long enough for the noise terms to grow (some 20 epochs)",
    avoid_when="training lasts a few epochs only: from 1e-8 the noise terms stay 0, and it is `ce`",
    cost="as `ce`, and K + 1 numbers for each training row",
)


class SparseOverParameterization(Objective):
    """`-log q_y + |onehot(argmax p) + s - onehot(y)|^2`, mean over the batch; `s = u^2 onehot(y) - v^2 (1 - onehot(y))`.

    q is `p + s`, at least 1e-4 and divided by its sum. Each row has a number u and a vector v `[K]`. The first term trains the
    network and u, the second one u and v. Every step also moves u and v of its rows by plain gradient descent.
    """

    learned = ("u", "v")

    def __init__(self, lr_u: float, lr_v: float) -> None:
        self.rates = lr_u / AUTHORS_BATCH, lr_v / AUTHORS_BATCH

    def prepare(self, task: TrainTask) -> None:
        """Draw u and v of every row from N(0, 1e-16)."""
        rows, device = len(task.labels), task.labels.device
        self.labels = task.labels
        self.u = torch.randn(rows, 1).to(device) * START
        self.v = torch.randn(rows, task.num_classes).to(device) * START

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats plus a squared distance; moves u and v of the batch's rows."""
        one_hot = functional.one_hot(batch.y, logits.shape[1]).to(logits)
        with torch.enable_grad():
            u, v = (part[batch.rows].to(logits).requires_grad_() for part in (self.u, self.v))
            kept = (u**2 * one_hot).clamp(0, 1)
            removed = (v**2 * (1 - one_hot)).clamp(0, 1)
            corrected = (logits.softmax(dim=1) + kept - removed.detach()).clamp_min(FLOOR)
            corrected = (corrected / corrected.sum(dim=1, keepdim=True)).clamp_min(FLOOR)
            predicted = functional.one_hot(logits.argmax(dim=1), logits.shape[1]).to(logits)
            distances = (predicted + kept - removed - one_hot).square().sum(dim=1)
            losses = distances - (one_hot * corrected.log()).sum(dim=1)
            by_u, by_v = torch.autograd.grad(losses.sum(), (u, v), retain_graph=True)
        for part, gradient, rate in zip((self.u, self.v), (by_u, by_v), self.rates, strict=True):
            part[batch.rows] -= rate * gradient.to(part)
        return losses.mean()

    def suspected(self) -> torch.Tensor:
        """The rows whose label minus its noise term is largest at another class, bool `[N]`."""
        one_hot = functional.one_hot(self.labels, self.v.shape[1]).to(self.v)
        noise = (self.u**2).clamp(0, 1) * one_hot - (self.v**2).clamp(0, 1) * (1 - one_hot)
        return (one_hot - noise).argmax(dim=1) != self.labels
