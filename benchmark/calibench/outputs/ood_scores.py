"""The OOD scores that need outputs alone, as `--ood-score` names them; `calibench.outputs.uncertainty` computes them."""

from __future__ import annotations

from calibench.plugins.specs import OodScoreSpec

COMPUTED_IN = "calibench.outputs.uncertainty"


def _spec(name: str, function: str, summary: str, equation: str, paper: str, default: bool = False) -> OodScoreSpec:
    target = f"{COMPUTED_IN}:{function}"
    return OodScoreSpec(
        name=name, target=target, summary=summary, of="outputs", equation=equation, paper=paper, default=default
    )


HENDRYCKS = (
    "D. Hendrycks, K. Gimpel, A Baseline for Detecting Misclassified and OOD Examples, ICLR 2017 (arXiv 1610.02136)"
)

SPECS = (
    _spec(
        "max-softmax",
        "tail",
        "The probability that is not the largest, over the largest.",
        "(1 - p_max) / p_max",
        HENDRYCKS,
        True,
    ),
    _spec("entropy", "entropy", "The entropy of the probabilities.", "-sum over k of p_k ln p_k", "own definition"),
    _spec("margin", "one_minus_margin", "One minus the lead of the first class.", "1 - (p_1 - p_2)", "own definition"),
    _spec(
        "energy",
        "negative_log_sum",
        "The energy of the logits; probabilities have none.",
        "-ln sum over k of exp(x_k)",
        "W. Liu et al., Energy-based OOD Detection, NeurIPS 2020 (arXiv 2010.03759), temperature 1",
    ),
    _spec(
        "max-logit",
        "negative_max_logit",
        "The largest logit; probabilities have none.",
        "-max over k of x_k",
        "D. Hendrycks et al., Scaling OOD Detection for Real-World Settings, ICML 2022 (arXiv 1911.11132)",
    ),
    _spec(
        "max-logit-pnorm",
        "negative_max_logit_pnorm",
        "The largest centred logit over the norm of all.",
        "-max over k of z_k / ||z||_5, z = x - mean(x)",
        "L. Cattelan, D. Silva, How to Fix a Broken Confidence Estimator, UAI 2024 (arXiv 2305.15508)",
    ),
)
