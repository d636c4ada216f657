"""The parts of a decision rule that metrics judge: its answers, sets and costs, and the figures that it promises."""

from __future__ import annotations

import math

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details
from calibench.outputs.outputs import ABSTAIN


def decisions_of(judged: Judged) -> Ints:
    """The decisions `[N]`. Raises InputError if no rule decided."""
    if judged.decisions is None:
        raise InputError("coverage and selective risk need decisions", "end the recipe with a decision rule")
    return judged.decisions


def acceptance(judged: Judged) -> Floats:
    """`[N]`: 1 where the rule accepts the sample and gives a class, 0 where it abstains."""
    accepted: Floats = (decisions_of(judged) != ABSTAIN).astype(np.float64)
    return accepted


def sets_of(judged: Judged) -> Bools:
    """The sets of classes `[N, K]`. Raises InputError if the rule gives none."""
    if judged.sets is None:
        raise InputError("there are no sets to judge", "end the recipe with a rule that gives sets, such as conformal")
    return judged.sets


def costs_of(judged: Judged) -> Floats:
    """The cost matrix `[K, K]` or `[K, K + 1]`. Raises InputError if the rule has none."""
    if judged.costs is None:
        raise InputError("there is no cost matrix", "end the recipe with cost:matrix=FILE")
    return judged.costs


def promise_details(judged: Judged, name: str, value: float, better: str) -> Details:
    """`target`, the figure that the rule promises of the metric `name`, and `reached`, whether `value` keeps it.

    Empty if the rule promises nothing. `value` is the figure of these samples. A guarantee is about the population, and
    the figure of a sample scatters about the population's.
    """
    if name not in judged.targets:
        return {}
    target = judged.targets[name]
    reached = value <= target if better == "lower" else value >= target
    return {"target": target, "reached": None if math.isnan(value) else reached}
