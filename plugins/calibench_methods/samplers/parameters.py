"""Parameters and notes that several samplers share."""

from calibench import Param

COMBINE = Param(
    "combine",
    "str",
    "probs",
    "mean of probabilities, or softmax of the mean of log-probabilities",
    choices=("probs", "logits"),
)
