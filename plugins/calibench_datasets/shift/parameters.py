"""Parameters and sources that several shifts share."""

from calibench import Param

HENDRYCKS = (
    "D. Hendrycks, T. Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, "
    "ICLR 2019 (arXiv 1903.12261)"
)
KINDS_PARAM = Param("kinds", "str", None, "corruptions to take, joined by ';', as fog;snow; not set: the fifteen")
SEVERITIES_PARAM = Param(
    "severities", "ints", None, "severities to take, as 1;3;5; not set: all five", minimum=1, maximum=5
)


def seed_param(draws: str) -> Param:
    """The parameter `seed` of a shift that draws `draws`."""
    return Param("seed", "int", 0, f"seed of {draws}; one shifted test split is shared by all run seeds", minimum=0)
