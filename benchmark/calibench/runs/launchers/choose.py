"""The launcher that a user names, as in `ray:gpus=0.5`: its function with the parameters filled in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

from calibench.config.grammar import Bound, bind, parse_piece
from calibench.config.run_config import RunConfig
from calibench.errors import InputError
from calibench.plugins.discovery import registry
from calibench.runs.launchers.messages import Event, Workers
from calibench.runs.options import RunOptions

Launch = Callable[[Sequence[RunConfig], RunOptions, Workers], Iterator[Event]]
"""Makes all runs; every one ends in a `Done` or a `Failed`."""

ADDRESS = "address"
"""The parameter that `--address` sets."""


def choose_launcher(text: str | None = None, address: str | None = None) -> Bound:
    """The launcher called `text` with its parameters; None is the default one.

    InputError for an unknown name or parameter, and for an address if the launcher takes none.
    """
    launchers = registry("launcher")
    if text is None:
        spec, values = launchers.default("launcher").spec, []
    else:
        piece = parse_piece(text)
        spec, values = launchers.get("launcher", piece.name).spec, list(piece.values)
    if address is not None:
        if ADDRESS not in {param.key for param in spec.params}:
            others = [e.spec.name for e in launchers.all("launcher") if ADDRESS in {p.key for p in e.spec.params}]
            hint = f"launchers with an address: {', '.join(others) or 'none'}"
            raise InputError(f"--address {address}: the launcher {spec.name!r} has no address", hint)
        if any(key == ADDRESS for key, _ in values):
            raise InputError(f"--address {address}: --launcher {text} has an address already", "keep one of the two")
        values.append((ADDRESS, address))
    return bind(spec, values)


def launch_of(launcher: Bound) -> Launch:
    """The function of a launcher, called with its parameters."""
    return functools.partial(launcher.spec.load(), **launcher.own())
