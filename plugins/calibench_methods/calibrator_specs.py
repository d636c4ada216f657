"""The post-hoc calibrators, described; imports no torch."""

from calibench import MethodSpec, Param

_GUO = "C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599)"
_KULL = (
    "M. Kull et al., Beyond temperature scaling: Obtaining well-calibrated multi-class probabilities with Dirichlet "
    "calibration, NeurIPS 2019 (arXiv 1910.12656)"
)


def _of(default: str) -> Param:
    meaning = (
        "what is mapped: classes, each p_k on its own, rows then divided by their sums; or top, the confidence alone, "
        "which changes no answer"
    )
    return Param("of", "str", default, meaning, choices=("classes", "top"))


_FLOOR = Param(
    "floor",
    "float",
    None,
    "least value of a map; not set: 1 / (rows + 2), one hit among as many more; 0 is the paper's",
    "probability",
    minimum=0,
    maximum=0.1,
)
_ROWS = (
    "of=classes: a row whose mapped values are all 0 keeps its own probabilities",
    "of=top: the classes but the top one share what it leaves in proportion, and it is held above the second",
)
_TOP = (
    "of=top by default: with many classes a map for each has too few hits (docs/calibrators.md shows both); of=classes is "
    "one-vs-rest"
)
_ODIR_PARAMS = (
    Param(
        "lam",
        "float",
        None,
        "weight of the mean square off the diagonal (the paper's lambda); not set: picked by 3-fold cross-validation on cal",
        minimum=1e-8,
    ),
    Param(
        "mu",
        "float",
        None,
        "weight of the mean square of b; not set: lam / (K - 1), as much a coefficient as off the diagonal",
        minimum=1e-8,
    ),
    Param("diagonal", "float", 1e-3, "weight of the mean square of W_kk - 1; the paper has none", minimum=1e-8),
)
_ODIR_NOTES = (
    "the paper leaves the diagonal free; a small weight holds it, since without one there is no minimum where a class is "
    "absent or the samples are separable. For that reason no weight may be 0 (1e-8 and more)",
    "fitted by Newton's method to a gradient of 1e-9 in place of gradient descent; lam is compared at powers of ten from "
    "1e5 down until it gets worse",
)

CALIBRATORS = (
    MethodSpec(
        name="temperature",
        kind="calibrator",
        target="calibench_methods.calibrators.temperature:Temperature",
        summary="Temperature scaling: one scalar divides every logit; accuracy cannot change.",
        equation="p = softmax(logits / T), T = argmin NLL on cal, T in [1/50, 50]",
        paper=_GUO,
        deviations=("a bracketed search over log T to 1e-6 in place of L-BFGS; T outside [1/50, 50] is refused",),
    ),
    MethodSpec(
        name="vector",
        kind="calibrator",
        target="calibench_methods.calibrators.vector:Vector",
        summary="Vector scaling: a scale and a bias for each class's logit; answers can change.",
        params=(
            Param(
                "l2",
                "float",
                None,
                "weight of var(w) + mean(b^2); not set: picked by 3-fold cross-validation on cal (the paper has none)",
                minimum=1e-8,
            ),
        ),
        equation="p = softmax(w * z + b), (w, b) = argmin NLL on cal + l2 (var(w) + mean(b^2)) + 1e-6 (mean(w) - 1)^2",
        paper=_GUO,
        deviations=(
            "the paper has no penalty; without one there is no minimum where a class is absent or the samples are "
            "separable. A heavy l2 gives temperature scaling, 1e-8 the paper's as near as samples allow",
            "l2 is compared at powers of ten from 100 down until it gets worse",
        ),
    ),
    MethodSpec(
        name="matrix",
        kind="calibrator",
        target="calibench_methods.calibrators.matrix:Matrix",
        summary="Matrix scaling with ODIR: a linear map of the logits, its off-diagonal and intercept penalised.",
        params=_ODIR_PARAMS,
        equation=(
            "p = softmax(W z + b), (W, b) = argmin NLL on cal + lam mean(W_ij^2, i != j) + mu mean(b_k^2) + "
            "diagonal mean((W_kk - 1)^2)"
        ),
        paper=f"{_GUO}; the penalty: {_KULL}",
        deviations=(*_ODIR_NOTES, "from probabilities the logits are ln p, and the map is that of dirichlet"),
    ),
    MethodSpec(
        name="dirichlet",
        kind="calibrator",
        target="calibench_methods.calibrators.dirichlet:Dirichlet",
        summary="Dirichlet calibration with ODIR: a linear map of the log-probabilities.",
        params=_ODIR_PARAMS,
        equation=(
            "p = softmax(W ln p + b), (W, b) = argmin NLL on cal + lam mean(W_ij^2, i != j) + mu mean(b_k^2) + "
            "diagonal mean((W_kk - 1)^2)"
        ),
        paper=_KULL,
        deviations=_ODIR_NOTES,
    ),
    MethodSpec(
        name="platt",
        kind="calibrator",
        target="calibench_methods.calibrators.platt:Platt",
        summary="Platt scaling: a sigmoid of the log-odds of each class.",
        params=(_of("classes"),),
        equation=(
            "q = sigmoid(slope f + bias), f = ln p - ln(1 - p), at the least log loss of the targets (n+ + 1) / (n+ + 2) "
            "and 1 / (n- + 2)"
        ),
        paper="J. Platt, Probabilistic Outputs for Support Vector Machines, Advances in Large Margin Classifiers, 1999",
        deviations=("the paper maps the margin of an SVM; here f is the log-odds", *_ROWS),
    ),
    MethodSpec(
        name="beta",
        kind="calibrator",
        target="calibench_methods.calibrators.beta:Beta",
        summary="Beta calibration (abm): a three-parameter curve for each class, the identity among them.",
        params=(
            Param(
                "pull",
                "float",
                1.0,
                "weight, in samples, of half the squared distance of (a, b, c) from the identity (1, 1, 0)",
                "samples",
                minimum=1e-6,
            ),
            _of("classes"),
        ),
        equation="q = sigmoid(a ln p - b ln(1 - p) + c), a, b >= 0, at the least log loss + pull / (2n) |(a,b,c) - (1,1,0)|^2",
        paper=(
            "M. Kull, T. Silva Filho, P. Flach, Beta calibration: a well-founded and easily implemented improvement on "
            "logistic calibration for binary classifiers, AISTATS 2017"
        ),
        deviations=(
            "the paper has no penalty; a normal prior of unit width about the identity keeps separable data finite",
            "a, b >= 0 by the best of the fits with none, one or both at 0, in place of one refit",
            *_ROWS,
        ),
    ),
    MethodSpec(
        name="isotonic",
        kind="calibrator",
        target="calibench_methods.calibrators.isotonic:Isotonic",
        summary="Isotonic regression: the best non-decreasing map of each class's probability.",
        params=(_FLOOR, _of("classes")),
        equation="q = max(m(p), floor), m = argmin over non-decreasing m of sum (m(p_i) - hit_i)^2, linear between corners",
        paper=(
            "B. Zadrozny, C. Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002"
        ),
        deviations=(
            "values below floor are raised to it: a 0 for a label costs an infinite NLL. With about 50 hits a class (5 000 "
            "rows, 100 classes) the map overfits all the same and can raise the NLL of a network that was nearly "
            "calibrated: WRN-16-4 in docs/calibrators.md; of=top does not there",
            *_ROWS,
        ),
    ),
    MethodSpec(
        name="histogram",
        kind="calibrator",
        target="calibench_methods.calibrators.histogram:Histogram",
        summary="Histogram binning: the share of hits in the bin that a probability falls into.",
        params=(
            Param("bins", "int", 15, "bins of a map (the paper: 10)", "bins", minimum=1, maximum=10_000),
            Param("binning", "str", "width", "bins of equal width or of equal count", choices=("width", "mass")),
            _FLOOR,
            _of("top"),
        ),
        equation="q = max(hits in the bin of p / samples in it, floor), bins (lo, hi], the first closed at 0",
        paper=(
            "B. Zadrozny, C. Elkan, Obtaining calibrated probability estimates from decision trees and naive Bayesian "
            "classifiers, ICML 2001"
        ),
        deviations=(
            _TOP,
            "bins of equal width, as Guo et al. 2017; binning=mass is the paper's",
            "an empty bin says its centre; equal values of p never part, so bins of equal count can be fewer",
            *_ROWS,
        ),
    ),
    MethodSpec(
        name="bbq",
        kind="calibrator",
        target="calibench_methods.calibrators.bbq:BBQ",
        summary="Bayesian binning into quantiles: equal-mass histograms averaged by how probable each is.",
        params=(
            Param("strength", "float", 2.0, "N0, samples that the prior of a binning weighs", "samples", minimum=1e-3),
            Param("span", "float", 10.0, "C: B runs from n^(1/3) / C to C n^(1/3)", minimum=1, maximum=100),
            _of("top"),
        ),
        equation=(
            "q = sum_B w_B (m + a) / (N + N0/B), w_B ~ prod over bins of G(N0/B) / G(N + N0/B) * G(m + a) / G(a) * "
            "G(N - m + b) / G(b), a = (N0/B) centre, b = (N0/B)(1 - centre), m hits among N samples, G the gamma function"
        ),
        paper="M. Naeini, G. Cooper, M. Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015",
        deviations=(
            _TOP,
            "binnings that weigh less than 1/1000 of the best are left out",
            "equal values of p never part; B counts the bins that are left",
            *_ROWS,
        ),
    ),
    MethodSpec(
        name="spline",
        kind="calibrator",
        target="calibench_methods.calibrators.spline:Spline",
        summary="Spline recalibration: the slope of the cumulated accuracy of the top class; accuracy cannot change.",
        params=(Param("knots", "int", 6, "knots of the natural cubic spline", "knots", minimum=3, maximum=100),),
        equation=(
            "q_top = h'(t(p_top)), h = argmin over natural cubic splines of sum_i (h(i/N) - hits among the i lowest / N)^2, "
            "t the fractile of p_top"
        ),
        paper="K. Gupta et al., Calibration of Neural Networks using Splines, ICLR 2021 (arXiv 2006.12800)",
        deviations=(
            "the top class alone; the others share what it leaves in proportion, and it is held above the second",
            "the slope is kept within [1 / (n + 2), 1 - 1 / (n + 2)], and stored at 1 001 fractiles at most, linear between",
        ),
    ),
    MethodSpec(
        name="ets",
        kind="calibrator",
        target="calibench_methods.calibrators.ets:ETS",
        summary="Ensemble temperature scaling: scaled, given and uniform probabilities mixed; accuracy cannot change.",
        equation="p = w1 softmax(z / T) + w2 softmax(z) + w3 / K, T then w = argmin NLL on cal, w >= 0, sum 1",
        paper="J. Zhang, B. Kailkhura, T. Han, Mix-n-Match, ICML 2020 (arXiv 2003.07329)",
        deviations=(
            "a millionth of the weight stays on the scaled part, so that classes keep their order where w3 would be 1",
            "refused where temperature is, as on samples that are all right",
        ),
    ),
    MethodSpec(
        name="platt-binner",
        kind="calibrator",
        target="calibench_methods.calibrators.platt_binner:PlattBinner",
        summary="Scaling-binning: a sigmoid fit, then its mean in bins of equal count.",
        params=(
            Param(
                "bins",
                "int",
                15,
                "bins of equal count (the paper's experiments: 10 to 100)",
                "bins",
                minimum=1,
                maximum=10_000,
            ),
            Param(
                "split",
                "bool",
                True,
                "fit the sigmoid and make the bins on different halves of cal, as the theorem wants",
            ),
            _of("top"),
        ),
        equation="q = mean of g over the samples in the bin of g(p), g(p) = sigmoid(slope (ln p - ln(1 - p)) + bias)",
        paper="A. Kumar, P. Liang, T. Ma, Verified Uncertainty Calibration, NeurIPS 2019 (arXiv 1909.10155)",
        deviations=(
            "of=top by default, the paper's top-label calibration; of=classes its marginal calibration, rows then normalised",
            "split in two halves, of which the second makes the bins and their means; the paper's theorem parts these too",
            _ROWS[1],
        ),
    ),
    MethodSpec(
        name="ivap",
        kind="calibrator",
        target="calibench_methods.calibrators.ivap:IVAP",
        summary="Inductive Venn-Abers: two isotonic fits that take each sample in as a miss and as a hit, merged.",
        params=(_of("top"),),
        equation="q = p1 / (1 - p0 + p1), p_y = isotonic fit of cal and (p, y) at p",
        paper=(
            "V. Vovk, I. Petej, V. Fedorova, Large-scale probabilistic predictors with and without guarantees of validity, "
            "NeurIPS 2015 (arXiv 1511.00213)"
        ),
        deviations=(
            _TOP + ". On CIFAR-100 one-vs-rest leaves ECE15 at 5 to 6 % and the record at 8 MB",
            "steps less than 1e-6 apart are stored as one",
            *_ROWS,
        ),
    ),
)
