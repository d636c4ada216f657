"""The test split of a stored run, judged again from its predictions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from calibench.lazy import np, torch
from calibench.metrics.bootstrap import Sampling, bootstrap
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.outputs.decisions import Decisions
from calibench.outputs.several_labels import yes_no_outputs
from calibench.outputs.stored_outputs import outputs_of
from calibench.records.record import ResultRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[Any]"]


def judged_again(record: ResultRecord, arrays: Arrays) -> Judged:
    """Outputs, labels, decisions and shares of test as they were judged. KeyError if scores or labels are missing."""
    from_probs = "test.probs" in arrays
    scores = np.ascontiguousarray(arrays["test.probs" if from_probs else "test.logits"])
    several = int(record.data.get("questions", 1)) > 1
    outputs = yes_no_outputs(scores, from_probs) if several else outputs_of(scores, from_probs)
    return Judged(outputs, arrays["test.labels"].reshape(-1), _decisions(arrays), arrays.get("test.soft"))


def replicates_again(record: ResultRecord, arrays: Arrays, metrics: Collection[str]) -> dict[str, NDArray[np.float64]]:
    """The replicates `[B]` of those `metrics` that the record has, from its predictions: those that the run computed."""
    there = {name: spec_and_metric for name, spec_and_metric in load_metrics("all").items() if name in metrics}
    chosen = {name: metric for name, (_, metric) in there.items() if record.metrics.get(name) is not None}
    if not chosen:
        return {}
    judged = judged_again(record, arrays)
    estimates = {name: float(metric.value(judged)) for name, metric in chosen.items()}
    return {name: drawn.values for name, drawn in bootstrap(judged, chosen, estimates, sampling_of(record)).items()}


def sampling_of(record: ResultRecord) -> Sampling:
    """The bootstrap of a record's intervals. KeyError or ValueError if the record does not state it."""
    bootstrap = record.bootstrap
    return Sampling(int(bootstrap["resamples"]), float(bootstrap["level"]), int(bootstrap["seed"]))


def _decisions(arrays: Arrays) -> Decisions | None:
    if "test.decisions" not in arrays:
        return None
    answers = torch.from_numpy(arrays["test.decisions"]).flatten()
    sets, uncertainty, costs = (
        torch.from_numpy(arrays[name]) if (name := f"test.{part}") in arrays else None
        for part in ("sets", "uncertainty", "costs")
    )
    return Decisions(answers, None if sets is None else sets.reshape(len(answers), -1), uncertainty, costs=costs)
