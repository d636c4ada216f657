"""`adaptive-temperature`: entropy-based temperature scaling, HTS (Balanya, Maronas and Ramos 2024)."""

from __future__ import annotations

import math
from typing import Any

from calibench import Calibrator, MethodSpec, Outputs
from calibench.lazy import np, torch
from calibench.stages import Scores
from calibench_methods.calibrators.multiclass import Floats, with_nll

LEAST_ENTROPY = 1e-30
"""Normalised entropies are raised to this before the logarithm, as probabilities are."""

T_RANGE = (1 / 50, 50.0)
"""Temperatures are clipped to the range that `temperature` accepts."""

SPEC = MethodSpec(
    name="adaptive-temperature",
    kind="calibrator",
    target=f"{__name__}:AdaptiveTemperature",
    summary="Entropy-based temperature scaling (HTS): each row's temperature follows its entropy; accuracy cannot change.",
    equation=(
        "p = softmax(z / T(z)), T = softplus(w ln(H / ln K) + b), H the entropy of softmax(z), (w, b) = argmin NLL on cal, "
        "T clipped to [1/50, 50]"
    ),
    paper=(
        "S. Balanya, J. Maronas, D. Ramos, Adaptive Temperature Scaling for Robust Calibration of Deep Neural Networks, 2024 "
        "(arXiv 2208.00461)"
    ),
    deviations=(
        "the search starts at the one temperature of `temperature` with w = 0 and is quasi-Newton (BFGS); it keeps the start if "
        "it finds nothing better, so the NLL on cal is at most that of `temperature`",
        "temperatures are clipped to [1/50, 50], and cal is refused where `temperature` refuses it",
    ),
    use_when="temperature scaling leaves sure rows over-confident and unsure ones under-confident, or the reverse",
    avoid_when="cal has less than some hundred rows, or `temperature` already shows no miscalibration",
    cost="a search over two numbers: as `temperature`, some tenths of a second",
)


class AdaptiveTemperature(Calibrator):
    """`softmax(z / T)` with `T = softplus(w ln(H / ln K) + b)`: w > 0 softens rows of high entropy more."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`w`, `b`, and the NLL of the same samples before and after, in nats."""
        from scipy.optimize import minimize

        from calibench.kernels import fit_temperature

        z = outputs.logits().cpu().numpy()
        truth, log_entropy = labels.cpu().numpy(), log_normalised_entropy(z)
        alone = float(np.clip(fit_temperature(outputs.logits(), labels).temperature, *T_RANGE))
        start = np.array([0.0, alone + np.log(-np.expm1(-alone))])
        found = minimize(mean_nll, start, (z, truth, log_entropy), method="BFGS", jac=True)
        values = (mean_nll(x, z, truth, log_entropy)[0] for x in (start, found.x))
        w, b = min(zip(values, (start, found.x), strict=True), key=lambda pair: pair[0])[1].tolist()
        return with_nll(self, outputs, labels, {"w": w, "b": b})

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Logits divided by each row's temperature."""
        z = outputs.logits()
        log_entropy = log_normalised_entropy(z.cpu().numpy())
        temperatures = np.clip(np.logaddexp(0, fitted["w"] * log_entropy + fitted["b"]), *T_RANGE)
        return Outputs(z / z.new_tensor(temperatures)[:, None])

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """The same by the operations of the scores."""
        ops, log_p = scores.ops, scores.log_probs()
        entropy = ops.total(ops.exp(log_p) * log_p) / -math.log(scores.classes)
        line = ops.log(ops.greatest(entropy, LEAST_ENTROPY)) * fitted["w"] + fitted["b"]
        temperature = ops.least(ops.greatest(ops.softplus(line), T_RANGE[0]), T_RANGE[1])
        return scores.as_logits(scores.logits() / temperature)


def log_normalised_entropy(z: Floats) -> Floats:
    """`ln(H / ln K)` of the rows of logits `z [N, K]`, `[N]`; at least ln 1e-30."""
    log_p = z - z.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    entropy = -(np.exp(log_p) * log_p).sum(axis=1) / np.log(z.shape[1])
    logs: Floats = np.log(np.maximum(entropy, LEAST_ENTROPY))
    return logs


def mean_nll(x: Floats, z: Floats, labels: Any, log_entropy: Floats) -> tuple[float, Floats]:
    """The mean NLL in nats at `x = (w, b)`, and its gradient, which is 0 for rows whose temperature is clipped."""
    line = x[0] * log_entropy + x[1]
    free = np.logaddexp(0, line)
    temperature = np.clip(free, *T_RANGE)
    scaled = z / temperature[:, None]
    scaled -= scaled.max(axis=1, keepdims=True)
    p = np.exp(scaled)
    total = p.sum(axis=1)
    rows = np.arange(len(z))
    nll = np.log(total) - scaled[rows, labels]
    # d nll / dT = (z_y - E z) / T^2; dT / dline = sigmoid(line)
    by_temperature = (z[rows, labels] - (p * z).sum(axis=1) / total) / temperature**2
    by_line = by_temperature * np.exp(-np.logaddexp(0, -line)) * (free == temperature)
    return float(nll.mean()), np.array([(by_line * log_entropy).mean(), by_line.mean()])
