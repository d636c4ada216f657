"""The options of `calibench evaluate` that ask about parts of FILE or other files: weights, groups, periods of time, OOD."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calibench.errors import InputError

if TYPE_CHECKING:
    from calibench.metrics.bootstrap import Sampling
    from calibench.outputs.readers import Columns, SamplesFile
    from calibench.progress import Report

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Questions:
    """What the user asked; None means not asked."""

    weights: str | None = None
    by: str | None = None
    by_time: str | None = None
    periods: str | None = None
    ood: tuple[Path, ...] = ()
    ood_score: str | None = None

    def check(self, files: Sequence[Path]) -> None:
        """InputError for options that would do nothing, or that are for one file alone."""
        if self.by is not None:
            self._check_groups(self.by)
        if self.periods is not None and self.by_time is None:
            raise InputError(f"--periods {self.periods} would do nothing without --by-time", "name the column of times")
        if self.ood_score is not None and not self.ood:
            raise InputError(f"--ood-score {self.ood_score} would do nothing without --ood", "name a file: --ood FILE")
        if self.ood and self.weights is not None:
            raise InputError("--ood counts all rows alike, and --weights weighs them", "ask one after the other")
        alone = [f"--{name.replace('_', '-')}" for name in ("by", "by_time", "ood") if getattr(self, name)]
        if len(files) > 1 and alone:
            message = f"{alone[0]} judges the samples of one file, and there are {len(files)}"
            raise InputError(message, "judge one file at a time")

    def _check_groups(self, by: str) -> None:
        """InputError if `--by` names no column, or one twice."""
        if not self.groups:
            raise InputError(
                f"--by {by!r} names no column", "name one, as --by hospital, or several: --by hospital,sex"
            )
        twice = next((name for name in self.groups if self.groups.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"--by names the column {twice!r} twice", "name each column once")

    @property
    def groups(self) -> tuple[str, ...]:
        """The columns whose combinations are the groups."""
        return tuple(name.strip() for name in (self.by or "").split(",") if name.strip())

    @property
    def named(self) -> tuple[str, ...]:
        """All columns that are named, but for those of scores, which may be other names."""
        return (*(name for name in (self.weights, self.by_time) if name is not None), *self.groups)

    def added_to(self, columns: Columns) -> Columns:
        """`columns` with these columns, which are then no scores."""
        from calibench.outputs.ood_scores import SPECS

        known = {spec.name for spec in SPECS}
        stored = [name for name in self.ood_scores if name.partition(":")[0] not in known]
        return dataclasses.replace(columns, others=(*columns.others, *self.named, *stored))

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that are named and used."""
        return (*self.named, *self.ood_scores)

    @property
    def ood_scores(self) -> tuple[str, ...]:
        """The scores of `--ood-score`."""
        return tuple(name.strip() for name in (self.ood_score or "").split(",") if name.strip())

    def arguments(self, file: SamplesFile) -> Mapping[str, Any]:
        """What `evaluate_samples` takes besides the samples. InputError for a column that is not there."""
        from calibench.evaluation.group_names import groups_of
        from calibench.evaluation.parts import Parts
        from calibench.evaluation.periods import periods_of
        from calibench.metrics.sample_weight import checked_weights

        groups = groups_of({name: file.other(name) for name in self.groups}) if self.groups else None
        times = None if self.by_time is None else periods_of(self.by_time, file.other(self.by_time), self.periods)
        weights = None
        if self.weights is not None:
            column = file.other(self.weights)
            weights = checked_weights(column, len(column), f"--weights {self.weights}")
        return {"parts": Parts(groups, times), "sample_weight": weights}

    def ood_rows(self, file: SamplesFile, columns: Columns, sampling: Sampling, report: Report) -> Any:
        """The entry `ood` of the record; None without `--ood`."""
        from calibench.evaluation.stored_ood import judge_ood_files

        return judge_ood_files(file, self.ood, columns, self.ood_scores, sampling, report) if self.ood else None

    def options(self) -> dict[str, Any]:
        """The options with their values, for `refuse_with_stream`."""
        return {field.name: getattr(self, field.name) or None for field in dataclasses.fields(self)}


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
        click.option(
            "--by-time",
            metavar="COLUMN",
            help="Test for drift and judge each period: a column of numbers or ISO dates.",
        ),
        click.option(
            "--periods",
            metavar="UNIT",
            help="The periods of --by-time: year, quarter, month, week, day, or their number.",
        ),
        click.option(
            "--ood",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Outputs for rows unlike the training data: how well are they told from FILE's? May be given again.",
        ),
        click.option(
            "--ood-score",
            metavar="NAME,...",
            help="What tells them apart: max-softmax, entropy, margin, energy, ..., or a column that both files have.",
        ),
    )
    decorated: Any = with_questions
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
