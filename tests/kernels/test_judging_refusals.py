"""The operators of judging refuse bad arguments: the typed functions, and each check of the operators themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from kernel_backends import each_backend, needs_fused
from kernel_doors import each_door, operator, through
from kernel_judging import cells_of, factors_of, logits
from kernel_refusals import BAD, CASES, GOOD, TYPED

from calibench import kernels
from calibench.errors import InputError


@needs_fused
@each_door
@pytest.mark.parametrize("op", kernels.JUDGING_OPS)
def test_good_arguments_are_taken(door: str, op: str) -> None:
    assert op in BAD
    operator(door, op)(**GOOD[op])


@needs_fused
@each_door
@pytest.mark.parametrize(("op", "changed", "message"), CASES, ids=[f"{op}-{m}" for op, _, m in CASES])
def test_each_operator_refuses_bad_arguments(door: str, op: str, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=f"^calibench: {message}"):
        operator(door, op)(**{**GOOD[op], **changed})


@each_backend
@pytest.mark.parametrize("op", TYPED)
def test_tensors_are_on_one_device(op: str) -> None:
    tensors = {name: value for name, value in GOOD[op].items() if isinstance(value, torch.Tensor | list)}
    for name, tensor in tensors.items():
        elsewhere = [t.to("meta") for t in tensor] if isinstance(tensor, list) else tensor.to("meta")
        with pytest.raises(InputError, match=f"{op}: tensors are on (meta and cpu|cpu and meta)"):
            TYPED[op](**{**tensors, name: elsewhere})
    elsewhere = {
        name: [t.to("meta") for t in v] if isinstance(v, list) else v.to("meta") for name, v in tensors.items()
    }
    with pytest.raises(InputError, match=f"{op}: tensors are on meta"):
        TYPED[op](**elsewhere)
    assert not any(name in kernels.OPS for name in kernels.JUDGING_OPS)


def test_counts_of_numpy_are_on_the_cpu() -> None:
    with pytest.raises(InputError, match="numpy arrays are not on cuda:0"):
        kernels.resample_counts(5, 0, 3, 0, numpy=True, device="cuda:0")  # type: ignore[call-overload]
    assert kernels.resample_counts(5, 0, 3, 0, device=torch.device("cpu")).shape == (5, 16)


@each_backend
@each_door
def test_scores_and_bins_are_checked_first(door: str) -> None:
    good, cells = logits(5, 3), cells_of(5, 2)
    counts = kernels.resample_counts(5, 0, 3, 0)
    for scores, message in (
        (good[0], r"scores have shape \[3\], not \[N, K\]"),
        (good[:, :0], "scores have no classes"),
        (good.long(), "scores have type int64"),
        *([(good.clone().requires_grad_(), "metrics are not differentiable")] if door == "torch" else []),
    ):
        for call in (
            lambda x: through(door, kernels.class_table, x, 15),
            lambda x: through(door, kernels.label_draws, x, 15, cells, 2, first=0, draws=8, seed=0),
            lambda x: through(door, kernels.resample_class_gaps, counts, x, torch.zeros(5).long()),
        ):
            with pytest.raises(InputError, match=message):
                call(scores)
    for bins in (0, 1 << 25, 2.5):
        with pytest.raises(InputError, match="bins is"):
            through(door, kernels.class_table, good, bins, factors=factors_of(3, 15))
        with pytest.raises(InputError, match="bins is"):
            through(door, kernels.label_draws, good, bins, cells, 2, first=0, draws=8, seed=0)
