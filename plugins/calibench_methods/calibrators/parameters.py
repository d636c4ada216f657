"""Parameters, papers and deviations that several calibrators share."""

from calibench import Param

GUO = "C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017 (arXiv 1706.04599)"

KULL = (
    "M. Kull et al., Beyond temperature scaling: Obtaining well-calibrated multi-class probabilities with Dirichlet "
    "calibration, NeurIPS 2019 (arXiv 1910.12656)"
)

BERTA = (
    "E. Berta, D. Holzmueller, M. Jordan, F. Bach, Structured Matrix Scaling for Multi-Class Calibration, AISTATS 2026 "
    "(arXiv 2511.03685)"
)

ZHANG = "J. Zhang, B. Kailkhura, T. Han, Mix-n-Match, ICML 2020 (arXiv 2003.07329)"


def of_param(default: str) -> Param:
    """The parameter `of`: the probabilities that a map is fitted to."""
    meaning = (
        "probabilities that are mapped: classes maps each p_k by its own map and divides rows by their sums; top maps only "
        "the confidence, which changes no prediction"
    )
    return Param("of", "str", default, meaning, choices=("classes", "top"))


FLOOR = Param(
    "floor",
    "float",
    None,
    "least value of a map; not set: 1 / (rows + 2), Laplace's rule for no hits; 0 is the paper's",
    "probability",
    minimum=0,
    maximum=0.1,
)


def least_value(floor: float | None, rows: int) -> float:
    """The floor; if not set, 1 / (rows + 2): so few rows cannot show that a class is less probable than that."""
    return 1 / (rows + 2) if floor is None else floor


KEEPS_ORDER = "the classes other than the top one share the remaining probability in proportion, and the top stays above the second"

OF_DEVIATIONS = (
    "of=classes: a row whose mapped values are all 0 keeps its probabilities",
    f"of=top: {KEEPS_ORDER}",
)

TOP_DEVIATION = (
    "the default is of=top, because with many classes one map per class has too few hits "
    "(docs/evidence/calibrators.md shows both); of=classes is one-vs-rest"
)

ODIR_PARAMS = (
    Param(
        "lam",
        "float",
        None,
        "weight of the mean square off the diagonal (the paper's lambda); not set: 3-fold cross-validation on cal selects it",
        minimum=1e-8,
    ),
    Param(
        "mu",
        "float",
        None,
        "weight of the mean square of b; not set: lam / (K - 1), the same per coefficient as off the diagonal",
        minimum=1e-8,
    ),
    Param(
        "diagonal", "float", 1e-3, "weight of the mean square of W_kk - 1; the paper has no such penalty", minimum=1e-8
    ),
)

ODIR_DEVIATIONS = (
    "the paper does not penalise the diagonal. Here a small weight does: without one there is no minimum if a class is absent "
    "or the samples are separable. For the same reason no weight may be 0; the least is 1e-8",
    "the fit is by Newton's method, to a gradient of 1e-9, in place of gradient descent; the values of lam compared are powers "
    "of ten from 1e5 down, until the NLL gets worse",
)
