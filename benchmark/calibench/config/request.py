"""RunRequest: the options of runs as the user wrote them, before any name is looked up."""

from __future__ import annotations

from dataclasses import dataclass

from calibench.plugins.specs import Spec


@dataclass(frozen=True)
class RunRequest:
    """Recipes, seeds and parts of runs as the command line or a program states them. None and () mean: not stated.

    `epochs` is short for `OBJECTIVE.epochs=N` in `settings`, `compile` for `OBJECTIVE.compile=true`. `select` sets the checkpoint
    of every stage that trains.
    """

    methods: tuple[str, ...] = ()
    """Recipes, as in `ce+temperature`."""
    seeds: tuple[int, ...] = ()
    dataset: str | Spec | None = None
    model: str | Spec | None = None
    noise: str | None = None
    epochs: int | None = None
    select: str | None = None
    settings: tuple[str, ...] = ()
    """`part.key=value` each, as `--set` takes them."""
    device: str = "cpu"
    compile: bool = False
    shift: tuple[str, ...] = ()
    ood: tuple[str, ...] = ()
    ood_score: tuple[str, ...] = ()
