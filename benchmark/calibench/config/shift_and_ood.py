"""From `--shift`, `--ood` and `--ood-score` to shifts of the test split, OOD sets, and the scores that tell OOD rows apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from calibench.config.grammar import Bound, bind, parse_piece
from calibench.errors import InputError
from calibench.plugins.registry import Registry
from calibench.plugins.specs import DatasetSpec

GROUPS = ("near", "far")
ALL = "all"

DEFAULT_SCORE = "max-softmax"
"""The OOD score that ranks rows if the user names none; its name is left out of the names of figures."""


class OodChoice(NamedTuple):
    """An OOD set that the user named, or one of the near or far sets that the dataset declares (`group`)."""

    bound: Bound
    group: str | None
    explicit: frozenset[str] = frozenset()
    """The parameters that the user typed."""

    def document(self) -> dict[str, Any]:
        """As JSON, for the record."""
        return {**self.bound.document(), "group": self.group}


class ShiftAndOod(NamedTuple):
    """The shifts and OOD sets that a run is judged on besides its test split; empty unless the user asks for some."""

    shifts: tuple[Bound, ...] = ()
    ood: tuple[OodChoice, ...] = ()
    scores: tuple[Bound, ...] = ()
    """The scores that rank rows of `ood`; none without an OOD set."""
    groups: tuple[str, ...] = ()
    """`near`, `far`: the groups whose declared sets are all in `ood`, so that a mean may be taken."""

    def document(self) -> dict[str, Any]:
        """As JSON. Empty parts are left out, so that a run without shifts and OOD sets keeps its run_id."""
        shifts = {"shift": [bound.document() for bound in self.shifts]} if self.shifts else {}
        ood = {
            "sets": [choice.document() for choice in self.ood],
            "scores": [_document(score) for score in self.scores],
        }
        return shifts | ({"ood": ood} if self.ood else {})

    @property
    def parts(self) -> list[Bound]:
        """Every shift and OOD set."""
        return [*self.shifts, *(choice.bound for choice in self.ood)]


TEST_SPLIT_ALONE = ShiftAndOod()


def resolve_shift_and_ood(
    registry: Registry, dataset: Bound, shift: Sequence[str], ood: Sequence[str], ood_score: Sequence[str]
) -> ShiftAndOod:
    """The shifts and OOD sets that the words name; `near`, `far` and `all` are those that the dataset declares.

    Raises InputError for an unknown name, for a group of which the dataset declares no set, and for scores without a set.
    """
    shifts = {bound.text(): bound for bound, _ in (_bound(registry, "shift", text) for text in shift)}
    if ood_score and not ood:
        raise InputError(f"--ood-score {ood_score[0]} would do nothing without --ood", "name a set, as in --ood svhn")
    scores = {bound.text(): bound for bound, _ in (_bound(registry, "ood-score", text) for text in ood_score)}
    if ood and not scores:
        scores = {DEFAULT_SCORE: _bound(registry, "ood-score", DEFAULT_SCORE)[0]}
    declared_sets = _declared_sets(registry, dataset) if ood else {}
    sets = {choice.bound.text(): choice for choice in _choices(registry, dataset, ood, declared_sets)}
    members_of = {group: {member.text() for member in members} for group, members in declared_sets.items()}
    groups = tuple(group for group, members in members_of.items() if members and members <= set(sets))
    return ShiftAndOod(tuple(shifts.values()), tuple(sets.values()), tuple(scores.values()), groups)


def _document(score: Bound) -> str | dict[str, Any]:
    """As JSON: the name alone if the score has no parameters."""
    return score.document() if score.spec.params else score.name


def _declared_sets(registry: Registry, dataset: Bound) -> dict[str, list[Bound]]:
    """The OOD sets that the dataset declares, by group."""
    spec = dataset.spec
    assert isinstance(spec, DatasetSpec)
    texts = dict(zip(GROUPS, (spec.near_ood, spec.far_ood), strict=True))
    return {group: [_bound(registry, "dataset", text)[0] for text in texts[group]] for group in GROUPS}


def _choices(
    registry: Registry, dataset: Bound, ood: Sequence[str], declared_sets: dict[str, list[Bound]]
) -> list[OodChoice]:
    group_of = {member.text(): group for group, members in declared_sets.items() for member in members}
    choices = []
    for text in ood:
        if text not in {*GROUPS, ALL}:
            bound, explicit = _bound(registry, "dataset", text)
            choices.append(OodChoice(bound, group_of.get(bound.text()), explicit))
            continue
        groups = GROUPS if text == ALL else (text,)
        members = [OodChoice(member, group) for group in groups for member in declared_sets[group]]
        if not members:
            message = f"--ood {text}: dataset {dataset.name!r} declares no {'' if text == ALL else f'{text} '}OOD set"
            raise InputError(message, "name one, as in --ood svhn or --ood npz:path=FILE")
        choices += members
    return choices


def _bound(registry: Registry, family: str, text: str) -> tuple[Bound, frozenset[str]]:
    """The part that `text` names, and the keys of the parameters in it."""
    piece = parse_piece(text)
    return bind(registry.get(family, piece.name).spec, piece.values), frozenset(key for key, _ in piece.values)


def ood_metric(figure: str, ood_set: str, score: str) -> str:
    """The metric's name: `ood_auroc_svhn`, `ood_fpr95_near`, or `ood_auroc_svhn_energy` for another score than the default."""
    return _without_commas(f"ood_{figure}_{ood_set}" + ("" if score == DEFAULT_SCORE else f"_{score}"))


def shift_metric(name: str, text: str) -> str:
    """The name of the mean over a shift's variants, as in `shift_nll_rotation`."""
    return _without_commas(f"shift_{name}_{text}")


def _without_commas(name: str) -> str:
    """The name with `;` for `,`: `--columns` takes names joined by commas."""
    return name.replace(",", ";")
