"""Judge how well a run tells OOD sets from its test rows: a row for each set and score, and the near and far means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from calibench.config.shift_and_ood import ShiftAndOod, ood_metric
from calibench.data.ood import OodSet
from calibench.evaluation.added_figures import AddedFigures, OutputsOf
from calibench.evaluation.ood_scores import OodScores, Scored
from calibench.metrics.binning import Floats
from calibench.metrics.bootstrap import DEFAULT_SAMPLING, Sampling, percentile_interval
from calibench.metrics.ood import FIGURES, HIGHER_IS_BETTER, Ranked, ood_replicates
from calibench.progress import Report
from calibench.seeds import derived_seed


def judge_ood(
    sets: Sequence[OodSet],
    choices: ShiftAndOod,
    outputs_of: OutputsOf,
    scores: OodScores,
    report: Report,
    sampling: Sampling = DEFAULT_SAMPLING,
) -> AddedFigures:
    """Fill `ood` rows and metrics named `ood_FIGURE_SET`; scores other than the default add `_SCORE`.

    A score that this recipe does not have, such as the energy of probabilities, leaves its figures undefined.
    """
    added = AddedFigures(level=sampling.level)
    for done, ood_set in enumerate(sets, 1):
        (rows,) = outputs_of({f"ood {ood_set.text}": ood_set.x}).values()
        outputs = rows.outputs
        for score, pair in scores.of(ood_set.x, outputs):
            about: dict[str, Any] = {"set": ood_set.text, "group": ood_set.group, "score": score, "n": len(ood_set.x)}
            about |= {"left_out": ood_set.left_out, "fingerprint": ood_set.fingerprint}
            about["mean_confidence"] = float(outputs.probs().amax(dim=1).mean())
            row, replicates = _judge_set(pair, ood_set, score, added, sampling)
            added.ood.append({**about, **row})
            _add(added, ood_set.text, score, row["metrics"], replicates)
        report("ood", done, len(sets), ood_set.text)
    for group in choices.groups:
        for score in (bound.text() for bound in choices.scores):
            of_group = [row for row in added.ood if row["group"] == group and row["score"] == score]
            _add_mean(added, group, score, of_group)
    return added


def _judge_set(
    pair: Scored, ood_set: OodSet, score: str, added: AddedFigures, sampling: Sampling
) -> tuple[dict[str, Any], dict[str, Floats]]:
    if isinstance(pair, str):
        undefined: dict[str, Any] = dict.fromkeys(FIGURES)
        return {"metrics": undefined, "intervals": undefined, "note": pair}, {}
    inside, outside = pair
    ranked = Ranked.by_uncertainty(inside, outside)
    stream = derived_seed(sampling.seed, f"ood {ood_set.fingerprint}")
    replicates = ood_replicates(ranked, sampling, seed_out=stream)
    added.arrays[f"ood.{ood_set.text}.{score}"] = outside
    intervals = {name: percentile_interval(values, sampling.level) for name, values in replicates.items()}
    return {"metrics": ranked.figures(), "intervals": intervals}, replicates


def _add(added: AddedFigures, ood_set: str, score: str, figures: dict[str, Any], replicates: dict[str, Floats]) -> None:
    for name, value in figures.items():
        better = "higher" if name in HIGHER_IS_BETTER else "lower"
        unit = {"unit": "fraction", "better": better, "rankable": True, "order_only": False}
        added.add(ood_metric(name, ood_set, score), value, unit, replicates.get(name))


def _add_mean(added: AddedFigures, group: str, score: str, rows: Sequence[dict[str, Any]]) -> None:
    means: dict[str, Any] = {}
    replicates = {}
    for name in FIGURES:
        values = [row["metrics"][name] for row in rows]
        means[name] = None if None in values else float(np.mean(values))
        if means[name] is not None:
            by_set = [added.arrays[f"bootstrap.{ood_metric(name, row['set'], score)}"] for row in rows]
            replicates[name] = np.mean(by_set, axis=0)
    _add(added, group, score, means, replicates)
