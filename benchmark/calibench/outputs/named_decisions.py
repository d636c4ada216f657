"""NamedDecisions: the answers, abstentions and sets that a rule gives, by class name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN, Outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class NamedDecisions:
    """The answers of a rule to N rows; without a rule, the most probable class of each."""

    answers: NDArray[np.int64]
    """[N] a class, or -1 where the rule abstains; `[N, Q]` of 0 and 1 if a sample has Q labels."""
    sets: NDArray[np.bool_] | None = None
    """[N, K]: the classes that the rule does not rule out; None for a rule without sets."""
    class_names: tuple[str, ...] | None = None

    @property
    def abstained(self) -> NDArray[np.bool_]:
        """[N]: True where the rule gives no class."""
        mask: NDArray[np.bool_] = self.answers == ABSTAIN
        return mask

    def names(self) -> list[str | None]:
        """The class name of each answer, None for an abstention. InputError where classes have no names."""
        if self.class_names is None or self.answers.ndim == 2:
            raise InputError("the classes have no names to answer with", "use `answers`, the class indices")
        return [None if answer == ABSTAIN else self.class_names[answer] for answer in self.answers.tolist()]


def reordered(columns: NDArray[Any], order: list[int] | None) -> NDArray[Any]:
    """Columns in another order, put back into the caller's."""
    if order is None:
        return columns
    back = np.empty_like(columns)
    back[:, order] = columns
    return back


def named_decisions(
    outputs: Outputs, decisions: Decisions | None, order: list[int] | None, names: tuple[str, ...] | None
) -> NamedDecisions:
    """Decisions as arrays, with classes by their places in the caller's order."""
    answers = outputs.scores.argmax(dim=1) if decisions is None else decisions.answers
    array = answers.cpu().numpy().astype(np.int64)
    if outputs.labels_per_sample > 1:
        array = array.reshape(-1, outputs.labels_per_sample)
        return NamedDecisions(reordered(array, order), None, names)
    if order is not None:
        places = np.asarray([*order, ABSTAIN], dtype=np.int64)  # the last one is that of index -1
        array = places[array]
    sets = None if decisions is None or decisions.sets is None else reordered(decisions.sets.cpu().numpy(), order)
    return NamedDecisions(array, sets, names)
