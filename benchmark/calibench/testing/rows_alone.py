"""Whether a calibrator maps a row by the other rows that it gets beside it, without saying so in `adapt`."""

from __future__ import annotations

from dataclasses import replace

import torch

from calibench.config.grammar import Bound
from calibench.errors import CalibenchError
from calibench.outputs.outputs import Outputs
from calibench.recipe.posthoc import PostHoc
from calibench.seeds import seeded
from calibench.testing.toy import toy_outputs
from calibench.testing.verdict import DoesNotApplyError, FailsError

CLOSE = 1e-6
"""Differences of probabilities below this are roundings."""


def refuse_other_rows(calibrator: Bound) -> None:
    """FailsError if probabilities of rows change when other rows are left out. Does not apply to a map that draws."""
    outputs, labels = toy_outputs()
    half = len(labels) // 2
    chain = PostHoc([calibrator], outputs.num_classes)
    try:
        with seeded(0):
            chain.fit(outputs, labels)
        whole = _mapped(chain, outputs)
        again = _mapped(chain, outputs, seed=1)
        parts = [_mapped(chain, replace(outputs, scores=scores)) for scores in outputs.scores.split(half)]
    except CalibenchError as error:
        raise DoesNotApplyError(f"toy outputs are not enough for it: {' '.join(error.message.split())}") from None
    if not torch.equal(whole, again):
        raise DoesNotApplyError("it draws random numbers")
    difference = float((torch.cat(parts) - whole).abs().max())
    if difference > CLOSE:
        raise FailsError(f"a probability differs by {difference:.2g} when half of the rows are left out")


def _mapped(chain: PostHoc, outputs: Outputs, seed: int = 0) -> torch.Tensor:
    """The probabilities `[N, K]` after the map."""
    with seeded(seed):
        return chain.apply(outputs).probs()
