"""Weights of classes: the word `balanced`, or one number per class; and the shares of classes among the training labels."""

from __future__ import annotations

import math

from calibench import InputError
from calibench.errors import RunError, did_you_mean
from calibench.lazy import torch

BALANCED = "balanced"


class ClassWeights:
    """A parameter whose text is `balanced`, or positive numbers joined by `;`, one per class."""

    def __init__(self, method: str, key: str, text: str) -> None:
        self.where = f"{method}: {key}={text}"
        self.numbers = None if text == BALANCED else self._read(text, f"{method}:{key}")

    def check(self, num_outputs: int) -> None:
        """InputError unless there is one number per class (or per label, where rows have several)."""
        if self.numbers is not None and len(self.numbers) != num_outputs:
            numbers = "1 number" if len(self.numbers) == 1 else f"{len(self.numbers)} numbers"
            message = f"{self.where} has {numbers} for {num_outputs} classes"
            raise InputError(message, f"give one per class, in their order, or the word {BALANCED}")

    def of_classes(self, labels: torch.Tensor, num_classes: int) -> torch.Tensor:
        """The numbers; for `balanced` `N / (K n_k)`, from N training labels with n_k of class k. `[K]` float64.

        RunError for `balanced` if a class has no training row.
        """
        if self.numbers is not None:
            return torch.tensor(self.numbers, dtype=torch.float64, device=labels.device)
        return 1 / (num_classes * class_shares(labels, num_classes, self.where))

    def of_positives(self, labels: torch.Tensor, num_outputs: int) -> torch.Tensor:
        """The numbers; for `balanced` the negatives divided by the positives of each output. `[Q]` float64.

        `labels` are class indices `[N]`, or 0 and 1 `[N, Q]`. RunError for `balanced` if an output has no positive, or no
        negative.
        """
        if self.numbers is not None:
            return torch.tensor(self.numbers, dtype=torch.float64, device=labels.device)
        if labels.ndim == 1:
            shares = class_shares(labels, num_outputs, self.where)
        else:
            shares = labels.double().mean(dim=0)
            refuse_absent(shares == 0, self.where, "label", "positive training row")
        refuse_absent(shares == 1, self.where, "output", "negative training row")
        return (1 - shares) / shares

    def figures(self, name: str, weights: torch.Tensor | None) -> dict[str, list[float]]:
        """The weights for the record, under `name`, if they followed from the counts; nothing if the user gave them."""
        return {} if weights is None or self.numbers is not None else {name: weights.tolist()}

    def _read(self, text: str, example: str) -> tuple[float, ...]:
        try:
            numbers = tuple(float(number) for number in text.split(";"))
        except ValueError:
            near = did_you_mean(text, (BALANCED,))
            hint = near if near.startswith("did") else f"write one per class, as in {example}=1;20, or {BALANCED}"
            raise InputError(f"{self.where} is neither numbers joined by ';' nor the word {BALANCED}", hint) from None
        if not all(0 < number < math.inf for number in numbers):
            raise InputError(f"{self.where} has a weight that is not positive", "give positive, finite numbers")
        return numbers


def class_shares(labels: torch.Tensor, num_classes: int, where: str) -> torch.Tensor:
    """The share of each class among the training labels `[N]`; `[K]` float64, all > 0. RunError that names an absent class."""
    counts = labels.bincount(minlength=num_classes).double()
    refuse_absent(counts == 0, where, "class", "training row")
    return counts / len(labels)


def refuse_absent(absent: torch.Tensor, where: str, kind: str, what: str) -> None:
    """RunError that names the first of the classes or labels that are `absent [K]`, if there are any."""
    places = absent.nonzero().flatten().tolist()
    if places:
        named = ", ".join(map(str, places[:5])) + (", ..." if len(places) > 5 else "")
        message = f"{where}: {kind} {named} has no {what}, and the weights follow from the counts"
        raise RunError(message, "give training rows of every class, or use ce, or weights that are numbers")
