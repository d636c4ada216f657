"""Several tests at one joint level, by the labels that a calibrated model draws: single-step minP of Westfall & Young 1993.

The data and the D draws are exchangeable if the model is calibrated. Each is ranked in every family of figures, and its
smallest rank over the families is compared with that of all others. So the joint level holds exactly, whatever the
dependence of the families.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from calibench.lazy import np
from calibench.metrics.binning import Floats

JOINT_LEVEL = 0.05
"""The probability that a calibrated model is called miscalibrated, at most."""


@dataclass(frozen=True)
class JointTest:
    """`p [J]` of each figure in each family, adjusted for all figures of all families; `critical` values by family.

    A figure above the critical value of its family has p <= `JOINT_LEVEL`. The critical value is infinite where too few draws
    were made for any figure to reach the level.
    """

    p: dict[str, Floats]
    critical: dict[str, float]

    def found(self, family: str) -> bool:
        """True if some figure of the family is significant."""
        return bool((self.p[family] <= JOINT_LEVEL).any())


def joint_test(observed: Mapping[str, Floats], drawn: Mapping[str, Floats]) -> JointTest:
    """The joint test of figures that are large if the model is miscalibrated: `observed [J]` and `drawn [D, J]` by family."""
    largest = {name: np.concatenate([[observed[name].max()], drawn[name].max(axis=1)]) for name in observed}
    ranks = {name: _p_values(values, values) for name, values in largest.items()}
    smallest = np.sort(np.min(list(ranks.values()), axis=0))

    def adjusted(p: Floats) -> Floats:
        share: Floats = np.searchsorted(smallest, p, side="right") / len(smallest)
        return share

    p = {name: adjusted(_p_values(observed[name], largest[name])) for name in observed}
    critical = {}
    for name, values in largest.items():
        significant = values[adjusted(ranks[name]) <= JOINT_LEVEL]
        critical[name] = float(significant.min()) if len(significant) else np.inf
    return JointTest(p, critical)


def _p_values(figures: Floats, among: Floats) -> Floats:
    """The share of `among` that is at least as large as each figure."""
    in_order = np.sort(among)
    share: Floats = (len(among) - np.searchsorted(in_order, figures, side="left")) / len(among)
    return share
