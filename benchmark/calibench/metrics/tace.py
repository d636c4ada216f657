"""Thresholded adaptive calibration error (TACE): ACE of the probabilities above a threshold."""

from __future__ import annotations

from calibench.metrics.ace import ACE
from calibench.metrics.class_ranges import ranked_classes
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import total_of
from calibench.metrics.metric import Details
from calibench.plugins.params import Param
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="tace15",
    place=320,
    summary="Thresholded adaptive calibration error: as ace15, of probabilities above a threshold.",
    target=f"{__name__}:TACE",
    options={"bins": 15},
    params=(Param("threshold", "float", 0.01, "smaller and equal probabilities are left out", minimum=0, maximum=1),),
    equation="1/(K R) sum_k sum_r |mean p_k - mean [y = k]|, over p_k > threshold",
    paper="Nixon et al. 2019, arXiv:1904.01685",
    deviations=(
        "A class without a probability above the threshold adds 0 and counts in K.",
        "A class with fewer probabilities than ranges has one range for each.",
    ),
    order_only=True,
    estimand="none: no interval of this figure is known to cover the population value",
    optional=True,
)


class TACE(ACE):
    """`ACE` of the probabilities `p_k > threshold`, a fraction; 0.01 is the paper's threshold.

    A class without such a probability adds 0, and counts in the mean over classes. NaN if no class has one.
    Source: Nixon et al. 2019, "Measuring calibration in deep learning".
    """

    def __init__(self, bins: int = 15, threshold: float = 0.01) -> None:
        super().__init__(bins)
        self.threshold = threshold

    def details(self, judged: Judged) -> Details:
        """`above_threshold`, the share of the N K probabilities that are judged."""
        ranked = ranked_classes(judged, self.threshold)
        weight = judged.sample_weight
        above = sum(len(of_class.p) if weight is None else float(weight[of_class.row].sum()) for of_class in ranked)
        return {"above_threshold": above / (total_of(judged) * judged.num_classes)}
