"""How calibrators and a decision rule with a guarantee share the calibration split.

A calibrator makes the samples that it was fitted on look better than others. A limit that is fitted on them promises too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from calibench.errors import RunError
from calibench.outputs.outputs import Outputs
from calibench.stages import Calibrator, DecisionRule

FOLDS = 5
"""Folds of `cross-fit`."""

FEWEST = 250
"""A fifth of fewer samples would be under 50, too few for a temperature: it then gets half of them."""

PARTS = {"fifth": 5, "half": 2}
"""The calibrators get one part in so many; the rule gets the rest."""

APPROXIMATE = (
    "calibrators were cross-fitted, so the guarantee is approximate; docs/evidence/decisions.md has its failures"
)

Samples = tuple[Outputs, torch.Tensor]


def split_for(calibrators: Sequence[Calibrator], rule: DecisionRule, samples: int) -> str:
    """`all`, `fifth`, `half` or `cross-fit`: how cal is shared, if it has so many samples.

    `all`: the rule has no guarantee, or there is no calibrator; or every calibrator divides all logits by one number, and that
    changes no answer of the rule (`scale_free`): the limits on which it decides are then the same for any such number.
    Else the rule's own `cal_split`; by default calibrators that fit one number get a fifth of 250 samples or more, others half.
    """
    if not calibrators or not rule.needs_fresh:
        return "all"
    scales = all(calibrator.scales for calibrator in calibrators)
    if scales and rule.scale_free:
        return "all"
    return rule.cal_split or ("fifth" if scales and samples >= FEWEST else "half")


def shuffled(samples: Samples, least: int) -> torch.Tensor:
    """The rows in a random order, `[n, Q]`: those of one sample with Q labels stay together. RunError for fewer than `least`."""
    outputs, labels = samples
    per_sample = outputs.labels_per_sample
    n = len(labels) // per_sample
    if n < least:
        message = f"{n} {'sample' if n == 1 else 'samples'} cannot be shared between a calibrator and a rule"
        raise RunError(message, f"give at least {least} samples to fit on")
    return torch.randperm(n)[:, None] * per_sample + torch.arange(per_sample)


def folds_of(samples: Samples) -> list[torch.Tensor]:
    """The rows of the folds of `cross-fit`."""
    order = shuffled(samples, FOLDS)
    ends = [len(order) * fold // FOLDS for fold in range(FOLDS + 1)]
    return [order[start:end].flatten() for start, end in pairwise(ends)]


def attempts(how: str, rule: DecisionRule) -> tuple[str, ...]:
    """The shares to try in turn: where a fifth is the default and nothing can be fitted on it, half.

    A temperature cannot be fitted on samples that are all answered right. The fifth is part of the half, so that the samples
    of the rule have no say in the choice, and its guarantee stays exact.
    """
    return (how,) if how != "fifth" or rule.cal_split == "fifth" else ("fifth", "half")


def take(samples: Samples, rows: torch.Tensor) -> Samples:
    """The rows of the samples."""
    outputs, labels = samples
    return replace(outputs, scores=outputs.scores[rows]), labels[rows]
