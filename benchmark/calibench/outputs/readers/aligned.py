"""Samples to fit on in the class order of the samples that are judged: classes are matched by name."""

from __future__ import annotations

import dataclasses

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.arrays import as_array, as_tensor, is_tensor
from calibench.outputs.readers.samples_file import SamplesFile
from calibench.outputs.roles.class_names import ClassNames, listed
from calibench.outputs.stored_outputs import outputs_of


def aligned(samples: SamplesFile, judged: SamplesFile) -> SamplesFile:
    """`samples` with their columns in the order of those of `judged`, and labels to match.

    Where one of both has no names, positions are taken as they are, and a note tells so. InputError that lists the names of both
    if they differ.
    """
    of_samples, of_judged = samples.class_names, judged.class_names
    if samples.outputs.num_classes != judged.outputs.num_classes or samples.outputs.labels_per_sample > 1:
        return samples  # the check of the fit refuses other numbers of classes
    if of_samples is None and of_judged is None:
        return samples
    if of_samples is None or of_judged is None:
        named, bare = (judged, samples) if of_samples is None else (samples, judged)
        note = f"{bare.path} names no classes: its columns are taken in the order {listed(named.class_names or ())}"
        return dataclasses.replace(samples, notes=(*samples.notes, note))
    order = ClassNames(of_judged).order_of(ClassNames(of_samples))
    if order is None:
        message = f"{samples.path} has the classes {listed(of_samples)}, and {judged.path} {listed(of_judged)}"
        raise InputError(
            message, "both must name the same classes; --classes A,B,... names the columns of both, in their order"
        )
    if order == sorted(order):
        return samples
    return _permuted(
        samples, order, of_judged, f"{samples.path}: its columns are put in the order of {judged.path}, by name"
    )


def _permuted(samples: SamplesFile, order: list[int], names: tuple[str, ...], note: str) -> SamplesFile:
    """Column k of the new scores is column `order[k]` of the old ones."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    scores = samples.outputs.given[:, order]
    outputs = outputs_of(scores, samples.outputs.from_probs)
    labels = samples.labels
    if labels is not None:
        moved = place[as_array(labels)]
        labels = as_tensor(moved) if is_tensor(labels) else moved
    soft = None if samples.soft is None else samples.soft[:, order]
    return dataclasses.replace(
        samples, outputs=outputs, labels=labels, class_names=names, soft=soft, notes=(*samples.notes, note)
    )
