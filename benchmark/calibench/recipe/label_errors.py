"""Precision and recall of an objective that finds wrong training labels, where the noise is known."""

from __future__ import annotations

import torch

from calibench.data.prepare import Data


def score_suspected(suspected: torch.Tensor | None, data: Data) -> dict[str, float]:
    """`suspected`, the number of labels that the objective takes for wrong; with known noise also `precision` and `recall`.

    precision = wrong and suspected / suspected, recall = wrong and suspected / wrong, fractions; a share with denominator 0
    is left out. `suspected` is bool `[N]` over the training rows, or None for an objective that suspects none.
    """
    if suspected is None:
        return {}
    flags = suspected.cpu().numpy().astype(bool)
    figures = {"suspected": float(flags.sum())}
    wrong = data.mislabelled
    if wrong is None:
        return figures
    hits = float((flags & wrong).sum())
    if flags.any():
        figures["precision"] = hits / float(flags.sum())
    if wrong.any():
        figures["recall"] = hits / float(wrong.sum())
    return figures
