"""What `--shift`, `--ood` and `--ood-score` mean: shifts of the test split, OOD sets, and the scores that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from calibench.config.grammar import Bound, bind, parse_piece
from calibench.errors import InputError, did_you_mean
from calibench.plugins.registry import Registry
from calibench.plugins.specs import DatasetSpec

GROUPS = ("near", "far")
ALL = "all"

OOD_SCORES = ("max-softmax", "entropy", "margin", "energy", "max-logit", "max-logit-pnorm")
"""The first is the default; `calibench.outputs.uncertainty` defines them."""


class OodChoice(NamedTuple):
    """A dataset that the user named, or that stands among the near or far sets of the one trained on (`group`)."""

    bound: Bound
    group: str | None
    stated: frozenset[str] = frozenset()
    """Parameters that the user typed."""

    def document(self) -> dict[str, Any]:
        """As JSON, for the record."""
        return {**self.bound.document(), "group": self.group}


class ShiftAndOod(NamedTuple):
    """What a run is judged on besides its test split; nothing unless it was asked for."""

    shifts: tuple[Bound, ...] = ()
    ood: tuple[OodChoice, ...] = ()
    scores: tuple[str, ...] = ()
    """Of `ood`, none without it."""
    groups: tuple[str, ...] = ()
    """`near`, `far`: those of which every set that the dataset declares is in `ood`, so that a mean may be taken."""

    def document(self) -> dict[str, Any]:
        """As JSON: what was not asked for is not there, so that a run without it is the run it always was."""
        shifts = {"shift": [bound.document() for bound in self.shifts]} if self.shifts else {}
        ood = {"sets": [choice.document() for choice in self.ood], "scores": list(self.scores)}
        return shifts | ({"ood": ood} if self.ood else {})

    @property
    def pieces(self) -> list[Bound]:
        """Every plugin that takes part."""
        return [*self.shifts, *(choice.bound for choice in self.ood)]


TEST_SPLIT_ALONE = ShiftAndOod()


def resolve_shift_and_ood(
    reg: Registry, dataset: Bound, shift: Sequence[str], ood: Sequence[str], ood_score: Sequence[str]
) -> ShiftAndOod:
    """The shifts and OOD sets that these words mean; `near`, `far` and `all` are those that the dataset declares.

    InputError for a name that is not there, for a group that the dataset has none of, and for scores without a set.
    """
    shifts = {bound.text(): bound for text in shift if (bound := _bound(reg, "shift", text)[0])}
    if ood_score and not ood:
        raise InputError(f"--ood-score {ood_score[0]} would do nothing without --ood", "name a set, as in --ood svhn")
    for name in ood_score:
        if name not in OOD_SCORES:
            raise InputError(f"--ood-score {name}: there is no such score", did_you_mean(name, OOD_SCORES))
    sets = {choice.bound.text(): choice for choice in _choices(reg, dataset, ood)}
    scores = tuple(dict.fromkeys(ood_score)) or OOD_SCORES[:1]
    declared = _declared(reg, dataset) if sets else {}
    groups = tuple(group for group, members in declared.items() if members and {m.text() for m in members} <= set(sets))
    return ShiftAndOod(tuple(shifts.values()), tuple(sets.values()), scores if sets else (), groups)


def _declared(reg: Registry, dataset: Bound) -> dict[str, list[Bound]]:
    spec = dataset.spec
    assert isinstance(spec, DatasetSpec)
    texts = dict(zip(GROUPS, (spec.near_ood, spec.far_ood), strict=True))
    return {group: [_bound(reg, "dataset", text)[0] for text in texts[group]] for group in GROUPS}


def _choices(reg: Registry, dataset: Bound, ood: Sequence[str]) -> list[OodChoice]:
    declared = _declared(reg, dataset) if ood else {}
    group_of = {member.text(): group for group, members in declared.items() for member in members}
    found = []
    for text in ood:
        wanted = GROUPS if text == ALL else (text,)
        if text not in {*GROUPS, ALL}:
            bound, stated = _bound(reg, "dataset", text)
            found.append(OodChoice(bound, group_of.get(bound.text()), stated))
            continue
        members = [OodChoice(member, group) for group in wanted for member in declared[group]]
        if not members:
            message = f"--ood {text}: dataset {dataset.name!r} declares no {'' if text == ALL else f'{text} '}OOD set"
            raise InputError(message, "name one, as in --ood svhn or --ood npz:path=FILE")
        found += members
    return found


def _bound(reg: Registry, family: str, text: str) -> tuple[Bound, frozenset[str]]:
    piece = parse_piece(text)
    return bind(reg.get(family, piece.name).spec, piece.values), frozenset(key for key, _ in piece.values)


def ood_metric(figure: str, what: str, score: str) -> str:
    """`ood_auroc_svhn`, `ood_fpr95_near`, and `ood_auroc_svhn_energy` of another score than max-softmax."""
    return _in_a_list(f"ood_{figure}_{what}") + ("" if score == OOD_SCORES[0] else f"_{score}")


def shift_metric(name: str, text: str) -> str:
    """`shift_nll_rotation`, of the mean over a shift's variants."""
    return _in_a_list(f"shift_{name}_{text}")


def _in_a_list(name: str) -> str:
    """A name without the commas that parameters stand between: `--columns` takes names with commas between."""
    return name.replace(",", ";")
