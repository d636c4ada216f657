"""Size of prediction sets: how many classes are not ruled out."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric, weighted_mean
from calibench.metrics.set_coverage import sets_of
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
    deviations=("An empty set counts as 0; its details hold the shares of empty, single and full sets.",),
)


class SetSize(Metric):
    """`mean(classes in the set)`, in classes, an empty set counted as 0. Source: Sadinle, Lei & Wasserman 2019."""

    def applies(self, judged: Judged) -> bool:
        """Only where a rule made sets."""
        return judged.sets is not None

    def value(self, judged: Judged) -> float:
        """Members of all sets / N."""
        return float(_sizes(judged).sum() / judged.n)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted mean size."""
        return weighted_mean(weights, _sizes(judged))

    def details(self, judged: Judged) -> Details:
        """Shares of sets that are `empty`, hold one class (`single`), or `all` classes, and `median` and `largest` size."""
        sizes = _sizes(judged)
        return {
            "empty": float((sizes == 0).mean()),
            "single": float((sizes == 1).mean()),
            "all": float((sizes == judged.num_classes).mean()),
            "median": float(np.median(sizes)),
            "largest": int(sizes.max()),
        }


def _sizes(judged: Judged) -> Floats:
    sizes: Floats = sets_of(judged).sum(axis=1).astype(np.float64)
    return sizes
