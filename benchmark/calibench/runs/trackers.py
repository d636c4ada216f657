"""Trackers that a user switches on by name, as in `--track tensorboard:dir=runs`: each becomes a listener of the runs."""

from __future__ import annotations

from collections.abc import Sequence

from calibench.config.grammar import bind, parse_piece, who
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


def _started(text: str) -> Listener:
    piece = parse_piece(text)
    bound = bind(registry().get("tracker", piece.name).spec, piece.values)
    with blaming(who(bound)):
        return listener_of(who(bound), bound.spec.load()(**bound.own()))
