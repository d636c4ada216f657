"""The fitted chain of a map as `calibench run` and `calibench evaluate --fit` apply it: exact for every method, with torch."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from calibench.errors import InputError
from calibench.maps.document import MapDocument
from calibench.maps.stage_entries import Stages
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.outputs.stored_outputs import StoredOutputs
from calibench.recipe.posthoc import PostHoc
from calibench.seeds import seeded


class Chain:
    """The stages of a map with their learned values."""

    def __init__(self, document: MapDocument, stages: Stages) -> None:
        self.document, self.stages = document, stages
        names = () if document.class_names is None else tuple(document.class_names)
        self.posthoc = PostHoc(stages.bound, document.classes, document.labels_per_sample, class_names=names)
        self.posthoc.restore(stages.fitted)

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        """Inside the block, rules that draw at random start where the fit ended, as in `evaluate --fit`."""
        with seeded(self.document.seed):
            if self.document.random_state is not None:
                restore_state(self.document.random_state)
            yield

    def judged(self, outputs: Outputs) -> tuple[Outputs, Decisions | None]:
        """The calibrated outputs and the rule's decisions (None without a rule), inside `drawing`."""
        return self.posthoc.judged(tensor_outputs(outputs))

    @property
    def adapted(self) -> dict[str, dict[str, Any]]:
        """By stage, the values that calibrators took from the rows that were mapped last."""
        return {name: values for name, values in self.posthoc.adapted.items() if values}


def tensor_outputs(outputs: Outputs) -> Outputs:
    """The same outputs as a tensor."""
    if isinstance(outputs, StoredOutputs):
        return Outputs(outputs.scores, outputs.from_probs, labels_per_sample=outputs.labels_per_sample)
    return outputs


def state_after_fit(seed: int) -> str | None:
    """The state of torch's generator as text, if it was used since `seeded(seed)` began; else None."""
    now = torch.get_rng_state()
    with seeded(seed):
        fresh = torch.equal(now, torch.get_rng_state())
    return None if fresh else base64.b64encode(now.numpy().tobytes()).decode("ascii")


def restore_state(text: str) -> None:
    """Set the state that `state_after_fit` returned."""
    try:
        state = torch.frombuffer(bytearray(base64.b64decode(text, validate=True)), dtype=torch.uint8)
        torch.set_rng_state(state)
    except (ValueError, RuntimeError) as error:
        message = f"the map's random state does not fit torch {torch.__version__} ({error})"
        raise InputError(message, "fit the map again with this version") from None
