"""Checks of a noise: its labels, drawn from the generator that it gets."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibench.data.noise import Noisy
from calibench.plugins.specs import NoiseSpec
from calibench.testing.any_item import Item, code_counts, documented, typed
from calibench.testing.toy import toy_arrays
from calibench.testing.verdict import Check, FailsError
from calibench.testing.watch import Watch, confirmed, refuse_seeding

Noisily = tuple[np.ndarray[Any, Any], Watch]


def _noisy(item: Item, labels: Any = None, seed: int = 0) -> Noisily:
    """Labels that the noise draws for the toy labels, watched."""
    spec = item.spec
    assert isinstance(spec, NoiseSpec)
    arrays = toy_arrays()
    y = arrays.y.copy() if labels is None else labels
    needs: dict[str, Any] = {"ids": np.arange(len(y)), "x": arrays.x[: len(y)].copy()}
    watch = Watch()
    own: dict[str, Any] = {name: needs[name] for name in spec.needs}
    own |= item.own_parameters()
    drawn = watch.call("the noise", item.target, y, 3, np.random.default_rng(seed), **own)
    return np.asarray(drawn.labels if isinstance(drawn, Noisy) else drawn), watch


def _first_noise(item: Item) -> Noisily:
    drawn: Noisily = item.shared("noise", lambda: confirmed(lambda: _noisy(item)), "the noise does not run")
    return drawn


def valid_labels(item: Item) -> str:
    """As many labels as it got, class indices each."""
    drawn, clean = _first_noise(item)[0], toy_arrays().y
    if drawn.shape != clean.shape or not np.issubdtype(drawn.dtype, np.integer):
        raise FailsError(f"it returns {drawn.dtype} of shape {list(drawn.shape)}, not {len(clean)} integers")
    if drawn.min() < 0 or drawn.max() >= 3:
        raise FailsError(f"it returns the label {int(drawn.min() if drawn.min() < 0 else drawn.max())} of 3 classes")
    return f"{float((drawn != clean).mean()):.0%} of toy labels are wrong"


def noise_is_seeded(item: Item) -> None:
    """One seed of the generator gives one result."""
    if not np.array_equal(_first_noise(item)[0], _noisy(item)[0]):
        raise FailsError("two generators of one seed give different labels")


def noise_leaves_inputs(item: Item) -> None:
    """The labels and rows that it gets are as before."""
    watch = _first_noise(item)[1]
    changed = [text for text in watch.changed if "generator" not in text]
    if changed:
        raise FailsError(changed[0])


def noise_seeds(item: Item) -> None:
    """It touches no global generator."""
    refuse_seeding(_first_noise(item)[1])


def noise_absent_class(item: Item) -> None:
    """Labels of one class alone are no error."""
    _first_noise(item)
    drawn, _ = _noisy(item, np.ones(60, dtype=np.int64))
    if drawn.shape != (60,) or drawn.min() < 0 or drawn.max() >= 3:
        raise FailsError("labels of one class alone give labels outside the classes")


CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("labels", valid_labels, "return a new array of as many class indices"),
    Check("deterministic", noise_is_seeded, "draw from the generator that it gets, and from nothing else"),
    Check("inputs unchanged", noise_leaves_inputs, "work on labels.copy()"),
    Check("global seeds", noise_seeds, "draw from the generator that it gets"),
    Check("absent class", noise_absent_class),
    Check("cache key", code_counts),
)
