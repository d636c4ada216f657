"""StoredOutputs: outputs that are an array, so that judging a file imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.outputs.arrays import Labels, as_tensor, is_tensor
from calibench.outputs.outputs import Outputs

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


class StoredOutputs(Outputs):
    """Outputs that are an array, such as those of a file: torch is imported when a stage first asks for `scores`."""

    def __init__(self, array: NDArray[Any], from_probs: bool = False, labels_per_sample: int = 1) -> None:
        """`array [N, K]` is float64, float32 or float16."""
        fields = {"from_probs": from_probs, "one_vs_rest": False, "labels_per_sample": labels_per_sample}
        for name, value in {**fields, "_array": array}.items():
            object.__setattr__(self, name, value)

    @property
    def scores(self) -> torch.Tensor:
        """The scores as a tensor, which shares their memory."""
        return as_tensor(self._array)

    @property
    def array(self) -> NDArray[Any]:
        """The scores."""
        return self._array

    def __len__(self) -> int:
        return len(self._array)

    @property
    def num_classes(self) -> int:
        """K, the number of columns."""
        return int(self._array.shape[1])

    @property
    def given(self) -> Any:
        """The array."""
        return self._array

    _array: NDArray[Any]


def tensors_of(outputs: Outputs, labels: Labels) -> tuple[Outputs, torch.Tensor]:
    """The same outputs and labels as tensors, for stages of a recipe."""
    if isinstance(outputs, StoredOutputs):
        outputs = Outputs(outputs.scores, outputs.from_probs, labels_per_sample=outputs.labels_per_sample)
    return outputs, as_tensor(labels)


def outputs_of(scores: Any, from_probs: bool = False, labels_per_sample: int = 1) -> Outputs:
    """Outputs of a tensor or of an array."""
    kind = Outputs if is_tensor(scores) else StoredOutputs
    return kind(scores, from_probs, labels_per_sample=labels_per_sample)
