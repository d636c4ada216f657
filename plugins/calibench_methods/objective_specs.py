"""The training objectives, described; imports no torch."""

from calibench import MethodSpec

OBJECTIVES = (
    MethodSpec(
        name="ce",
        kind="objective",
        target="calibench_methods.ce:CrossEntropy",
        summary="Cross-entropy, the maximum-likelihood baseline.",
        default=True,
        equation="loss = -log softmax(logits)[y]",
    ),
)
