"""Parameters and notes that several calibrators share."""

from calibench import Param

GUO = "C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599)"

KULL = (
    "M. Kull et al., ShiftAndOod temperature scaling: Obtaining well-calibrated multi-class probabilities with Dirichlet "
    "calibration, NeurIPS 2019 (arXiv 1910.12656)"
)


def of(default: str) -> Param:
    """The parameter `of`: which probabilities a map is fitted to."""
    meaning = (
        "what is mapped: classes, each p_k on its own, rows then divided by their sums; or top, the confidence alone, "
        "which changes no answer"
    )
    return Param("of", "str", default, meaning, choices=("classes", "top"))


FLOOR = Param(
    "floor",
    "float",
    None,
    "least value of a map; not set: 1 / (rows + 2), one hit among as many more; 0 is the paper's",
    "probability",
    minimum=0,
    maximum=0.1,
)

ROWS = (
    "of=classes: a row whose mapped values are all 0 keeps its own probabilities",
    "of=top: the classes but the top one share what it leaves in proportion, and it is held above the second",
)

TOP = (
    "of=top by default: with many classes a map for each has too few hits (docs/evidence/calibrators.md shows both); of=classes is "
    "one-vs-rest"
)

ODIR_PARAMS = (
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

ODIR_NOTES = (
    "the paper leaves the diagonal free; a small weight holds it, since without one there is no minimum where a class is "
    "absent or the samples are separable. For that reason no weight may be 0 (1e-8 and more)",
    "fitted by Newton's method to a gradient of 1e-9 in place of gradient descent; lam is compared at powers of ten from "
    "1e5 down until it gets worse",
)
