"""A run judged on shifted test splits and OOD sets, with everything that was trained and fitted left as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calibench.config.run_config import RunConfig
from calibench.evaluation.added_figures import AddedFigures
from calibench.evaluation.ood import judge_ood
from calibench.evaluation.ood_scores import OodScores
from calibench.evaluation.shift import judge_shifts
from calibench.metrics.bootstrap import Sampling
from calibench.metrics.load import Metrics
from calibench.outputs.decisions import Decisions
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

    def outputs_of(rows: Mapping[str, NDArray[np.float32]]) -> dict[str, tuple[Outputs, Decisions | None]]:
        judged = {}
        for name, outputs in members.outputs_of(rows).items():
            with seeded(derived_seed(members.seeds["posthoc"], name)):
                judged[name] = posthoc.judged(checked(outputs, f"{config.recipe}, {name}"))
        return judged

    added = AddedFigures(level=judging.sampling.level)
    if inputs.shifts:
        with members.timed("shift"):
            added |= judge_shifts(inputs.shifts, outputs_of, inputs.data, judging.metrics, report, judging.sampling)
    if inputs.ood_sets:
        with members.timed("ood"):
            choices = config.shift_and_ood
            scores = OodScores(choices.scores, members, inputs.data.test.x, test)
            added |= judge_ood(inputs.ood_sets, choices, outputs_of, scores, report, judging.sampling)
    return added
