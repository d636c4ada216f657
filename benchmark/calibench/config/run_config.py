"""RunConfig: everything that decides a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibench.config.grammar import Bound
from calibench.config.shift_and_ood import TEST_SPLIT_ALONE, ShiftAndOod

TRAIN = "train"
"""The part of a preset whose settings go to the objective, whichever it is."""

Setting = tuple[str, str, str]
"""Part, key, value as text."""

LONGEST_ID = 160
"""Letters of a run's id before its seed and digits; a file system takes names of 255 bytes."""

_IMPLY_DEFAULT_OBJECTIVE = ("refit", "sampler", "ensemble")
"""Kinds of stages before which the default objective is left out of a recipe's text."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run: recipe, dataset, model, noise, seed, device; every parameter has its value."""

    stages: tuple[Bound, ...]
    dataset: Bound
    model: Bound
    noise: Bound | None
    seed: int
    device: str
    explicit: frozenset[str] = frozenset()
    """`name.key` of the parameters that the user typed, or that a preset sets under [set.NAME]."""
    preset: Mapping[str, Any] | None = None
    """The preset or suite that it came from: `name`, `sha256` of its text, the `changed` settings. It decides no figure."""
    tuned: Mapping[str, Any] | None = None
    """The search that chose its parameters, as the record holds it; None: there was none. It decides no figure."""
    data_fingerprint: str | None = None
    """The fingerprint, before noise, that a suite freezes; a run on other data is refused."""
    shift_and_ood: ShiftAndOod = TEST_SPLIT_ALONE
    """Shifts and OOD sets that the run is judged on besides its test split."""

    @property
    def objective(self) -> Bound:
        """The first stage."""
        return self.stages[0]

    @property
    def parts(self) -> list[Bound]:
        """Everything that a plugin brings to this run: stages, dataset, model, noise, shifts, OOD sets and scores."""
        noise = [self.noise] if self.noise else []
        return [*self.stages, self.dataset, self.model, *noise, *self.shift_and_ood.parts, *self.shift_and_ood.scores]

    @property
    def comes_trained(self) -> bool:
        """True if the model always comes trained or has a checkpoint: stage 1 then trains nothing."""
        return self.model.spec.comes_trained or self.model.params.get("checkpoint") is not None

    def of_kind(self, kind: str) -> tuple[Bound, ...]:
        """The stages of one kind."""
        return tuple(stage for stage in self.stages if stage.spec.kind == kind)

    @property
    def recipe(self) -> str:
        """The shortest recipe that means the same: `vtst` for `ce+vtst`, since a head refit implies the default objective."""
        texts = [stage.text() for stage in self.stages]
        implied = (
            self.objective.spec.default
            and texts[0] == self.objective.name
            and any(self.of_kind(kind) for kind in _IMPLY_DEFAULT_OBJECTIVE)
        )
        return "+".join(texts[1:] if implied else texts)

    def document(self) -> dict[str, Any]:
        """The whole configuration as JSON."""
        return {
            "recipe": self.recipe,
            "stages": [{"kind": stage.spec.kind, **stage.document()} for stage in self.stages],
            "dataset": self.dataset.document(),
            "model": self.model.document(),
            "noise": None if self.noise is None else self.noise.document(),
            "seed": self.seed,
            "device": self.device,
            **self.shift_and_ood.document(),
        }

    def run_id(self, data_fingerprint: str) -> str:
        """A readable name with twelve hex digits of SHA-256 over the configuration and the data's fingerprint."""
        return run_id_of(self.document(), data_fingerprint)


def run_id_of(document: Mapping[str, Any], data_fingerprint: str) -> str:
    """The id of the run with this configuration's document. KeyError or TypeError for a document of another form."""
    names = "+".join(stage["name"] for stage in document["stages"])
    front = f"{document['dataset']['name']}-{document['model']['name']}-{names}"[:LONGEST_ID]
    return f"{front}-s{document['seed']}-{id_of(document, data_fingerprint)}"


def id_of(document: Mapping[str, Any], data_fingerprint: str) -> str:
    """Twelve hex digits of SHA-256 over a configuration's document and the data's fingerprint."""
    text = json.dumps([document, data_fingerprint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
