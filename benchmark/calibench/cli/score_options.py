"""`--logits`, `--probs` and `--labels`: the options that name the scores and labels in a file."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

NAMES = ("logits", "probs", "labels")


def score_options(command: Command) -> Command:
    """The three options, which a command gets as `columns`, a `calibench.outputs.readers.Columns`."""

    @functools.wraps(command)
    def with_columns(*args: Any, **options: Any) -> Any:
        from calibench.outputs.readers import Columns

        columns = Columns(*(options.pop(name) for name in NAMES))
        return command(*args, columns=columns, **options)

    helps = {
        "logits": "The array (.npz), or columns or patterns joined by commas, of logits.",
        "probs": "The same for probabilities. Default for tables: all columns but the label.",
        "labels": "The array or column of class indices. Default: labels, or label.",
    }
    option: Any = with_columns
    for name in reversed(NAMES):
        option = click.option(f"--{name}", metavar="NAME", help=helps[name])(option)
    return option  # type: ignore[no-any-return]
