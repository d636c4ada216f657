"""The operators of torch.ops.calibench and calibench._C that this package calls; another signature shows a stale build."""

from __future__ import annotations

from calibench.lazy import torch

OPS: dict[str, str] = {
    "calibration_stats": "Tensor scores, Tensor labels, int bins, bool from_probs, bool return_samples -> 4",
    "calibration_update": (
        "Tensor(a!) state, Tensor(b!) fault, Tensor scores, Tensor labels, int bins, bool from_probs -> 0"
    ),
    "classwise_stats": ("Tensor scores, Tensor labels, Tensor edges, int bins, bool from_probs, float threshold -> 2"),
    "softmax_threshold": "Tensor logits, Tensor thresholds, bool strict -> 3",
    "softmax_threshold_sets": "Tensor logits, Tensor thresholds, bool strict -> 3",
    "sigmoid_threshold": "Tensor logits, Tensor thresholds, bool strict -> 3",
    "nll_curve": "Tensor logits, Tensor labels, Tensor log_temperatures -> 2",
    "bootstrap_bins": "Tensor confidence, Tensor correct, int bins, int resamples, int seed -> 2",
}
"""Arguments and number of returned tensors of every operator of a complete extension (csrc/library.cpp)."""

JUDGING_OPS: dict[str, str] = {
    "resample_counts": "Tensor like, int samples, int first, int resamples, int seed -> 1",
    "resample_sums": "Tensor counts, Tensor places, List[Tensor] columns, Tensor ends -> 1",
    "resample_risks": "Tensor counts, Tensor places, Tensor wrong, Tensor ends -> 1",
    "resample_group_sums": "Tensor counts, Tensor places, List[Tensor] columns, Tensor ends -> 1",
    "resample_class_errors": "Tensor counts, Tensor entries, Tensor gaps, Tensor cell_ends, Tensor totals -> 1",
    "gap_sizes": "Tensor labels, Tensor offset, Tensor factor -> 1",
    "class_table": "Tensor scores, bool from_probs, int bins, Tensor factors, Tensor rows, bool list -> 5",
    "label_draws": "Tensor scores, bool from_probs, int bins, Tensor factors, Tensor rows, Tensor cells, int num_cells, "
    "int first, int draws, int seed -> 2",
    "resample_class_gaps": "Tensor counts, Tensor places, Tensor scores, Tensor labels, bool from_probs -> 1",
}
"""The same for the operators of judging, which no traced program calls: they have no fakes."""


def kinds(signature: str) -> str:
    """A signature without the names of its arguments, in the notation of `calibench._C.signatures`: `Tensor, int -> 1`."""
    arguments, outputs = signature.split(" -> ")
    return f"{', '.join(argument.split()[0].partition('(')[0] for argument in arguments.split(', '))} -> {outputs}"


def registered_signature(op: str) -> str | None:
    """Signature of the loaded operator, in the notation of `OPS`; None if there is none of this name."""
    packet = getattr(torch.ops.calibench, op, None)
    if packet is None:
        return None
    schema = packet.default._schema
    arguments = (f"{_type(argument)} {argument.name}" for argument in schema.arguments)
    return f"{', '.join(arguments)} -> {len(schema.returns)}"


def _type(argument: torch.Argument) -> str:
    alias = argument.alias_info
    if alias is None:
        return str(argument.type)
    names = "".join(sorted(name.rpartition("::")[2] for name in alias.before_set))
    return f"{argument.type}({names}{'!' if alias.is_write else ''})"
