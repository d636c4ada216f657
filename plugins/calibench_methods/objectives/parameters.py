"""Parameters, papers and deviations that several objectives share."""

import math

from calibench import Param

LOG_ZERO = Param(
    "log_zero",
    "float",
    math.log(1e-4),  # the authors of SCE and APL clip one-hot labels at 1e-4 and take the natural logarithm
    "A, the number used for log 0 (the code: -9.21, the text: -4)",
    "nats",
    maximum=0,
)

LOG_ZERO_DEVIATION = (
    "log 0 is -9.21, as in the authors' code, which clips labels at 1e-4 under a natural logarithm; the paper's text says -4, "
    "which is log10 of 1e-4: log_zero=-4"
)

RATE = Param(
    "rate",
    "str",
    "estimate",
    "share of the training labels that are wrong, below (K-1)/K; or the word estimate",
)

FOLDS = Param(
    "folds",
    "int",
    None,
    "number of networks for the estimate's out-of-fold probabilities; not set: 4, as in Northcutt et al. 2021",
    minimum=2,
)

ESTIMATED_RATE = (
    "an estimated rate is the share of labels that differ from the out-of-fold prediction among the most confident rows "
    "(each predicted class is halved while that share falls by more than its standard error). For symmetric noise it lies "
    "within 0.007 of the true rate on MNIST at 0.3 and 0.5, on CIFAR-10 features and digits at 0.3. It needs a network "
    "that is right about its most confident rows"
)

NOISY_VAL = (
    "where the validation labels are noisy too (on=train;val), the checkpoint of lowest NLL of those noisy labels under p and the "
    "noise model is kept; the papers do not say how they choose"
)

TRANSITION = (
    Param("rate", "float", None, "noise rate of a uniform matrix, below (K-1)/K", minimum=0, maximum=1),
    Param("matrix", "path", None, "CSV of K lines of K shares: line i, column j is P(noisy label j | class i)"),
    Param(
        "estimate",
        "str",
        None,
        "how the matrix is estimated if neither rate nor matrix is given; not set: anchor",
        choices=("anchor", "counts"),
    ),
    FOLDS,
)

TRANSITION_PAPER = (
    "G. Patrini et al., Making Deep Neural Networks Robust to Label Noise: a Loss Correction Approach, CVPR 2017 "
    "(arXiv 1609.03683)"
)

TRANSITION_DEVIATIONS = (
    "anchor: the paper takes the network's probabilities at the one row that is most confidently of a class. Here a row of "
    "T holds the label frequencies of many such rows, out of fold, plus 1/K for each label: at the most confident row a "
    "network gives 0.01 where the rate is 0.3 (MNIST)",
    "counts: the calibrated confident joint of Northcutt et al., JAIR 2021",
)
