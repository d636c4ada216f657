"""Checks of OOD scores, presets and suites."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from calibench.config.preset import load_preset
from calibench.config.suite import load_suite
from calibench.plugins.specs import OodScoreSpec
from calibench.stages import OodScore
from calibench.stages.ood_score import OodTask
from calibench.testing.any_item import Item, code_counts, documented, pickles, typed
from calibench.testing.toy import toy_outputs
from calibench.testing.verdict import Check, FailsError
from calibench.testing.watch import Watch, confirmed, refuse_changes, refuse_seeding

FEATURES, ROWS = 5, 60


def _features(seed: int) -> torch.Tensor:
    return torch.randn(ROWS, FEATURES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _scores(item: Item, watch: Watch) -> Any:
    """The scores of toy rows: by their outputs, or by their features after a fit."""
    assert isinstance(item.spec, OodScoreSpec)
    if item.spec.of == "outputs":
        return watch.call("the score", item.target, toy_outputs(ROWS)[0], **item.own_parameters())
    score = item.target(**item.own_parameters())
    if not isinstance(score, OodScore):
        raise FailsError(f"its target makes a {type(score).__name__}", "make it a subclass of calibench.OodScore")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = nn.Linear(FEATURES, 3)
    watch.call("fit", score.fit, OodTask(_features(0), torch.arange(ROWS) % 3, 3, head))
    return watch.call("uncertainty", score.uncertainty, _features(1))


def _watched(item: Item) -> tuple[Any, Watch]:
    def make() -> tuple[Any, Watch]:
        watch = Watch()
        return _scores(item, watch), watch

    scored: tuple[Any, Watch] = item.shared("scores", lambda: confirmed(make), "the score does not run")
    return scored


def one_a_row(item: Item) -> None:
    """One finite number a row."""
    scores = torch.as_tensor(_watched(item)[0])
    if scores.shape != (ROWS,) or not bool(torch.isfinite(scores).all()):
        raise FailsError(f"it returns {list(scores.shape)}, or numbers that are not finite, for {ROWS} rows")


def deterministic(item: Item) -> None:
    """The same rows have the same scores."""
    if not torch.equal(torch.as_tensor(_watched(item)[0]), torch.as_tensor(_scores(item, Watch()))):
        raise FailsError("the same rows have different scores")


def inputs_unchanged(item: Item) -> None:
    """Features and outputs are as before."""
    refuse_changes(_watched(item)[1])


def seeds_untouched(item: Item) -> None:
    """It touches no global generator."""
    refuse_seeding(_watched(item)[1])


def spec_pickles(item: Item) -> None:
    """The spec pickles."""
    pickles(item.spec, "the spec")


def preset_resolves(item: Item) -> str:
    """Its file can be read, and every name in it is known."""
    if item.spec.family == "preset":
        load_preset(item.spec.name)
        return "its file can be read"
    return f"{len(list(load_suite(item.spec.name).configs()))} runs"


SCORE_CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("scores", one_a_row, "return a tensor [n] of finite numbers"),
    Check("deterministic", deterministic),
    Check("inputs unchanged", inputs_unchanged, "work on a copy: tensor.clone()"),
    Check("global seeds", seeds_untouched, "use torch.Generator"),
    Check("cache key", code_counts),
    Check("pickles", spec_pickles),
)
FILE_CHECKS = (Check("documented", documented), Check("file", preset_resolves), Check("pickles", spec_pickles))
