"""`conformal`: split conformal prediction, a set of classes that contains the label with probability 1 - alpha."""

from __future__ import annotations

import math
from typing import Any

from calibench import DecisionRule, InputError, MethodSpec, Outputs, Param
from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench_methods.decisions.conformal_groups import quantile_of_all, quantiles_by_class, quantiles_by_cluster
from calibench_methods.decisions.parameters import CAL_SPLIT, SHARING

DEFAULT_PENALTY, DEFAULT_K_REG = 0.01, 5

DIGITS = 12
"""Decimals that scores are rounded to, so that sums of the same probabilities are equal."""

SPEC = MethodSpec(
    name="conformal",
    kind="decision",
    target=f"{__name__}:Conformal",
    summary="Conformal prediction: sets of classes that contain the label with probability 1 - alpha, fitted on cal.",
    params=(
        Param(
            "method",
            "str",
            "lac",
            "score: lac (smallest sets), aps (even coverage of easy and hard samples), raps (aps without long tails)",
            choices=("lac", "aps", "raps"),
        ),
        Param("alpha", "float", 0.1, "share of samples whose set may miss the label", "fraction", minimum=0, maximum=1),
        Param(
            "per",
            "str",
            "all",
            "what the coverage holds for: all samples together, the samples of each class, or each cluster of classes",
            choices=("all", "class", "cluster"),
            late=True,
        ),
        Param("randomized", "bool", None, "draw the share u of the last class; not set: true for aps and raps"),
        Param("penalty", "float", None, "lambda of raps, added for each rank past k_reg; not set: 0.01", minimum=0),
        Param("k_reg", "int", None, "number of first ranks without raps's penalty; not set: 5", "classes", minimum=0),
        CAL_SPLIT,
    ),
    equation=(
        "set = {k : s(x, k) <= q}, q the ceil((n + 1)(1 - alpha))-th least of s(x_i, y_i) over n cal samples, of class k for "
        "per=class, of its cluster for per=cluster; "
        "lac: s = 1 - p_k; aps: s = (sum of p_j ranked before k) + u p_k; raps: + penalty max(0, rank(k) - k_reg)"
    ),
    use_when="an answer may be a set of classes that holds the label at a stated rate, overall or for every class (per=class)",
    avoid_when="one answer is needed, rows are drawn otherwise than cal, or cal has under 1 / alpha rows (a class, for per=class)",
    cost="a sort of cal; K scores a row",
    paper=(
        "M. Sadinle, J. Lei, L. Wasserman, Least Ambiguous Set-Valued Classifiers with Bounded Error Levels, JASA 2019 "
        "(lac); Y. Romano, M. Sesia, E. Candes, Classification with Valid and Adaptive Coverage, NeurIPS 2020 (aps); "
        "A. N. Angelopoulos et al., Uncertainty Sets for Image Classifiers using Conformal Prediction, ICLR 2021 (raps); "
        "V. Vovk, Conditional Validity of Inductive Conformal Predictors, ACML 2012 (per=class); T. Ding, A. N. Angelopoulos, "
        "S. Bates, M. I. Jordan, R. J. Tibshirani, Class-Conditional Conformal Prediction with Many Classes, NeurIPS 2023 "
        "(per=cluster)"
    ),
    deviations=(
        "a set of one class is an answer, and any other set abstains; coverage and selective_risk judge these answers",
        SHARING,
        "per=class: a class with too few cal samples for alpha is in every set, and the record names it",
        "per=cluster: k-means starts from seed 0; the share of cal that clusters, and the number of clusters, are the paper's, "
        "from the count of the rarest class, and as many clusters as classes are per=class. Classes that are not clustered share "
        "the quantile of all samples. The coverage is that of a cluster: near that of a class if its classes have like scores",
        "with too few cal samples for alpha (rank above n), every set contains all classes, and the record notes it",
        "raps: penalty is 0.01 and k_reg 5 unless set, while the paper may tune them on held-out samples; empty sets stay empty",
    ),
)


class Conformal(DecisionRule):
    """The set `{k: s(x, k) <= q}`, q the ceil((n + 1)(1 - alpha))-th least score s(x_i, y_i) of n cal samples.

    `lac`: s = 1 - p_k. `aps`: s = sum of p_j over classes ranked before k, + u p_k. `raps`: the same
    + penalty max(0, rank(k) - k_reg), ranks from 1. u is uniform on [0, 1), one number a sample, from torch's global
    generator; 1 where `randomized` is false. Equal probabilities rank by class index.

    A set of one class is an answer; any other set abstains. InputError for parameters that would do nothing.
    """

    needs_fit = True
    needs_fresh = True

    def __init__(
        self,
        method: str = "lac",
        alpha: float = 0.1,
        per: str = "all",
        randomized: bool | None = None,
        penalty: float | None = None,
        k_reg: int | None = None,
        cal_split: str | None = None,
    ) -> None:
        if not 0 < alpha < 1:
            raise InputError(f"conformal: alpha={alpha:g} is not between 0 and 1", "use alpha=0.1 for 90 % coverage")
        if method == "lac" and randomized is not None:
            message = "conformal: lac draws nothing, so randomized does nothing"
            raise InputError(message, "drop randomized, or use method=aps")
        for key, value in (("penalty", penalty), ("k_reg", k_reg)):
            if method != "raps" and value is not None:
                message = f"conformal: {method} takes no {key}"
                raise InputError(message, f"drop {key}, or use method=raps,{key}={value:g}")
        self.method, self.alpha, self.per, self.cal_split = method, alpha, per, cal_split
        self.randomized = method != "lac" if randomized is None else randomized
        self.penalty = DEFAULT_PENALTY if penalty is None else penalty
        self.k_reg = DEFAULT_K_REG if k_reg is None else k_reg

    def check(self, num_classes: int) -> None:
        """InputError if no rank exceeds `k_reg`, so that raps would be aps, or if clusters need more classes."""
        if self.method == "raps" and self.k_reg >= num_classes:
            message = f"conformal: k_reg={self.k_reg} penalises no set of {num_classes} classes, so raps would be aps"
            raise InputError(message, f"set k_reg below {num_classes}, or use method=aps")
        if self.per == "cluster" and num_classes < 3:
            message = f"conformal: {num_classes} classes cannot be clustered"
            raise InputError(message, "use per=class")
        # Of two classes 1 - p_k has the same order over samples and classes at any temperature; sums of p have not.
        self.scale_free = num_classes == 2 and self.method == "lac"

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """`quantile` q, its `rank` among the `n_scores` scores, and `at_least`, the mean coverage ensured over draws of cal.

        Given cal, the coverage is distributed as a Beta(rank, n + 1 - rank) if scores are untied, and is at least that if
        there are ties. If rank exceeds n, q is None and every set contains all classes. Otherwise than for `per=all` there
        are `quantiles`, one a class, `scores_per_class`, the number of scores behind each, and the `clusters` of the classes.
        """
        scores = self._scores(outputs).gather(1, labels.to(outputs.scores.device)[:, None])[:, 0].cpu().numpy()
        y, k = labels.cpu().numpy(), outputs.num_classes
        if self.per == "class":
            return quantiles_by_class(scores, y, k, self.alpha)
        if self.per == "cluster":
            draws = torch.rand(len(y), dtype=torch.float64).numpy()
            return quantiles_by_cluster(scores, y, k, self.alpha, draws)
        return quantile_of_all(scores, self.alpha)

    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> Decisions:
        """The sets, and as answers the class of each set that has one; -1 for the others."""
        quantiles = fitted["quantiles"] if "quantiles" in fitted else [fitted["quantile"]]
        limits = torch.tensor([math.inf if q is None else q for q in quantiles], dtype=torch.float64)
        sets = self._scores(outputs) <= limits.to(outputs.scores.device)
        answers = sets.long().argmax(dim=1).where(sets.sum(dim=1) == 1, ABSTAIN)
        return Decisions(answers, sets=sets, targets={"set_coverage": 1 - self.alpha})

    def _scores(self, outputs: Outputs) -> torch.Tensor:
        """s(x, k) of every class, `[N, K]` in float64."""
        p = outputs.probs()
        if self.method == "lac":
            return 1 - p
        ranked, order = (p / p.sum(dim=1, keepdim=True)).sort(dim=1, descending=True, stable=True)
        u = torch.rand(len(p), 1, dtype=torch.float64).to(p.device) if self.randomized else 1.0
        score = ranked.cumsum(dim=1) - ranked + u * ranked
        if self.method == "raps":
            rank = torch.arange(1, p.shape[1] + 1, dtype=torch.float64, device=p.device)
            score = score + self.penalty * (rank - self.k_reg).clamp_min(0)
        # If u is 1, the last rank has score 1 in every row. Unrounded it could be 1 - 1e-16 or 1 + 1e-16, which would differ.
        return torch.empty_like(score).scatter_(1, order, score.round(decimals=DIGITS))
