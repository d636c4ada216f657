"""Samples to fit a post-hoc map on: they come from the same classifier, and are others than those that are judged."""

from __future__ import annotations

from typing import Any

from calibench.data.splits import row_hashes
from calibench.errors import InputError
from calibench.evaluation.cross_fit import Samples
from calibench.lazy import np
from calibench.outputs.arrays import as_array, to_float64
from calibench.outputs.top_label import refuse_top_label

CHANCE = 0.01
"""The share of judged rows that may be among the rows to fit on, beyond the share of rows that repeat within a file."""

LONGEST_LIST = 5


def check_fit_samples(fit_samples: Samples, samples: Samples) -> None:
    """InputError unless the samples have as many classes and labels, and other rows, whatever their order."""
    outputs, fit_outputs = samples[0], fit_samples[0]
    if fit_outputs.top_label_only != outputs.top_label_only:
        refuse_top_label(outputs if outputs.top_label_only else fit_outputs, "a fit on one file for the other")
    if fit_outputs.labels_per_sample != outputs.labels_per_sample:
        message = f"{fit_outputs.labels_per_sample} labels a sample to fit on, {outputs.labels_per_sample} to judge"
        raise InputError(message, "both must come from the same classifier")
    if fit_outputs.num_classes != outputs.num_classes:
        message = f"{fit_outputs.num_classes} classes to fit on, {outputs.num_classes} to judge"
        raise InputError(message, "both must come from the same classifier")
    shared = _shared_rows(fit_samples, samples)
    if shared:
        n = len(outputs) // outputs.labels_per_sample
        message = (
            f"{shared} of the {n} samples that are judged are among those to fit on, with the same scores and label"
        )
        raise InputError(message, "a fit must be judged on samples it has not seen; --cross-fit 5 fits inside one file")


def _shared_rows(fit_samples: Samples, samples: Samples) -> int:
    """The number of judged samples whose scores and labels are among those to fit on; 0 if chance explains it.

    Scores of few digits coincide by chance, as often between files as within one. The files share rows if more coincide than
    repeat within a file, or if every row does.
    """
    fit_rows, rows = _rows(fit_samples), _rows(samples)
    shared = int(np.isin(rows, fit_rows).sum())
    repeated = max(1 - len(np.unique(r)) / len(r) for r in (fit_rows, rows))
    same = len(rows) == len(fit_rows) and bool((np.sort(rows) == np.sort(fit_rows)).all())
    return shared if same or shared / len(rows) > CHANCE + 2 * repeated else 0


def _rows(samples: Samples) -> Any:
    """A hash of the scores and labels of each sample."""
    outputs, labels = samples
    per_sample = outputs.labels_per_sample
    scores = to_float64(outputs.given).reshape(len(labels) // per_sample, -1)
    truth = to_float64(labels).reshape(-1, per_sample)
    return row_hashes(np.ascontiguousarray(np.concatenate([scores, truth], axis=1)))


def warnings_about_fit(fit_samples: Samples, samples: Samples) -> list[str]:
    """A sentence on classes that are judged and that the samples to fit on do not have, if there are any."""
    outputs, labels = samples
    if outputs.labels_per_sample > 1:
        return []
    counts = np.bincount(as_array(fit_samples[1]), minlength=outputs.num_classes)
    absent = [k for k in np.unique(as_array(labels)).tolist() if not counts[k]]
    if not absent:
        return []
    named = ", ".join(map(str, absent[:LONGEST_LIST])) + (" and others" if len(absent) > LONGEST_LIST else "")
    noun, verb = ("class", "is") if len(absent) == 1 else ("classes", "are")
    return [
        f"{noun} {named} {verb} not among the samples to fit on: nothing is learned about the probability of {noun} {named}"
    ]
