"""How well an objective found the wrong training labels, where the noise is known."""

from __future__ import annotations

import torch

from calibench.data.prepare import Data


def score_suspected(suspected: torch.Tensor | None, data: Data) -> dict[str, float]:
    """`suspected`, how many labels were taken for wrong; with known noise `precision` and `recall` as fractions.

    precision = wrong and suspected / suspected, recall = wrong and suspected / wrong; one that would divide by 0 is left
    out. `suspected` is bool `[N]` over the training rows, or None, which gives nothing.
    """
    if suspected is None:
        return {}
    found = suspected.cpu().numpy().astype(bool)
    figures = {"suspected": float(found.sum())}
    truth = data.mislabelled
    if truth is None:
        return figures
    hits = float((found & truth).sum())
    if found.any():
        figures["precision"] = hits / float(found.sum())
    if truth.any():
        figures["recall"] = hits / float(truth.sum())
    return figures
