"""The metrics that calibench brings, described; neither numpy nor torch is imported until one is used."""

from __future__ import annotations

from calibench.plugins.hookspecs import hookimpl
from calibench.plugins.specs import MetricSpec

_HERE = "calibench.metrics"


@hookimpl
def calibench_metrics() -> list[MetricSpec]:
    """Accuracy, proper scores, calibration errors, risk-coverage and selective figures, in the order they are shown."""
    return [
        MetricSpec(
            name="accuracy",
            summary="Share of samples whose most probable class is the label.",
            target=f"{_HERE}.accuracy:Accuracy",
            better="higher",
            equation="mean([argmax p = y])",
            deviations=("Among equal scores the lowest class index is the prediction.",),
        ),
        MetricSpec(
            name="nll",
            summary="Mean negative log-likelihood of the label.",
            target=f"{_HERE}.nll:Nll",
            unit="nats",
            equation="mean(-ln p_y)",
            paper="Good 1952, Rational Decisions",
            deviations=("From probabilities p is clipped at 1e-12, and the record counts the clipped.",),
        ),
        MetricSpec(
            name="brier",
            summary="Brier score: squared error of the probability vector, in [0, 2].",
            target=f"{_HERE}.brier:Brier",
            options={"bins": 15},
            unit="squared probability",
            equation="mean(sum_k (p_k - [y = k])^2)",
            paper="Brier 1950; decomposition Murphy 1973",
            deviations=("Summed over classes; some tables divide by K or 2. The bins serve its decomposition only.",),
        ),
        _ece(15, "Guo et al. 2017, arXiv:1706.04599"),
        _ece(10, "Naeini, Cooper & Hauskrecht 2015; 10 bins as in Jordahn & Olmos 2024"),
        MetricSpec(
            name="mce15",
            summary="Maximum calibration error, top label, 15 equal-width bins; too noisy to rank by.",
            target=f"{_HERE}.ece:MCE",
            options={"bins": 15},
            equation="max_b |conf_b - acc_b|",
            paper="Naeini, Cooper & Hauskrecht 2015",
            rankable=False,
        ),
        MetricSpec(
            name="ece_equal_mass15",
            summary="Expected calibration error, top label, 15 groups of near-equal size.",
            target=f"{_HERE}.equal_mass:EqualMassECE",
            options={"bins": 15},
            equation="sum_g n_g / N |conf_g - acc_g|",
            paper="Nixon et al. 2019, arXiv:1904.01685",
            deviations=("Split by rank on (confidence, index); no sample is dropped.",),
        ),
        MetricSpec(
            name="classwise_ece15",
            summary="Class-wise expected calibration error, 15 equal-width bins, mean over classes.",
            target=f"{_HERE}.classwise_ece:ClasswiseECE",
            options={"bins": 15},
            equation="1/K sum_k sum_b n_kb / N |mean p_k - mean [y = k]|",
            paper="Kull et al. 2019, arXiv:1910.12656",
            deviations=("Kull's printed tables are the sum over classes, K times this.",),
        ),
        MetricSpec(
            name="aurc",
            summary="Area under the risk-coverage curve, tied confidences averaged.",
            target=f"{_HERE}.aurc:AURC",
            equation="1/N sum_i (errors among the i most confident) / i",
            paper="Geifman, Uziel & El-Yaniv 2019, arXiv:1805.08206",
        ),
        MetricSpec(
            name="exact_match",
            summary="Share of samples all of whose labels are answered right, where samples have several.",
            target=f"{_HERE}.labels:ExactMatch",
            better="higher",
            equation="mean([answers = labels])",
            paper="M.-L. Zhang, Z.-H. Zhou 2014 (subset accuracy)",
            deviations=("Answers are the decision rule's, or the more probable; an abstention is not right.",),
        ),
        MetricSpec(
            name="macro_f1",
            summary="F1 of each label, averaged over labels, where samples have several.",
            target=f"{_HERE}.labels:MacroF1",
            better="higher",
            equation="mean_k 2 TP_k / (2 TP_k + FP_k + FN_k)",
            paper="M.-L. Zhang, Z.-H. Zhou 2014",
            deviations=("A label that nobody has and nobody is told to have counts as 0; an abstention is no yes.",),
        ),
        MetricSpec(
            name="soft_nll",
            summary="Cross-entropy against soft labels, where the data bring the shares of people who gave each label.",
            target=f"{_HERE}.soft:SoftNll",
            unit="nats",
            equation="mean(-sum_k q_k ln p_k)",
            paper="J. Peterson et al. 2019, arXiv:1908.07086",
            deviations=(
                "p is clipped at 1e-12. Its details hold the entropy of q and KL(q || p), which add up to it.",
            ),
        ),
        MetricSpec(
            name="soft_brier",
            summary="Squared error against soft labels, in [0, 2], where the data bring them.",
            target=f"{_HERE}.soft:SoftBrier",
            unit="squared probability",
            equation="mean(sum_k (p_k - q_k)^2)",
            paper="Brier 1950, with the outcome replaced by the shares q of people",
        ),
        MetricSpec(
            name="coverage",
            summary="Share of samples that the decision rule does not abstain on.",
            target=f"{_HERE}.selective:Coverage",
            better="higher",
            equation="mean([decision is not abstain])",
            paper="El-Yaniv & Wiener 2010",
            needs_decision=True,
            rankable=False,
        ),
        MetricSpec(
            name="selective_risk",
            summary="Error rate among the samples that the decision rule accepts.",
            target=f"{_HERE}.selective:SelectiveRisk",
            equation="errors among accepted / accepted",
            paper="El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017, arXiv:1705.08500",
            needs_decision=True,
            deviations=("Its details hold the risk-coverage curve and AURC of the score that the rule abstains by.",),
        ),
        MetricSpec(
            name="set_coverage",
            summary="Share of samples whose label is in the set that the decision rule gives.",
            target=f"{_HERE}.set_coverage:SetCoverage",
            better="higher",
            equation="mean([y in set])",
            paper="Vovk, Gammerman & Shafer 2005; Romano, Sesia & Candes 2020, arXiv:2006.02544",
            needs_decision=True,
            rankable=False,
            deviations=("Its details hold the coverage of each class with a Clopper-Pearson interval.",),
        ),
        MetricSpec(
            name="set_size",
            summary="Mean number of classes in the set that the decision rule gives.",
            target=f"{_HERE}.set_size:SetSize",
            unit="classes",
            equation="mean(|set|)",
            paper="Sadinle, Lei & Wasserman 2019, arXiv:1609.00451",
            needs_decision=True,
            rankable=False,
            deviations=("An empty set counts as 0; its details hold the shares of empty, single and full sets.",),
        ),
        MetricSpec(
            name="mean_cost",
            summary="Mean cost of the decisions, by the rule's cost matrix.",
            target=f"{_HERE}.mean_cost:MeanCost",
            unit="cost",
            equation="mean(cost[y, decision])",
            paper="Elkan 2001, The Foundations of Cost-Sensitive Learning",
            needs_decision=True,
            deviations=("Runs with different matrices cannot be compared by it.",),
        ),
    ]


def _ece(bins: int, paper: str) -> MetricSpec:
    return MetricSpec(
        name=f"ece{bins}",
        summary=f"Expected calibration error, top label, {bins} equal-width bins.",
        target=f"{_HERE}.ece:ECE",
        options={"bins": bins},
        equation="sum_b n_b / N |conf_b - acc_b|",
        paper=paper,
    )
