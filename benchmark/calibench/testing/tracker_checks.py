"""Checks of a tracker: it can be built, and it has hooks that runs call."""

from __future__ import annotations

import contextlib
import tempfile

from calibench.errors import CalibenchError, InputError
from calibench.plugins.listeners import listener_of
from calibench.testing.any_item import Item, code_counts, documented, pickles, typed
from calibench.testing.verdict import Check, DoesNotApplyError, FailsError


def hooks(item: Item) -> str:
    """It is built as `--track` builds it, in an empty folder, and has lifecycle hooks. Nothing is logged.

    Does not apply if it refuses, as where its package is not installed.
    """
    own, target = item.own_parameters(), item.target
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        try:
            tracker = target(**own)
        except InputError as error:
            raise DoesNotApplyError(error.message) from None
        try:
            listener = listener_of(item.title, tracker)
        except CalibenchError as error:
            raise FailsError(error.message, error.hint) from None
    return ", ".join(sorted(listener.functions))


def spec_pickles(item: Item) -> None:
    """The spec pickles."""
    pickles(item.spec, "the spec")


CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("hooks", hooks, "let its class take its parameters by their keys"),
    Check("cache key", code_counts),
    Check("pickles", spec_pickles),
)
