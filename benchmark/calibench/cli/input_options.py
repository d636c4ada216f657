"""The options that say how a file of outputs is read, shared by every command that reads one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from calibench.outputs.readers import Columns

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = (
    click.option("--logits", metavar="NAME", help="The logits: an array, or columns or patterns joined by commas."),
    click.option(
        "--probs",
        metavar="NAME",
        help="The same for probabilities. Default of a table: the columns that can be scores.",
    ),
    click.option(
        "--labels",
        metavar="NAME|FILE",
        help="The true labels: an array or column (default: labels or label), or a file. Several a row: y_a,y_b or y_*.",
    ),
    click.option(
        "--classes", metavar="A,B,...", help="The names of the classes, in the order of the columns of scores."
    ),
    click.option(
        "--positive",
        metavar="CLASS",
        help="The class whose probability a single column holds, where there are two classes.",
    ),
    click.option(
        "--ignore", metavar="LABEL", help="Leave out rows with this label; nan: rows without one. Default: -100."
    ),
    click.option(
        "--combine",
        type=click.Choice(["mean", "logit-mean", "each"]),
        help="Of scores [M, N, K]: the mean of M members' probabilities, of their log-probabilities, or each member alone.",
    ),
    click.option(
        "--class-axis", type=int, metavar="AXIS", help="Which axis of scores such as [B, K, H, W] the classes are."
    ),
    click.option("--truth", metavar="FILE", help="A table with the labels of the rows of FILE."),
    click.option("--on", metavar="COLUMN", help="The column by which --truth is joined, as filename."),
    click.option(
        "--format", metavar="NAME", help="The reader, with its parameters, as in h5:group=adult or lm-eval:filter=none."
    ),
)

NAMES = (
    "logits", "probs", "labels", "classes", "positive", "ignore", "combine", "class_axis", "truth", "on", "format",
)  # fmt: skip
"""The names of the options as arguments."""


def input_options(command: F) -> F:
    """Adds the options to a command, which takes them as `**inputs` and hands them to `columns_of`."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def columns_option(command: F) -> F:
    """Adds the options to a command, which gets them as one `columns`, a `calibench.outputs.readers.Columns`."""

    @functools.wraps(command)
    def with_columns(*arguments: Any, **options: Any) -> Any:
        inputs = {name: options.pop(name) for name in NAMES}
        return command(*arguments, columns=columns_of(inputs), **options)

    decorated: Any = with_columns
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def columns_of(inputs: Mapping[str, Any], others: Sequence[str] = ()) -> Columns:
    """The user's words as `Columns`; `others` are columns that other options name, as weights."""
    from calibench.outputs.readers import Columns

    classes = inputs["classes"]
    return Columns(
        logits=inputs["logits"],
        probs=inputs["probs"],
        label=inputs["labels"],
        positive=inputs["positive"],
        classes=None if classes is None else tuple(name.strip() for name in classes.split(",")),
        ignore=inputs["ignore"],
        combine=inputs["combine"],
        class_axis=inputs["class_axis"],
        truth=inputs["truth"],
        on=inputs["on"],
        format=inputs["format"],
        others=tuple(others),
    )


def reading(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The options beyond the names of scores and labels, which a file read in one pass does not heed; but for the classes."""
    return {name: value for name, value in inputs.items() if name not in ("logits", "probs", "labels", "classes")}
