"""Ensembles, and samplers of one training, described; imports no torch."""

from calibench import MethodSpec, Param

_COMBINE = Param(
    "combine",
    "str",
    "probs",
    "mean of probabilities, or softmax of the mean of log-probabilities",
    choices=("probs", "logits"),
)

SAMPLERS = (
    MethodSpec(
        name="mc-dropout",
        kind="sampler",
        target="calibench_methods.samplers.mc_dropout:MCDropout",
        summary="Monte-Carlo dropout: dropout stays on at prediction, and the samples are averaged.",
        params=(
            Param("samples", "int", 30, "masks whose predictions are averaged", minimum=1),
            Param(
                "rate",
                "float",
                None,
                "share dropped at prediction; not set: as the network was trained",
                "fraction",
                minimum=0.001,
                maximum=0.95,
            ),
            _COMBINE,
        ),
        equation="p = mean over s of softmax(f(x; mask_s)), mask_s as in training",
        paper="Y. Gal, Z. Ghahramani, Dropout as a Bayesian Approximation, ICML 2016 (arXiv 1506.02142)",
        deviations=("the paper leaves the number of samples open: 30",),
    ),
    MethodSpec(
        name="swag",
        kind="sampler",
        target="calibench_methods.samplers.swag:SWAG",
        summary="SWA-Gaussian: a Gaussian over the weights that constant-rate SGD visits after training; samples averaged.",
        params=(
            Param("samples", "int", 30, "networks drawn (the paper: 30)", minimum=1),
            Param("epochs", "int", 20, "passes over the training rows, one snapshot each", "epochs", minimum=2),
            Param("lr", "float", 0.01, "constant SGD step size (the paper: 0.01 to 0.05 on CIFAR)", minimum=1e-12),
            Param("rank", "int", 20, "last deviations kept for the low-rank part (the paper: 20)", minimum=2),
            Param("scale", "float", 1.0, "factor on the covariance; 0 predicts with the mean alone (SWA)", minimum=0),
            _COMBINE,
        ),
        equation=(
            "w_s = mean + sqrt(scale/2) (sqrt(diag var) z1 + D z2 / sqrt(rank - 1)), z1, z2 ~ N(0, I), "
            "D the last `rank` snapshots minus the running mean; p = mean over s of softmax(f(x; w_s))"
        ),
        paper="W. Maddox et al., A Simple Baseline for Bayesian Uncertainty in Deep Learning, NeurIPS 2019 (arXiv 1902.02476)",
        deviations=(
            "starts from stage 1's kept checkpoint with fresh momentum 0.9, no weight decay",
            "batch-norm statistics are estimated anew for every drawn network, from all training rows",
        ),
    ),
    MethodSpec(
        name="snapshot",
        kind="sampler",
        target="calibench_methods.samplers.snapshot:Snapshot",
        summary="Snapshot ensemble: cosine cycles of the step size after training, one network kept at the end of each.",
        params=(
            Param("cycles", "int", 5, "networks kept (the paper: 5 or 6)", minimum=1),
            Param("epochs", "int", 10, "passes over the training rows in a cycle", "epochs", minimum=1),
            Param("lr", "float", 0.05, "SGD step size at the start of a cycle (the paper: 0.1 or 0.2)", minimum=1e-12),
            _COMBINE,
        ),
        equation="lr(t) = lr/2 (cos(pi t / T) + 1) within a cycle of T steps; p = mean over cycles of softmax(f(x; w_c))",
        paper="G. Huang et al., Snapshot Ensembles: Train 1, Get M for Free, ICLR 2017 (arXiv 1704.00109)",
        deviations=(
            "the cycles follow stage 1 rather than replace it, so that they fit any objective; its network is not a member",
            "SGD with momentum 0.9 without weight decay",
        ),
    ),
    MethodSpec(
        name="batch-ensemble",
        kind="sampler",
        target="calibench_methods.samplers.batch_ensemble:BatchEnsemble",
        summary="BatchEnsemble: members share their weight matrices and differ by rank-one factors, trained at once.",
        params=(
            Param("members", "int", 4, "members (the paper: 4)", minimum=2),
            _COMBINE,
        ),
        equation="layer of member m: y = s_m * (W (r_m * x)) + b_m; p = mean over m of softmax(f_m(x))",
        paper="Y. Wen, D. Tran, J. Ba, BatchEnsemble, ICLR 2020 (arXiv 2002.06715)",
        deviations=(
            "row i of a batch trains member i mod M, as the paper's sub-batches; the epochs stay those of one network",
            "factors start as random signs; weight decay, if any, falls on them too",
        ),
    ),
    MethodSpec(
        name="tta",
        kind="sampler",
        target="calibench_methods.samplers.tta:TestTimeAugmentation",
        summary="Test-time augmentation: predictions of shifted (and mirrored) views of an image are averaged.",
        params=(
            Param("views", "int", 8, "views, of which the first is the image itself", minimum=2),
            Param(
                "shift",
                "int",
                None,
                "largest shift, edges filled with 0; not set: an eighth of the height",
                "pixels",
                minimum=0,
            ),
            Param("flip", "bool", False, "every other view is mirrored left to right: not for digits"),
            _COMBINE,
        ),
        equation="p = mean over v of softmax(f(view_v(x)))",
        paper="A. Ashukha et al., Pitfalls of In-Domain Uncertainty Estimation, ICLR 2020 (arXiv 2002.06470)",
        deviations=("views are those of training on CIFAR, shift and mirror, whatever the network was trained with",),
    ),
)

ENSEMBLES = (
    MethodSpec(
        name="ensemble",
        kind="ensemble",
        target="calibench_methods.ensembles.ensemble:DeepEnsemble",
        summary="Deep ensemble: everything to its left, trained from several seeds; predictions averaged.",
        params=(
            Param("members", "int", 5, "trainings (the paper: 5)", minimum=2),
            _COMBINE,
        ),
        equation="p = mean over m of softmax(f(x; w_m)); combine=logits: p proportional to exp(mean over m of log p_m)",
        paper=(
            "B. Lakshminarayanan, A. Pritzel, C. Blundell, Simple and Scalable Predictive Uncertainty Estimation using "
            "Deep Ensembles, NeurIPS 2017 (arXiv 1612.01474)"
        ),
        deviations=("no adversarial training",),
    ),
)
