"""The options of `calibench evaluate` that name columns of FILE: `--weights` and `--by`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from calibench.outputs.readers import Columns, SamplesFile

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Questions:
    """The columns that the user named; None means not named."""

    weights: str | None = None
    by: str | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns whose combinations are the groups."""
        return tuple(name.strip() for name in (self.by or "").split(",") if name.strip())

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that are named."""
        return (*(() if self.weights is None else (self.weights,)), *self.groups)

    def added_to(self, columns: Columns) -> Columns:
        """`columns` with these columns, which are then no scores."""
        return dataclasses.replace(columns, others=(*columns.others, *self.named))

    def arguments(self, file: SamplesFile) -> Mapping[str, Any]:
        """What `evaluate_samples` takes besides the samples. InputError for a column that is not there."""
        from calibench.evaluation.group_names import groups_of

        found: dict[str, Any] = {}
        if self.weights is not None:
            found["sample_weight"] = file.other(self.weights)
        if self.groups:
            found["groups"] = groups_of({name: file.other(name) for name in self.groups})
        return found

    def options(self) -> dict[str, Any]:
        """The options with their values, for `refuse_with_stream`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def question_options(command: Command) -> Command:
    """The options of this file, which a command gets as one `questions`."""

    @functools.wraps(command)
    def with_questions(*arguments: Any, **options: Any) -> Any:
        names = [field.name for field in dataclasses.fields(Questions)]
        questions = Questions(**{name: options.pop(name) for name in names})
        return command(*arguments, questions=questions, **options)

    options = (
        click.option("--weights", metavar="COLUMN", help="Weigh the samples by this column or array of FILE."),
        click.option(
            "--by",
            metavar="COLUMN,...",
            help="Judge each group as well, worst group first: a column of FILE, or the combinations of several.",
        ),
    )
    decorated: Any = with_questions
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
