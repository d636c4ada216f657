"""A run judged on shifted test splits and OOD sets, with everything that was trained and fitted left as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calibench.config.run_config import RunConfig
from calibench.evaluation.added_figures import AddedFigures, JudgedRows
from calibench.evaluation.ood import judge_ood
from calibench.evaluation.ood_scores import OodScores
from calibench.evaluation.shift import judge_shifts
from calibench.metrics.bootstrap import Sampling
from calibench.metrics.load import Metrics
from calibench.outputs.outputs import Outputs
from calibench.progress import Report
from calibench.recipe.members import Members
from calibench.recipe.posthoc import PostHoc, checked
from calibench.runs.inputs import Inputs
from calibench.seeds import derived_seed, seeded


class Judging(NamedTuple):
    """The metrics, and the bootstrap of their intervals."""

    metrics: Metrics
    sampling: Sampling


def judge_shift_and_ood(
    config: RunConfig,
    inputs: Inputs,
    members: Members,
    posthoc: PostHoc,
    test: Outputs,
    judging: Judging,
    report: Report,
) -> AddedFigures:
    """The figures of every shift and OOD set that the run asks for; `test` are the outputs of the test split."""

    of_test = dict(posthoc.adapted)  # the test split was mapped last

    def outputs_of(
        rows: Mapping[str, NDArray[np.float32]], adapted: Mapping[str, dict[str, Any]] | None = None
    ) -> dict[str, JudgedRows]:
        judged = {}
        for name, outputs in members.outputs_of(rows).items():
            with seeded(derived_seed(members.seeds["posthoc"], name)):
                pair = posthoc.judged(checked(outputs, f"{config.recipe}, {name}"), adapted=adapted)
            judged[name] = JudgedRows(*pair, dict(posthoc.adapted) if adapted is None else adapted)
        return judged

    def as_test(rows: Mapping[str, NDArray[np.float32]]) -> dict[str, JudgedRows]:
        return outputs_of(rows, of_test)

    added = AddedFigures(level=judging.sampling.level)
    if inputs.shifts:
        with members.timed("shift"):
            added |= judge_shifts(inputs.shifts, outputs_of, inputs.data, judging.metrics, report, judging.sampling)
    if inputs.ood_sets:
        with members.timed("ood"):
            choices = config.shift_and_ood
            scores = OodScores(choices.scores, members, inputs.data.test.x, test)
            added |= judge_ood(inputs.ood_sets, choices, as_test, scores, report, judging.sampling)
    return added
