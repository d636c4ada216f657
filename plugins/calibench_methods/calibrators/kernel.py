"""`kernel`: the Dirichlet kernel regression of Popordanoska et al. (NeurIPS 2022) as a calibrator, as CalArena runs it."""

from __future__ import annotations

from typing import Any

from calibench import Calibrator, MethodSpec, Outputs, Param
from calibench.lazy import np, torch
from calibench.stages import Scores
from calibench_methods.calibrators.multiclass import Floats, probability_outputs, unit_rows, with_nll

MOST_SAMPLES = 10_000
"""Samples that the map holds at most, as probmetrics does; more are thinned evenly."""

CLIP = 1e-10
"""Probabilities are clipped to [1e-10, 1 - 1e-10] before logarithms, as probmetrics does."""

BLOCK = 1024
"""Rows that are mapped at once: 80 MB of kernel values for 10 000 samples."""

SPEC = MethodSpec(
    name="kernel",
    kind="calibrator",
    target=f"{__name__}:Kernel",
    summary="Kernel regression on the simplex: the share of each class among similar samples, by a Dirichlet kernel.",
    params=(
        Param(
            "bandwidth",
            "float",
            None,
            "width h of the kernel; not set: n^(-2 / (K + 3)), probmetrics' rule",
            minimum=1e-6,
            maximum=100,
        ),
    ),
    equation="q_k(p) = sum over i with y_i = k of Dir(p; p_i / h + 1) / sum over all i of Dir(p; p_i / h + 1)",
    paper=(
        "T. Popordanoska, R. Sayer, M. Blaschko, A Consistent and Differentiable Lp Canonical Calibration Error Estimator, "
        "NeurIPS 2022 (the kernel, for an error); CalArena, arXiv 2605.30188 (the map)"
    ),
    deviations=(
        "the paper selects the bandwidth by leave-one-out likelihood; CalArena's rule is the default here",
        f"of more than {MOST_SAMPLES:,} samples every second, third ... is kept; probmetrics draws {MOST_SAMPLES:,} at random",
    ),
    use_when="you repeat CalArena's table, or have two or three classes with odd, non-monotone errors and thousands of samples",
    avoid_when="there are ten classes or more: the kernel is then so wide that it smooths the classes together",
    cost="every judged row meets every sample of cal: 2 s for 5 000 x 5 000 rows of 100 classes, and a record that holds cal",
)


class Kernel(Calibrator):
    """The Nadaraya-Watson estimate of the class probabilities at p from cal, with a Dirichlet kernel of width h."""

    def __init__(self, bandwidth: float | None) -> None:
        self.bandwidth = bandwidth

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`bandwidth`, `probs [n, K]` and `labels [n]` of cal, and the NLL of the same samples before and after, in nats."""
        step = -(-len(outputs) // MOST_SAMPLES)
        probs, truth = unit_rows(outputs)[::step], labels.cpu().numpy()[::step]
        width = self.bandwidth
        if width is None:
            width = len(probs) ** (-2 / (outputs.num_classes + 3))
        fitted = {"bandwidth": float(width), "probs": probs.tolist(), "labels": truth.tolist()}
        return with_nll(self, outputs, labels, fitted)

    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """Probabilities `[N, K]`."""
        held = np.clip(np.asarray(fitted["probs"]), CLIP, 1 - CLIP) / fitted["bandwidth"]
        one_hot = np.eye(outputs.num_classes)[fitted["labels"]]
        log_norm = log_beta(held + 1)
        log_p = np.log(np.clip(unit_rows(outputs), CLIP, 1 - CLIP))
        blocks = [log_p[start : start + BLOCK] @ held.T - log_norm for start in range(0, len(log_p), BLOCK)]
        shares = np.concatenate([_softmax(block) @ one_hot for block in blocks])
        return probability_outputs(shares / shares.sum(axis=1, keepdims=True), outputs)

    def formula(self, scores: Scores, fitted: dict[str, Any]) -> Scores:
        """The same by the operations of the scores, with all samples of cal as constants."""

        def held() -> Floats:
            clipped: Floats = np.clip(np.asarray(fitted["probs"]), CLIP, 1 - CLIP) / fitted["bandwidth"]
            return clipped

        ops = scores.ops
        log_p = ops.log(ops.least(ops.greatest(scores.unit_probs(), CLIP), 1 - CLIP))
        weight = ops.softmax(ops.linear(log_p, ops.constant(held), ops.constant(lambda: -log_beta(held() + 1))))
        hits = ops.constant(lambda: np.eye(scores.classes)[:, fitted["labels"]])
        return scores.as_probs(scores.normalised(ops.linear(weight, hits, ops.constant([0.0] * scores.classes))))


def log_beta(alpha: Floats) -> Floats:
    """The logarithm of the multivariate beta function of `alpha [n, K]`, which normalises the Dirichlet density, `[n]`."""
    from scipy.special import gammaln

    value: Floats = gammaln(alpha).sum(axis=1) - gammaln(alpha.sum(axis=1))
    return value


def _softmax(x: Floats) -> Floats:
    e: Floats = np.exp(x - x.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e
