"""Trackers that a user switches on by name, as in `--track tensorboard:dir=runs`: each becomes a listener of the runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from calibench.config.grammar import Bound, bind, parse_piece, who
from calibench.errors import InputError, blaming
from calibench.plugins.discovery import registry
from calibench.plugins.listeners import Listener, listener_of

_STARTED: dict[str, Listener] = {}
"""The trackers of this process by their text."""


def start_trackers(texts: Sequence[str]) -> list[Listener]:
    """New trackers for a command, by their texts.

    InputError for an unknown name or parameter, a text that is given twice, and a package that is not installed.
    """
    twice = next((text for text in texts if list(texts).count(text) > 1), None)
    if twice is not None:
        raise InputError(f"--track {twice} is given twice", "name each tracker once")
    _STARTED.clear()
    return trackers_of(texts)


def trackers_of(texts: Sequence[str]) -> list[Listener]:
    """The trackers of this process; one that is not started yet, as in a worker, starts now."""
    for text in texts:
        if text not in _STARTED:
            _STARTED[text] = _started(text)
    return [_STARTED[text] for text in texts]


def with_absolute_paths(text: str) -> str:
    """The tracker with every path from the root, for a process with another working folder."""
    bound = _bound(text)
    paths = {param.key for param in bound.spec.params if param.type == "path"}
    values = {key: str(Path(str(v)).resolve()) if key in paths and v else v for key, v in bound.params.items()}
    return Bound(bound.spec, values).text()


def _bound(text: str) -> Bound:
    piece = parse_piece(text)
    return bind(registry().get("tracker", piece.name).spec, piece.values)


def _started(text: str) -> Listener:
    bound = _bound(text)
    with blaming(who(bound)):
        return listener_of(who(bound), bound.spec.load()(**bound.own()))
