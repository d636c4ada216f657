"""Checks of a reader: example files of the plugin, and files that are damaged."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.read import read_samples
from calibench.plugins.discovery import registry
from calibench.plugins.specs import ReaderSpec
from calibench.testing.any_item import Item, code_counts, documented, typed
from calibench.testing.verdict import Check, DoesNotApplyError, FailsError
from calibench.testing.watch import Watch, refuse_seeding

MOST_EXAMPLES = 5
DAMAGED = {"an empty file": b"", "zeros": bytes(4096), "text": b"a b c\n1 2\n" * 40, "bytes": bytes(range(256)) * 16}


def _spec(item: Item) -> ReaderSpec:
    assert isinstance(item.spec, ReaderSpec)
    return item.spec


def _examples(item: Item) -> list[Path]:
    """Files of the reader's endings below the plugin's folder."""
    suffixes = tuple(_spec(item).suffixes)
    found = sorted(path for path in item.examples.rglob("*") if path.is_file()) if item.examples is not None else []
    examples = [path for path in found if suffixes and path.name.lower().endswith(suffixes)][:MOST_EXAMPLES]
    if not examples:
        raise DoesNotApplyError(f"there is no example file; put one into tests/, as example{(*suffixes, '')[0]}")
    return examples


def _arrays(item: Item, path: Path) -> dict[str, Any]:
    content = item.target(path, Columns(), **item.own_parameters())
    return dict(content.arrays if isinstance(content, Content) else content)


def endings(item: Item) -> None:
    """No other reader claims one of its endings, unless one of the two knows its files by `marks`."""
    for entry in registry("reader").all("reader"):
        other = entry.spec
        assert isinstance(other, ReaderSpec)
        shared = sorted(set(other.suffixes) & set(_spec(item).suffixes))
        if shared and other.name != item.spec.name and not (_spec(item).marks or other.marks):
            raise FailsError(f"the reader {other.name} ({entry.plugin.distribution}) reads {shared[0]} too")


def examples(item: Item) -> str:
    """Each example holds scores and labels, and is left as it is."""
    sizes = []
    for path in _examples(item):
        before, watch = hashlib.sha256(path.read_bytes()).digest(), Watch()
        watch.call("the reader", _arrays, item, path)
        refuse_seeding(watch)
        if hashlib.sha256(path.read_bytes()).digest() != before:
            raise FailsError(f"it changes {path.name}")
        if any(entry.spec == item.spec for entry in registry("reader").all("reader")):
            sizes.append(f"{path.name}: {len(read_samples(path).outputs)} rows")
    return "; ".join(sizes)


def deterministic(item: Item) -> None:
    """An example read twice gives the same arrays."""
    for path in _examples(item):
        first, again = _arrays(item, path), _arrays(item, path)
        if any(not np.array_equal(np.asarray(first[name]), np.asarray(again[name])) for name in first):
            raise FailsError(f"{path.name}, read twice, gives different arrays")


def damaged(item: Item) -> None:
    """A damaged file raises an exception or gives arrays; it does not end the process."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in DAMAGED.items():
            path = Path(folder) / f"damaged{(*_spec(item).suffixes, '')[0]}"
            path.write_bytes(content)
            try:
                item.target(path, Columns(), **item.own_parameters())
            except (Exception, InputError):
                continue
            except BaseException as error:
                raise FailsError(
                    f"{name} makes it raise {type(error).__name__}", "raise calibench.InputError"
                ) from None


CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("endings", endings, "give it another ending, or `marks`"),
    Check("examples", examples),
    Check("deterministic", deterministic),
    Check("damaged files", damaged),
    Check("cache key", code_counts),
)
