"""`bcts`: bias-corrected temperature scaling (Alexandari et al., ICML 2020)."""

from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from torch.nn.functional import cross_entropy

from calibench import Calibrator, Outputs

BOUND = 50.0  # T stays in [1/50, 50], and a bias in [-50, 50] nats


class BCTS(Calibrator):
    """`softmax(a z + b)`; the NLL is convex in `a = 1/T` and `b [K]`, so L-BFGS finds the only minimum."""

    def __init__(self, l2: float) -> None:
        self.l2 = l2

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`temperature`, `bias` (a list of K numbers), and the NLL of the same samples before and after, in nats."""
        logits = outputs.logits() - outputs.logits().max(dim=1, keepdim=True).values

        def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
            x = torch.tensor(theta, requires_grad=True)
            value = cross_entropy(x[0] * logits + x[1:], labels) + self.l2 * x[1:].square().sum()
            (gradient,) = torch.autograd.grad(value, x)
            return float(value.detach()), gradient.numpy()

        start = np.r_[1.0, np.zeros(outputs.num_classes)]
        bounds = [(1 / BOUND, BOUND)] + [(-BOUND, BOUND)] * outputs.num_classes
        theta = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
        scale, bias = float(theta[0]), torch.from_numpy(theta[1:])
        before, after = (float(cross_entropy(x, labels)) for x in (logits, scale * logits + bias))
        return {"temperature": 1 / scale, "bias": bias.tolist(), "nll_before": before, "nll_after": after}

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Logits `z / T + b`."""
        return Outputs(outputs.logits() / fitted["temperature"] + torch.tensor(fitted["bias"], dtype=torch.float64))
