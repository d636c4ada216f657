"""Classwise ECE: every probability of every row is binned for its class."""

from __future__ import annotations

import torch

from calibench import kernels
from calibench.bench.case import OURS, Contender, Op, Shape, torch_compiled
from calibench.bench.inputs import classifier
from calibench.bench.ops.calibration_stats import wide

BINS = 15
WARM = (1024, 16)


def ours(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """The fused kernel's [K, M] sums."""
    stats = kernels.classwise_stats(x, y, BINS)
    return summary((stats.prob_sum - stats.label_sum).abs().sum(1) / len(y))


def summary(per_class: torch.Tensor) -> dict[str, float]:
    """Mean over the classes, and the worst class."""
    return {"classwise_ece": float(per_class.mean()), "worst_class": float(per_class.max())}


def eager_tensor(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """softmax, bins of all entries, one sum over the flat [K x M] table; hits are added only at the label."""
    rows, classes = x.shape
    p = x.softmax(1, dtype=wide(x))
    cell = (p * BINS).ceil().int().sub(1).clamp(0, BINS - 1)
    cell = cell + BINS * torch.arange(classes, dtype=torch.int32, device=x.device)
    table = torch.zeros(classes * BINS, dtype=torch.float64, device=x.device)
    table = table.index_add(0, cell.flatten(), p.double().flatten())
    hits = cell.gather(1, y[:, None])[:, 0]
    table = table.index_add(0, hits, torch.full_like(y, -1, dtype=torch.float64))
    return table.view(classes, BINS).abs().sum(1) / rows


def eager(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """The same in plain torch."""
    return summary(eager_tensor(x, y))


def compiled(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """The same through torch.compile."""
    return summary(torch_compiled(eager_tensor)(x, y))


def torchmetrics(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """torchmetrics has no classwise ECE: its binary ECE, class by class."""
    from torchmetrics.functional.classification import binary_calibration_error

    p = x.softmax(1, dtype=wide(x)).t().contiguous()
    eces = [
        binary_calibration_error(p[k], (y == k).int(), n_bins=BINS, norm="l1", validate_args=False)
        for k in range(x.shape[1])
    ]
    return summary(torch.stack(eces))


def netcal(x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """netcal has no classwise ECE: its binary ECE, class by class."""
    from netcal.metrics import ECE

    p, labels = x.softmax(1, dtype=wide(x)).t().contiguous().cpu().numpy(), y.cpu().numpy()
    metric = ECE(BINS)
    return summary(torch.tensor([float(metric.measure(p[k], labels == k)) for k in range(x.shape[1])]))


def _contenders(shape: Shape) -> tuple[Contender, ...]:
    by_class = "its binary ECE, class by class, on one transposed softmax"
    return (
        Contender(OURS, ours),
        Contender("torch eager", eager, note="one softmax, one index_add over all entries"),
        Contender("torch.compile", compiled, compiled=True, note="of the torch eager function, dynamic=False"),
        Contender("torchmetrics", torchmetrics, peer=True, warm=WARM, note=by_class),
        Contender("netcal", netcal, peer=True, warm=WARM, note=by_class),
    )


OP = Op(
    name="classwise_stats",
    answers="classwise ECE15: its mean over the classes and its worst class",
    shapes=((50_000, 1000), (1_000_000, 10)),
    dtypes=(torch.float32,),
    inputs=classifier,
    contenders=_contenders,
    tolerance=lambda shape: {"classwise_ece": 1e-5, "worst_class": 1e-4},
    headline="classwise_ece",
)
