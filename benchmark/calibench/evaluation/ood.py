"""Judge how well a run tells OOD sets from its test rows: a row for each set and score, and the near and far means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from calibench.config.shift_and_ood import ShiftAndOod, ood_metric
from calibench.data.ood import OodSet
from calibench.errors import InputError
from calibench.evaluation.added_figures import AddedFigures, Said
from calibench.metrics.binning import Floats
from calibench.metrics.bootstrap import percentile_interval
from calibench.metrics.ood import FIGURES, HIGHER, Ranked, ood_replicates
from calibench.outputs.outputs import Outputs
from calibench.outputs.uncertainty import uncertainty_of
from calibench.progress import Report
from calibench.seeds import derived_seed


def judge_ood(
    sets: Sequence[OodSet], beyond: ShiftAndOod, say: Said, test: Outputs, *, resamples: int, seed: int, report: Report
) -> AddedFigures:
    """Rows, and `ood_FIGURE_SET` (`ood_auroc_svhn`, `ood_fpr95_near`) in the metrics; of another score than the first, `..._SCORE`.

    A score that these outputs do not have, such as the energy of probabilities, leaves its figures undefined.
    """
    extra = AddedFigures()
    for done, held in enumerate(sets, 1):
        ((outputs, _),) = say({f"ood {held.text}": held.x}).values()
        for score in beyond.scores:
            about: dict[str, Any] = {"set": held.text, "group": held.group, "score": score, "n": len(held.x)}
            about |= {"left_out": held.left_out, "fingerprint": held.fingerprint}
            about["mean_confidence"] = float(outputs.probs().amax(dim=1).mean())
            row, replicates = _judged(test, outputs, held, score, resamples, seed, extra)
            extra.ood.append({**about, **row})
            _add(extra, held.text, score, row["metrics"], replicates)
        report("ood", done, len(sets), held.text)
    for group in beyond.groups:
        for score in beyond.scores:
            rows = [row for row in extra.ood if row["group"] == group and row["score"] == score]
            _add_mean(extra, group, score, rows)
    return extra


def _judged(
    test: Outputs, outputs: Outputs, held: OodSet, score: str, resamples: int, seed: int, extra: AddedFigures
) -> tuple[dict[str, Any], dict[str, Floats]]:
    try:
        uncertainty_in, uncertainty_out = (uncertainty_of(of, score).cpu().numpy() for of in (test, outputs))
    except InputError as error:
        undefined: dict[str, Any] = dict.fromkeys(FIGURES)
        return {"metrics": undefined, "intervals": undefined, "note": error.message}, {}
    ranked = Ranked.of(uncertainty_in, uncertainty_out)
    figures = ranked.figures()
    stream = derived_seed(seed, f"ood {held.fingerprint}")
    replicates = ood_replicates(ranked, resamples=resamples, seed=seed, seed_out=stream)
    extra.arrays[f"ood.{held.text}.{score}"] = uncertainty_out
    intervals = {name: percentile_interval(values) for name, values in replicates.items()}
    return {"metrics": figures, "intervals": intervals}, replicates


def _add(extra: AddedFigures, what: str, score: str, figures: dict[str, Any], replicates: dict[str, Floats]) -> None:
    for name, value in figures.items():
        unit = {"unit": "fraction", "better": "higher" if name in HIGHER else "lower", "rankable": True}
        extra.add(ood_metric(name, what, score), value, unit, replicates.get(name))


def _add_mean(extra: AddedFigures, group: str, score: str, rows: Sequence[dict[str, Any]]) -> None:
    means: dict[str, Any] = {}
    replicates = {}
    for name in FIGURES:
        values = [row["metrics"][name] for row in rows]
        means[name] = None if None in values else float(np.mean(values))
        if means[name] is not None:
            held = [extra.arrays[f"bootstrap.{ood_metric(name, row['set'], score)}"] for row in rows]
            replicates[name] = np.mean(held, axis=0)
    _add(extra, group, score, means, replicates)
