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
        "budget",
        "str",
        "plateau",
        "plateau trains until the validation NLL no longer falls; paper is 40 epochs of batches of 256 at lr 1e-4",
        choices=("plateau", "paper"),
    ),
    Param(
        "epochs",
        "int",
        None,
        "passes over the training features; not set: to a plateau of the validation NLL",
        "epochs",
        minimum=1,
    ),
    Param(
        "patience",
        "int",
        None,
        "stage 2 ends after so many epochs without a lower validation NLL; not set: after all epochs, or at a plateau",
        "epochs",
        minimum=1,
    ),
    Param("lr", "float", None, "Adam step size in stage 2; not set: 1e-3 (mean-field: 1e-2)", minimum=0),
    Param(
        "batch_size",
        "int",
        None,
        "samples per step; not set: 256, or a sixteenth of the training rows if that is less",
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
    "stage 2 ends at a plateau of the validation NLL, at lr 1e-3; budget=paper is the paper's 40 epochs at lr 1e-4",
    "the paper states no batch size for stage 2; here it is that of its stage 1, 256, or on small data a sixteenth of the rows",
)

AUGMENTATION_DEVIATION = "the paper augments every batch; with the default views=1, nothing is augmented"
