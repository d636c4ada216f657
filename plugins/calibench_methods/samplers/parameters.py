"""The parameter that samplers and the ensemble share."""

from calibench import Param

COMBINE = Param(
    "combine",
    "str",
    "probs",
    "average of the predictions: probs is the mean of probabilities, logits the softmax of the mean of log-probabilities",
    choices=("probs", "logits"),
)
