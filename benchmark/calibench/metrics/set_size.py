"""Size of prediction sets: the number of classes that are not ruled out."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_decisions import sets_of
from calibench.metrics.judged_weights import mean_of
from calibench.metrics.metric import Details
from calibench.metrics.sample_mean import SampleMean
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="set_size",
    place=170,
    summary="Mean number of classes in the set that the decision rule gives.",
    target=f"{__name__}:SetSize",
    unit="classes",
    equation="mean(|set|)",
    paper="Sadinle, Lei & Wasserman 2019, arXiv:1609.00451",
    needs_decision=True,
    rankable=False,
    deviations=("An empty set counts as 0; the details hold the shares of empty, single and full sets.",),
)


class SetSize(SampleMean):
    """`mean(classes in the set)`, in classes; an empty set counts as 0. Source: Sadinle, Lei & Wasserman 2019."""

    takes_weights = True
    least = 0.0

    def applies(self, judged: Judged) -> bool:
        """True if the rule gives sets."""
        return judged.sets is not None

    def per_sample(self, judged: Judged) -> Floats:
        """The number of classes in the set."""
        sizes: Floats = sets_of(judged).sum(axis=1).astype(np.float64)
        return sizes

    def details(self, judged: Judged) -> Details:
        """Shares of `empty` sets, of sets of one class (`single`) and of `all` classes; `median` and `largest` size."""
        sizes = self.per_sample(judged)
        shares = {"empty": 0, "single": 1, "all": judged.num_classes}
        return {
            **{name: mean_of(judged, (sizes == size).astype(np.float64)) for name, size in shares.items()},
            "median": _median(sizes, judged.sample_weight),
            "largest": int(sizes.max()),
        }


def _median(sizes: Floats, weight: Floats | None) -> float:
    """The median; of weighted samples the smallest size that half of the weight does not exceed."""
    if weight is None:
        return float(np.median(sizes))
    order = np.argsort(sizes, kind="stable")
    running = weight[order].cumsum()
    return float(sizes[order][np.searchsorted(running, running[-1] / 2)])
