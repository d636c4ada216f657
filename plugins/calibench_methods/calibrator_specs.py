"""The post-hoc calibrators, described; imports no torch."""

from calibench import MethodSpec

CALIBRATORS = (
    MethodSpec(
        name="temperature",
        kind="calibrator",
        target="calibench_methods.temperature:Temperature",
        summary="Temperature scaling: one scalar divides every logit; accuracy cannot change.",
        equation="p = softmax(logits / T), T = argmin NLL on cal, T in [1/50, 50]",
        paper="C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599)",
        deviations=("a bracketed search over log T to 1e-6 in place of L-BFGS; T outside [1/50, 50] is refused",),
    ),
)
