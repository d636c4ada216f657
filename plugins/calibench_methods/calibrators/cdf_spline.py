"""`cdf-spline`: the spline of Gupta et al. (ICLR 2021) for every class, as CalArena runs it."""

from __future__ import annotations

from calibench import MethodSpec
from calibench_methods.calibrators.parameters import OF_DEVIATIONS
from calibench_methods.calibrators.spline import GUPTA, KNOTS, SPLINE_DEVIATIONS, SPLINE_EQUATION, Spline

SPEC = MethodSpec(
    name="cdf-spline",
    kind="calibrator",
    target=f"{__name__}:CDFSpline",
    summary="Spline recalibration of every class's probability, one against the rest; CalArena's CDF-Spline.",
    params=(KNOTS,),
    equation=f"{SPLINE_EQUATION}; rows are divided by their sums",
    paper=f"{GUPTA}; CalArena, arXiv 2605.30188",
    deviations=(
        "the paper maps the top label (`spline` does). CalArena maps class 1 of two; here each class has a map, "
        "and rows are divided by their sums, which differs by 1/n with two classes",
        *SPLINE_DEVIATIONS,
        OF_DEVIATIONS[0],
    ),
    use_when="there are two classes and cal has a thousand rows or more",
    avoid_when="there are many classes: most p_k crowd near 0, where few hits decide the correction",
    cost="a least-squares fit with `knots` unknowns for each class: milliseconds",
)


class CDFSpline(Spline):
    """`p_k + h_k'(t(p_k))` for each class k, divided by its sum over classes; see `Spline`."""

    def __init__(self, knots: int) -> None:
        super().__init__(knots, "classes")
