"""NLL and its first two derivatives in log T at eight temperatures."""

from __future__ import annotations

import math

import torch

from calibench import kernels
from calibench.bench.case import OURS, Contender, Figures, Op, Shape, torch_compiled
from calibench.bench.inputs import classifier
from calibench.bench.ops.calibration_stats import wide

TEMPERATURES = tuple(math.exp(-1 + 2 * step / 7) for step in range(8))


def ours(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """All eight temperatures in one pass."""
    log_t = torch.tensor(TEMPERATURES, dtype=torch.float64, device=x.device).log()
    curve = kernels.nll_curve(x, y, log_t)
    return torch.stack([curve.nll_sum, curve.slope_sum, curve.curvature_sum]) / len(y)


def eager(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One softmax per temperature; d = x - max, slope -b (E[d] - d_y), curvature b (E[d] - d_y) + b^2 Var[d]."""
    full = x.to(wide(x))
    d = full - full.amax(1, keepdim=True)
    d_y = d.gather(1, y[:, None])[:, 0]
    columns = []
    for t in TEMPERATURES:
        b = 1 / t
        log_p = (d * b).log_softmax(1)
        p = log_p.exp()
        mean = (p * d).sum(1)
        variance = (p * d.square()).sum(1) - mean.square()
        slope = -b * (mean - d_y).double()
        nll = -log_p.gather(1, y[:, None])[:, 0].double()
        columns.append(torch.stack([nll.mean(), slope.mean(), (b * b * variance.double() - slope).mean()]))
    return torch.stack(columns, dim=1)


def compiled(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The same through torch.compile."""
    return torch_compiled(eager)(x, y)  # type: ignore[no-any-return]


def figures(result: torch.Tensor) -> Figures:
    """Means [8] of NLL, slope and curvature, and the lowest NLL."""
    nll, slope, curvature = result
    return {"nll": nll, "slope": slope, "curvature": curvature, "lowest_nll": float(nll.min())}


def _contenders(shape: Shape) -> tuple[Contender, ...]:
    return (
        Contender(OURS, ours, figures),
        Contender("torch eager", eager, figures, note="one softmax a temperature"),
        Contender("torch.compile", compiled, figures, compiled=True, note="of the torch eager function, dynamic=False"),
    )


OP = Op(
    name="nll_curve",
    answers="mean NLL, slope and curvature in log T at eight temperatures",
    shapes=((50_000, 1000),),
    dtypes=(torch.float32,),
    inputs=classifier,
    contenders=_contenders,
    tolerance=lambda shape: {"nll": 1e-4, "slope": 1e-4, "curvature": 1e-3, "lowest_nll": 1e-4},
    headline="lowest_nll",
)
