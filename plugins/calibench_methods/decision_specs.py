"""The decision rules, described; imports no torch."""

from calibench import REQUIRED, MethodSpec, Param

SCORES = ("max-softmax", "entropy", "margin", "energy", "max-logit-pnorm")

DECISIONS = (
    MethodSpec(
        name="threshold",
        kind="decision",
        target="calibench_methods.decisions.threshold:Threshold",
        summary="Answer only where a class reaches its threshold, given or fitted on cal; elsewhere abstain.",
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
            Param(
                "target_risk",
                "float",
                None,
                "answer as often as the error rate among the answers stays at or below this; fitted on cal",
                "fraction",
                minimum=0,
                maximum=1,
            ),
            Param(
                "target_coverage",
                "float",
                None,
                "answer at least this share of the samples, the surest; fitted on cal",
                "fraction",
                minimum=0,
                maximum=1,
            ),
            Param(
                "metric",
                "str",
                None,
                "a threshold for each class, tuned on cal to this figure of one class against the rest "
                "(Youden's J is best where balanced-accuracy is)",
                choices=("f1", "balanced-accuracy"),
            ),
            Param(
                "score", "str", "max-softmax", "what target_risk and target_coverage rank samples by", choices=SCORES
            ),
            Param("pnorm", "float", None, "p of score=max-logit-pnorm; 5 unless given", minimum=1, maximum=100),
            Param(
                "guarantee",
                "str",
                None,
                "what holds for the population, not only for cal; clopper-pearson unless given",
                choices=("clopper-pearson", "sgr", "none"),
            ),
            Param(
                "delta",
                "float",
                None,
                "chance, over draws of cal, that the guarantee fails; 0.05 unless given (Geifman & El-Yaniv: 0.001)",
                "probability",
                minimum=0,
                maximum=1,
            ),
        ),
        equation=(
            "answer = argmax over {k : p_k >= t_k} of p_k, abstain when the set is empty; with a target, "
            "answer = argmax_k p_k where doubt(x) <= limit. clopper-pearson: from k = n_0, 4 n_0, 16 n_0, ... (J starts, "
            "n_0 the least k that could pass) on, the k least doubtful are accepted while "
            "P(Binomial(k, target) <= errors) <= delta / J"
        ),
        paper=(
            "C. K. Chow, On Optimum Recognition Error and Reject Tradeoff, IEEE Trans. Inf. Theory 16(1), 1970; "
            "Y. Geifman, R. El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017 (sgr); "
            "A. N. Angelopoulos et al., Learn then Test, arXiv:2110.01052, 2021 (clopper-pearson); "
            "W. Liu et al., Energy-based Out-of-distribution Detection, NeurIPS 2020 (energy); "
            "L. F. P. Cattelan, D. Silva, How to Fix a Broken Confidence Estimator, UAI 2024 (max-logit-pnorm)"
        ),
        deviations=(
            "several classes passing: the most probable of them answers, the lowest index among equals",
            "value=0.5 is the default, so beside another option it counts as not given",
            "clopper-pearson on risk: exact where the population's risk, as coverage grows, rises through the target once; "
            "with c such crossings it fails with probability c delta at most; untied doubts, independent samples",
            "clopper-pearson on coverage: exact, since the rank of the limit depends on the number of samples alone",
            "sgr: the limit kept is the one of most coverage whose bound passed, not the last tried; the paper takes its "
            "union bound over the steps of the search, although which limits it tries depends on the labels",
            "with a guarantee, after calibrators: these are fitted on a random half of cal and the limit on the other, since "
            "a map that has seen the limit's samples makes them look better than they are",
            "no limit passing: every sample is abstained on, and the record says so",
            "max-logit-pnorm: the paper tunes p on held-out samples, here it is given; energy: temperature 1",
        ),
    ),
    MethodSpec(
        name="cost",
        kind="decision",
        target="calibench_methods.decisions.cost:Cost",
        summary="Decide, or abstain, at the least expected cost by a matrix of yours.",
        params=(
            Param(
                "matrix",
                "path",
                REQUIRED,
                "CSV, no header: line k holds what each decision costs where class k is true; K numbers, or one more for "
                "abstention",
                "cost",
            ),
        ),
        equation="answer = argmin over d of sum_k p_k cost[k, d]",
        paper="C. Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001; Chow 1970 for abstention",
        deviations=(
            "equal expected costs: the lowest class answers, and abstention only where nothing else is as cheap",
        ),
    ),
    MethodSpec(
        name="conformal",
        kind="decision",
        target="calibench_methods.decisions.conformal:Conformal",
        summary="Sets of classes that hold the label with probability 1 - alpha, fitted on cal.",
        params=(
            Param(
                "method",
                "str",
                "lac",
                "score: lac (smallest sets), aps (even coverage of easy and hard samples), raps (aps without long tails)",
                choices=("lac", "aps", "raps"),
            ),
            Param("alpha", "float", 0.1, "share of samples whose set may miss", "fraction", minimum=0, maximum=1),
            Param("randomized", "bool", None, "draw the share u of the last class; true for aps and raps unless given"),
            Param(
                "penalty", "float", None, "lambda of raps, added for each rank past k_reg; 0.01 unless given", minimum=0
            ),
            Param("k_reg", "int", None, "ranks that raps lets pass unpenalised; 5 unless given", "classes", minimum=0),
        ),
        equation=(
            "set = {k : s(x, k) <= q}, q the ceil((n + 1)(1 - alpha))-th least of s(x_i, y_i) over n cal samples; "
            "lac: s = 1 - p_k; aps: s = (sum of p_j ranked before k) + u p_k; raps: + penalty max(0, rank(k) - k_reg)"
        ),
        paper=(
            "M. Sadinle, J. Lei, L. Wasserman, Least Ambiguous Set-Valued Classifiers with Bounded Error Levels, JASA 2019 "
            "(lac); Y. Romano, M. Sesia, E. Candes, Classification with Valid and Adaptive Coverage, NeurIPS 2020 (aps); "
            "A. N. Angelopoulos et al., Uncertainty Sets for Image Classifiers using Conformal Prediction, ICLR 2021 (raps)"
        ),
        deviations=(
            "a set of one class answers, any other abstains, which coverage and selective_risk judge",
            "after calibrators: these are fitted on a random half of cal and q on the other, since a map that has seen "
            "the samples of q makes them look better than they are",
            "too few cal samples for alpha (rank above n): every set holds all classes, and the record says so",
            "raps: penalty 0.01 and k_reg 5 are given, while the paper may tune them on held-out samples; empty sets stay",
        ),
    ),
    MethodSpec(
        name="sigmoid-threshold",
        kind="decision",
        target="calibench_methods.decisions.sigmoid_threshold:SigmoidThreshold",
        summary="Every class whose own sigmoid reaches its threshold: a set, for multi-label or one-against-rest outputs.",
        params=(
            Param("value", "float", 0.5, "one threshold for all classes", "probability", minimum=0, maximum=1),
            Param(
                "values",
                "floats",
                None,
                "a threshold for each class, or label, as 0.2;0.4;0.4",
                "probability",
                minimum=0,
                maximum=1,
            ),
        ),
        equation="set = {k : 1 / (1 + exp(-x_k)) >= t_k}; answer = argmax over the set of x_k, or abstain when it is empty",
        paper="M.-L. Zhang, Z.-H. Zhou, A Review on Multi-Label Learning Algorithms, IEEE TKDE 26(8), 2014 (binary relevance)",
        deviations=(
            "one class must be named where labels are single: the most probable of the set, the lowest index among equals",
            "risk-coverage curve by the largest sigmoid",
            "probabilities, as a calibrator or an ensemble gives them, are compared as they are",
        ),
    ),
)
