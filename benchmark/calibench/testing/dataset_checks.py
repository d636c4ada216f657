"""Checks of a dataset: its splits, and that it loads the same twice."""

from __future__ import annotations

from calibench.config.grammar import Bound
from calibench.data.arrays import Arrays
from calibench.data.load import load_arrays
from calibench.data.prepare import Data, prepare
from calibench.errors import InputError
from calibench.plugins.params import SPLIT_PARAMS
from calibench.testing.any_item import Item, code_counts, documented, pickles, typed
from calibench.testing.verdict import Check, DoesNotApplyError, FailsError
from calibench.testing.watch import Watch, confirmed, refuse_seeding

SHARES = {param.key: param.default for param in SPLIT_PARAMS}
"""The shares and the seed of splits, at their defaults."""


def _bound(item: Item) -> Bound:
    return Bound(item.spec, {**item.own_parameters(), **SHARES})


def _arrays(item: Item) -> tuple[Arrays, Watch]:
    """The arrays of the dataset, loaded once, watched. Does not apply if its files are not here."""

    def make() -> tuple[Arrays, Watch]:
        watch, bound = Watch(), _bound(item)
        try:
            return watch.call("loading", lambda: load_arrays(bound)), watch
        except InputError as error:
            if "download" in error.hint:
                raise DoesNotApplyError("its files are not on this machine") from None
            raise

    loaded: tuple[Arrays, Watch] = item.shared("arrays", lambda: confirmed(make), "the dataset does not load")
    return loaded


def _data(item: Item) -> Data:
    return prepare(_arrays(item)[0], SHARES, frozenset(), f"dataset {item.spec.name}")


def splits(item: Item) -> str:
    """Its rows become four sound splits, none of which shares a row with another."""
    data = _data(item)
    sizes = ", ".join(f"{name} {len(getattr(data, name))}" for name in ("train", "val", "cal", "test"))
    return f"{data.num_classes} classes; rows: {sizes}"


def loads_the_same(item: Item) -> None:
    """A second load gives the same rows and labels."""
    first = _data(item)
    again = prepare(load_arrays(_bound(item)), SHARES, frozenset(), "the second load")
    if first.fingerprint != again.fingerprint:
        raise FailsError("two loads give different rows, labels or splits")


def dataset_seeds(item: Item) -> None:
    """Loading touches no global generator."""
    refuse_seeding(_arrays(item)[1])


def arrays_pickle(item: Item) -> None:
    """The arrays pickle."""
    pickles(_arrays(item)[0], "its Arrays")


_SEED = "draw from numpy.random.default_rng with a seed of its own parameter"
CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("splits", splits, "docs/guides/plugins.md#datasets says what Arrays hold"),
    Check("deterministic", loads_the_same, _SEED),
    Check("global seeds", dataset_seeds, _SEED),
    Check("cache key", code_counts),
    Check("pickles", arrays_pickle),
)
