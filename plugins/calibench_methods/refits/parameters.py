"""Parameters, papers and deviations that several refits share."""

from calibench import Param

TST_PAPER = (
    "M. Jordahn, P. Olmos, Decoupling Feature Extraction and Classification Layers for Calibrated Neural Networks, "
    "ICML 2024 (arXiv 2405.01196)"
)

LATENT_DIM = 128

STAGE_2 = (
    Param(
        "latent_dim",
        "int",
        LATENT_DIM,
        "Z, the size of the latent space (the paper: 128 for CIFAR-10, 512 for CIFAR-100)",
        minimum=1,
    ),
    Param(
        "epochs",
        "int",
        None,
        "passes over the training features; not set: 40, or more if 1 500 steps need more",
        "epochs",
        minimum=1,
    ),
    Param("lr", "float", 1e-4, "Adam step size in stage 2", minimum=0),
    Param(
        "batch_size",
        "int",
        None,
        "samples per step; not set: 384, or a sixteenth of the training rows if that is less",
        "samples",
        minimum=1,
    ),
    Param("weight_decay", "float", 0.0, "L2 penalty added to the gradient (Adam's, not decoupled)", minimum=0),
    Param(
        "select",
        "str",
        "best",
        "checkpoint kept: best has the lowest validation NLL, last is the last epoch's",
        choices=("best", "last"),
    ),
)

VIEWS = (
    Param(
        "views",
        "int",
        1,
        "number of views of each training image, of which each step draws one; 1 is the image alone",
        minimum=1,
    ),
    Param(
        "shift",
        "int",
        None,
        "largest shift of a view, with zeros at the edges; not set: an eighth of the height",
        "pixels",
        minimum=0,
    ),
    Param("flip", "bool", False, "mirror every other view left to right; not for digits"),
)
"""The body computes the features of each view once; stage 2 draws one view for each row of each batch."""

STAGE_2_DEVIATIONS = (
    "the paper states no batch size for stage 2; here it is 384. With 256, ECE15 on CIFAR-10 features is 0.4 points lower, in "
    "4/3 of the time",
    "epochs are the paper's 40 from 14 209 training rows on. With fewer rows, 40 epochs are too few steps to train a new "
    "head, so epochs are raised until there are 1 500 steps, and a batch is at most a sixteenth of the rows",
)

AUGMENTATION_DEVIATION = "the paper augments every batch; with the default views=1, nothing is augmented"
