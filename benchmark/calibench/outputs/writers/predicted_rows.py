"""PredictedRows: what a map makes of rows of a file, as columns to write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSTAIN_WORD = "abstain"
"""The decision of a rule that gives no class, in tables."""


@dataclass(frozen=True)
class PredictedRows:
    """N rows: calibrated probabilities, labels as they came, the rule's answers and sets, and the other columns of the file."""

    probs: NDArray[np.float64]
    """[N, K], or `[N, Q]` if a sample has Q labels."""
    labels: NDArray[np.int64] | None = None
    """[N], or `[N, Q]`."""
    decisions: NDArray[np.int64] | None = None
    """[N] with -1 for an abstention, or `[N, Q]`; None for a map without a rule."""
    sets: NDArray[np.bool_] | None = None
    class_names: tuple[str, ...] | None = None
    others: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of an `.npz`, by name."""
        named = {"labels": self.labels, "decisions": self.decisions, "sets": self.sets}
        arrays: dict[str, NDArray[Any]] = {"probs": self.probs}
        arrays |= {name: array for name, array in named.items() if array is not None}
        if self.class_names is not None:
            arrays["class_names"] = np.asarray(self.class_names, dtype=np.str_)
        return arrays | {name: array for name, array in self.others.items() if name not in arrays}

    def columns(self) -> dict[str, Any]:
        """The columns of a table, by name: `prob_NAME`, `label`, `decision`, `in_set_NAME`, and the other columns."""
        names = self.class_names or tuple(str(place) for place in range(self.probs.shape[1]))
        prefixed = all(name.startswith("prob") for name in names)
        columns: dict[str, Any] = {
            (name if prefixed else f"prob_{name}"): self.probs[:, place] for place, name in enumerate(names)
        }
        if self.labels is not None and self.labels.ndim == 2:
            columns |= {f"label_{name}": self.labels[:, place] for place, name in enumerate(names)}
        elif self.labels is not None:
            columns["label"] = self.labels if self.class_names is None else self._words(self.labels)
        if self.decisions is not None and self.decisions.ndim == 2:
            columns |= {f"decision_{name}": self.decisions[:, place] for place, name in enumerate(names)}
        elif self.decisions is not None:
            columns["decision"] = self._words(self.decisions)
        if self.sets is not None:
            columns |= {f"in_set_{name}": self.sets[:, place] for place, name in enumerate(names)}
        return columns | {name: values for name, values in self.others.items() if name not in columns}

    def _words(self, classes: NDArray[np.int64]) -> NDArray[Any]:
        """Classes by name, and `abstain` for -1; a class without a name by its index."""
        names = self.class_names or tuple(str(place) for place in range(self.probs.shape[1]))
        words: NDArray[Any] = np.asarray([*names, ABSTAIN_WORD], dtype=object)[classes]
        return words
