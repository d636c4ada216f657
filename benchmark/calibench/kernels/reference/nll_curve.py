"""The definition of `nll_curve`."""

from __future__ import annotations

import torch

from calibench.kernels.reference.rows import blocks, exact_sum, one_thread


def nll_curve(caller: str, logits: torch.Tensor, labels: torch.Tensor, log_temperatures: torch.Tensor) -> torch.Tensor:
    """Sums over rows of the NLL and of its first two derivatives in u = log T, `[3, T]`."""
    with one_thread():
        scales = (-log_temperatures.double()).exp().tolist()
        parts: list[list[torch.Tensor]] = [[] for _ in scales]
        for _, x, y in blocks(caller, logits, labels):
            top, prediction = x.max(dim=1)
            d = x - top[:, None]
            truth = d.gather(1, y[:, None])[:, 0]
            for values, b in zip(parts, scales, strict=True):
                values.append(_at(d, prediction, truth, b))
        curve = [[exact_sum(row) for row in torch.cat(values, dim=1).tolist()] for values in parts]
        return logits.new_tensor(curve, dtype=torch.float64).reshape(len(scales), 3).T.contiguous()


def _at(d: torch.Tensor, prediction: torch.Tensor, truth: torch.Tensor, b: float) -> torch.Tensor:
    """NLL, slope and curvature `[3, N]` at b = 1 / T of rows d_j = x_j - max, given the argmax and the label's d."""
    e = (b * d).exp()
    tail = e.scatter(1, prediction[:, None], 0.0).sum(dim=1)
    p = e / (1 + tail)[:, None]
    # p is 0 where d is so low that d or its square may be infinite. Its term must be 0 then, not NaN.
    d = torch.where(p > 0, d, 0.0)
    mean = (p * d).sum(dim=1)
    variance = (p * (d - mean[:, None]).square()).sum(dim=1)
    gap = mean - truth
    return torch.stack([tail.log1p() - b * truth, -b * gap, b * gap + b * b * variance])
