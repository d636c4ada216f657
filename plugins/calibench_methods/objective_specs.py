"""The training objectives, described; imports no torch."""

from calibench import MethodSpec, Param

_RATE = Param(
    "rate",
    "str",
    "estimate",
    "share of the training labels that are wrong, below (K-1)/K; or the word estimate",
)
_FOLDS = Param(
    "folds",
    "int",
    None,
    "networks that make the out-of-fold probabilities of the estimate; not set: 4, as Northcutt et al. 2021",
    minimum=2,
)
_ESTIMATED_RATE = (
    "an estimated rate is the share of labels that differ from the out-of-fold prediction among its surest rows (each "
    "predicted class is halved while that share falls by more than its standard error): for symmetric noise within 0.007 "
    "of the true rate on MNIST at 0.3 and 0.5, on CIFAR-10 features and digits at 0.3; it needs a network that is right "
    "about its surest rows"
)
_TRANSITION = (
    Param("rate", "float", None, "share of wrong labels of a uniform matrix, below (K-1)/K", minimum=0, maximum=1),
    Param("matrix", "path", None, "CSV of K lines of K shares: line i, column j is P(noisy label j | class i)"),
    Param(
        "estimate",
        "str",
        None,
        "how the matrix is estimated, where neither rate nor matrix is given; not set: anchor",
        choices=("anchor", "counts"),
    ),
    _FOLDS,
)
_TRANSITION_PAPER = (
    "G. Patrini et al., Making Deep Neural Networks Robust to Label Noise: a Loss Correction Approach, CVPR 2017 "
    "(arXiv 1609.03683)"
)
_TRANSITION_NOTES = (
    "anchor: the paper takes the network's own probabilities at the one row that is surest of a class; here they are the "
    "frequencies of the labels of many such rows, out of fold, plus 1/K each: one network's surest row says 0.01 where "
    "the rate is 0.3 (MNIST)",
    "counts: the calibrated confident joint of Northcutt et al., JAIR 2021",
)
_ADAFOCAL_BOUND = "bound of a gamma (the paper: -2 and 20)"

OBJECTIVES = (
    MethodSpec(
        name="ce",
        kind="objective",
        target="calibench_methods.objectives.ce:CrossEntropy",
        summary="Cross-entropy, the maximum-likelihood baseline.",
        default=True,
        equation="loss = -log softmax(logits)[y]",
    ),
    MethodSpec(
        name="bce",
        kind="objective",
        target="calibench_methods.objectives.bce:BinaryCrossEntropy",
        summary="Binary cross-entropy: one sigmoid a class, or a label where rows have several, as sigmoid-threshold reads them.",
        equation="loss = -sum_k (t_k log s_k + (1 - t_k) log(1 - s_k)), s_k = sigmoid(x_k), t_k = [k = y] or label k",
        paper="C. Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.2 (independent sigmoids)",
        deviations=(
            "of one class a row, what is judged are the sigmoids divided by their sum, p_k = s_k / sum_j s_j; of several labels "
            "a row, every label is judged as a question of yes or no",
        ),
    ),
    MethodSpec(
        name="clipped-ce",
        kind="objective",
        target="calibench_methods.objectives.clipped_ce:ClippedCrossEntropy",
        summary="Cross-entropy bounded by a cap: a sample whose loss lies beyond it is ignored.",
        params=(
            Param(
                "cap",
                "float",
                None,
                "largest loss of a sample, above log K; not set: 2 log K, the loss where p_y = 1/K^2 (our choice)",
                "nats",
                minimum=0,
            ),
        ),
        equation="loss = min(-log p_y, cap); no gradient beyond the cap",
        deviations=("no paper: the plainest bounded loss, to compare the others with",),
    ),
    MethodSpec(
        name="noise-ce",
        kind="objective",
        target="calibench_methods.objectives.noise_ce:NoiseCrossEntropy",
        summary="Cross-entropy of the noisy label under uniform noise: bounded, and p is that of the true class.",
        params=(_RATE, _FOLDS),
        equation="loss = -log((1 - e) p_y + e/K), e = rate K / (K - 1)",
        paper=f"the uniform case of `forward`: {_TRANSITION_PAPER}",
        deviations=(
            "papers mix two rates; ours is the share of wrong labels, as in the noise symmetric:rate=...",
            _ESTIMATED_RATE,
        ),
    ),
    MethodSpec(
        name="forward",
        kind="objective",
        target="calibench_methods.objectives.forward:Forward",
        summary="Forward correction: cross-entropy of the noisy label that prediction and transition matrix imply.",
        params=_TRANSITION,
        equation="loss = -log sum_i T_iy p_i, T_ij = P(noisy label j | class i)",
        paper=_TRANSITION_PAPER,
        deviations=_TRANSITION_NOTES,
    ),
    MethodSpec(
        name="backward",
        kind="objective",
        target="calibench_methods.objectives.backward:Backward",
        summary="Backward correction: the loss times the inverse transition matrix, unbiased over the noise.",
        params=_TRANSITION,
        equation="loss = -sum_k (T^-1)_yk log p_k, T_ij = P(noisy label j | class i)",
        paper=_TRANSITION_PAPER,
        deviations=(
            *_TRANSITION_NOTES,
            "as in the paper the loss has no lower bound: a network that can memorise drives it down, at the cost of accuracy",
        ),
    ),
    MethodSpec(
        name="bootstrap",
        kind="objective",
        target="calibench_methods.objectives.bootstrap:Bootstrap",
        summary="Bootstrapping: the label mixed with what the network believes.",
        params=(
            Param(
                "mode",
                "str",
                "soft",
                "belief: soft is p itself, hard its most probable class",
                choices=("soft", "hard"),
            ),
            Param(
                "beta",
                "float",
                None,
                "weight of the label; not set: the paper's 0.95 for soft, 0.8 for hard",
                minimum=0,
                maximum=1,
            ),
        ),
        equation="loss = -sum_k (beta onehot(y)_k + (1 - beta) z_k) log p_k; soft z = p, hard z = onehot(argmax p)",
        paper=(
            "S. Reed et al., Training Deep Neural Networks on Noisy Labels with Bootstrapping, ICLR 2015 workshop "
            "(arXiv 1412.6596)"
        ),
        deviations=(
            "soft: a gradient flows through z too, which makes it the minimum-entropy regulariser of the paper",
        ),
    ),
    MethodSpec(
        name="gce",
        kind="objective",
        target="calibench_methods.objectives.gce:GeneralizedCrossEntropy",
        summary="Generalised cross-entropy: between cross-entropy (q = 0) and the mean absolute error (q = 1).",
        params=(Param("q", "float", 0.7, "shape (the paper: 0.7); 0 is cross-entropy", minimum=0, maximum=1),),
        equation="loss = (1 - p_y^q) / q",
        paper=(
            "Z. Zhang, M. Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels, "
            "NeurIPS 2018 (arXiv 1805.07836)"
        ),
        deviations=("the truncated variant, which prunes samples in turns, is left out",),
    ),
    MethodSpec(
        name="sce",
        kind="objective",
        target="calibench_methods.objectives.sce:SymmetricCrossEntropy",
        summary="Symmetric cross-entropy: cross-entropy plus its reverse, which tolerates noise.",
        params=(
            Param("alpha", "float", 0.1, "weight of the cross-entropy (the paper: 0.1 for CIFAR-10)", minimum=0),
            Param("beta", "float", 1.0, "weight of the reverse cross-entropy (the paper: 1 for CIFAR-10)", minimum=0),
            Param("log_zero", "float", -4.0, "A, what stands for log 0 (the paper: -4)", "nats", maximum=0),
        ),
        equation="loss = -alpha log p_y - beta A (1 - p_y), the second term being -sum_k p_k log onehot(y)_k with log 0 = A",
        paper="Y. Wang et al., Symmetric Cross Entropy for Robust Learning with Noisy Labels, ICCV 2019 (arXiv 1908.06112)",
    ),
    MethodSpec(
        name="elr",
        kind="objective",
        target="calibench_methods.objectives.elr:EarlyLearningRegularization",
        summary="Early-learning regularisation: holds each prediction near the running mean of its own past.",
        params=(
            Param("weight", "float", 3.0, "weight of the regulariser, lambda (the paper: 3 for CIFAR-10)", minimum=0),
            Param("beta", "float", 0.7, "memory of the targets (the paper: 0.7 for CIFAR-10)", minimum=0, maximum=1),
        ),
        equation="t <- beta t + (1 - beta) p; loss = -log p_y + weight log(1 - <p, t>)",
        paper="S. Liu et al., Early-Learning Regularization Prevents Memorization of Noisy Labels, NeurIPS 2020 (arXiv 2007.00151)",
        deviations=("1 - <p, t> counts as 1e-4 where it is less, since its log has no bound",),
    ),
    MethodSpec(
        name="label-smoothing",
        kind="objective",
        target="calibench_methods.objectives.label_smoothing:LabelSmoothing",
        summary="Label smoothing: targets mixed with the uniform distribution.",
        params=(
            Param("epsilon", "float", 0.1, "share of the uniform distribution (the paper: 0.1)", minimum=0, maximum=1),
        ),
        equation="loss = -sum_k ((1 - e) onehot(y)_k + e/K) log p_k",
        paper="C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016 (arXiv 1512.00567)",
    ),
    MethodSpec(
        name="mbls",
        kind="objective",
        target="calibench_methods.objectives.mbls:MarginLabelSmoothing",
        summary="Margin-based label smoothing: logits may differ by a margin for nothing, by more at a price.",
        params=(
            Param("margin", "float", 10.0, "distance that costs nothing (the paper: 10)", "logits", minimum=0),
            Param("weight", "float", 0.1, "weight of the penalty, lambda (the paper: 0.1)", minimum=0),
        ),
        equation="loss = -log p_y + weight sum_k max(0, max_j l_j - l_k - margin)",
        paper=(
            "B. Liu et al., The Devil is in the Margin: Margin-based Label Smoothing for Network Calibration, CVPR 2022 "
            "(arXiv 2111.15430)"
        ),
    ),
    MethodSpec(
        name="focal",
        kind="objective",
        target="calibench_methods.objectives.focal:Focal",
        summary="Focal loss: samples that are nearly right count less.",
        params=(Param("gamma", "float", 3.0, "strength (Mukhoti et al.: 3; Lin et al., for detection: 2)", minimum=0),),
        equation="loss = -(1 - p_y)^gamma log p_y",
        paper=(
            "T.-Y. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (arXiv 1708.02002); J. Mukhoti et al., "
            "Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv 2002.09437)"
        ),
        deviations=("without Lin's class weights",),
    ),
    MethodSpec(
        name="flsd53",
        kind="objective",
        target="calibench_methods.objectives.flsd53:SampleDependentFocal",
        summary="Sample-dependent focal loss: gamma 5 for samples below 0.2, 3 for the others.",
        equation="loss = -(1 - p_y)^gamma log p_y, gamma = 5 where p_y < 0.2, else 3",
        paper="J. Mukhoti et al., Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv 2002.09437)",
    ),
    MethodSpec(
        name="adafocal",
        kind="objective",
        target="calibench_methods.objectives.adafocal:AdaFocal",
        summary="Focal loss whose gammas follow, bin by bin, the calibration of the validation split.",
        params=(
            Param("bins", "int", 15, "equal-mass bins of the validation split (the paper: 15)", minimum=1),
            Param("step_size", "float", 1.0, "how fast the gammas move, lambda (the paper: 1)", minimum=0),
            Param("gamma_min", "float", -2.0, _ADAFOCAL_BOUND, maximum=0),
            Param("gamma_max", "float", 20.0, _ADAFOCAL_BOUND, minimum=0),
            Param("switch", "float", 0.2, "size of gamma below which its sign changes (the paper: 0.2)", minimum=0),
        ),
        equation=(
            "loss = -(1 - p_y)^g log p_y if g >= 0, else -(1 + p_y)^|g| log p_y, g = gamma of the bin that holds p_y; after "
            "an epoch gamma <- gamma exp(+-step_size (confidence - accuracy)) of the bin on val, + where gamma >= 0"
        ),
        paper="A. Ghosh, T. Schaaf, M. Gormley, AdaFocal: Calibration-aware Adaptive Focal Loss, NeurIPS 2022 (arXiv 2211.11838)",
        deviations=(
            "all gammas start at 1 and are used from the first epoch on, one for all until the first validation",
        ),
    ),
    MethodSpec(
        name="mixup",
        kind="objective",
        target="calibench_methods.objectives.mixup:Mixup",
        summary="Mixup: trains on lines between samples, with the labels' losses mixed alike.",
        params=(
            Param(
                "alpha",
                "float",
                0.2,
                "of Beta(alpha, alpha), from which a step draws its share (Zhang et al.: 0.2 to 0.4 on ImageNet, 1 on CIFAR-10); "
                "0 mixes nothing",
                minimum=0,
            ),
        ),
        equation="x' = m x + (1 - m) x2, loss = m CE(f(x'), y) + (1 - m) CE(f(x'), y2), m ~ Beta(alpha, alpha)",
        paper=(
            "H. Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018 (arXiv 1710.09412); calibration: "
            "S. Thulasidasan et al., On Mixup Training, NeurIPS 2019 (arXiv 1905.11001)"
        ),
    ),
    MethodSpec(
        name="logit-norm",
        kind="objective",
        target="calibench_methods.objectives.logit_norm:LogitNorm",
        summary="Logit normalisation: cross-entropy of logits of constant norm; put +temperature after it.",
        params=(Param("tau", "float", 0.04, "temperature of the normalised logits (the paper: 0.04)", minimum=1e-4),),
        equation="loss = -log softmax(l / (tau |l|_2))[y]; predictions use l itself",
        paper="H. Wei et al., Mitigating Neural Network Overconfidence with Logit Normalization, ICML 2022 (arXiv 2205.09310)",
        deviations=(
            "none: as in the paper the norm is left free and predictions use it, so confidences need a temperature",
        ),
    ),
    MethodSpec(
        name="confidence-penalty",
        kind="objective",
        target="calibench_methods.objectives.confidence_penalty:ConfidencePenalty",
        summary="Confidence penalty: cross-entropy less a reward for the entropy of the prediction.",
        params=(Param("beta", "float", 0.1, "weight of the entropy (the paper: 0.1 for CIFAR-10)", minimum=0),),
        equation="loss = -log p_y - beta H(p), H(p) = -sum_k p_k log p_k",
        paper=(
            "G. Pereyra et al., Regularizing Neural Networks by Penalizing Confident Output Distributions, ICLR 2017 workshop "
            "(arXiv 1701.06548)"
        ),
    ),
    MethodSpec(
        name="co-teaching",
        kind="objective",
        target="calibench_methods.objectives.co_teaching:CoTeaching",
        summary="Co-teaching: two networks, each trained on the samples whose loss is small in the other.",
        params=(
            _RATE,
            Param(
                "ramp",
                "int",
                10,
                "epochs in which the share left out grows to rate (the paper's T_k: 10)",
                "epochs",
                minimum=1,
            ),
            _FOLDS,
        ),
        equation="each network: mean CE over the R n samples of smallest loss in the other, R = 1 - rate min(epoch / ramp, 1)",
        paper=(
            "B. Han et al., Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels, NeurIPS 2018 "
            "(arXiv 1804.06872)"
        ),
        deviations=("the first network alone is judged", _ESTIMATED_RATE),
    ),
    MethodSpec(
        name="cleanlab",
        kind="objective",
        target="calibench_methods.objectives.cleanlab:Cleanlab",
        summary="Confident learning: finds wrong labels by out-of-fold probabilities and trains without them.",
        params=(
            Param(
                "mode",
                "str",
                "prune",
                "prune leaves suspected rows out; reweight also weighs the others by class, for what was left out",
                choices=("prune", "reweight"),
            ),
            Param(
                "filter_by",
                "str",
                "prune_by_noise_rate",
                "cleanlab's rule for what is suspected, with cleanlab's default",
                choices=(
                    "prune_by_noise_rate",
                    "prune_by_class",
                    "both",
                    "confident_learning",
                    "predicted_neq_given",
                    "low_normalized_margin",
                    "low_self_confidence",
                ),
            ),
            Param("folds", "int", 4, "networks that make the out-of-fold probabilities (the paper: 4)", minimum=2),
        ),
        equation=(
            "loss = w CE; w = 0 for suspected rows, else constant, or for reweight Q(class y) / Q(label y, class y); mean w = 1"
        ),
        paper=(
            "C. Northcutt, L. Jiang, I. Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70, 2021 "
            "(arXiv 1911.00068)"
        ),
        deviations=('finding is the cleanlab package\'s own (pip install "calibench[noise]")',),
    ),
)
