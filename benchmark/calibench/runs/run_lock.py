"""The lock of a run: of several processes that are asked for one run, one makes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from calibench.cache.lock import locked
from calibench.cache.stage_cache import StageCache
from calibench.errors import RunError
from calibench.runs.identity import Identity
from calibench.runs.options import RunOptions


class RunBusyError(RunError):
    """Another process makes this run now."""


@contextmanager
def run_lock(cache: StageCache, identity: Identity, options: RunOptions) -> Iterator[None]:
    """Hold the lock of a run inside the block, unless nothing is kept. RunBusyError if it is taken and `options.wait` is False."""
    if cache.folder is None:
        yield
        return
    with locked(cache.folder, f"run-{identity.run_id}", wait=options.wait) as held:
        if not held:
            raise RunBusyError(f"another process makes {identity.run_id}", "ask again later")
        yield
