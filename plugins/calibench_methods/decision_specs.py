"""The decision rules, described; imports no torch."""

from calibench import MethodSpec, Param

DECISIONS = (
    MethodSpec(
        name="threshold",
        kind="decision",
        target="calibench_methods.threshold:Threshold",
        summary="Answer only where a class reaches its threshold; elsewhere abstain.",
        params=(
            Param("value", "float", 0.5, "one threshold for all classes", "probability", minimum=0, maximum=1),
            Param(
                "values",
                "floats",
                None,
                "a threshold for each class, as 0.2;0.4;0.4",
                "probability",
                minimum=0,
                maximum=1,
            ),
        ),
        equation="answer = argmax over {k : p_k >= t_k} of p_k, or abstain when the set is empty",
        paper="C. K. Chow, On Optimum Recognition Error and Reject Tradeoff, IEEE Trans. Inf. Theory 16(1), 1970",
        deviations=("several classes passing: the most probable of them answers, the lowest index among equals",),
    ),
)
