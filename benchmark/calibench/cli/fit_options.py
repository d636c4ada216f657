"""The options of `calibench evaluate` that fit post-hoc stages, or take a map that was fitted earlier."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calibench.cli.complete_names import recipes
from calibench.errors import InputError

if TYPE_CHECKING:
    from calibench.evaluation.stored_outputs import Fit
    from calibench.maps.calibration_map import CalibrationMap
    from calibench.outputs.readers import Columns, SamplesFile

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class FitOptions:
    """The recipe and the samples of a fit, or a map; None means not given."""

    fit: str | None = None
    fit_on: Path | None = None
    cross_fit: int | None = None
    fit_soft: str | None = None
    fit_labels: str | None = None
    map: Path | None = None

    def check(self, files: Sequence[Path]) -> None:
        """InputError for several files to judge beside samples of one classifier, and for a map beside a fit."""
        if len(files) > 1 and self.fit_on is not None:
            message = f"--fit-on {self.fit_on} holds the outputs of one classifier, and there are {len(files)} to judge"
            raise InputError(message, "fit one file at a time")
        if len(files) > 1 and self.fit_soft is not None:
            message = (
                f"--fit-soft {self.fit_soft} holds the shares of one file's rows, and there are {len(files)} files"
            )
            raise InputError(message, "fit one file at a time")
        if self.fit_labels is not None and self.fit_on is None:
            message = f"--fit-labels {self.fit_labels} would do nothing without --fit-on"
            raise InputError(message, "name the samples to fit on: --fit-on VALFILE")

    def options(self) -> dict[str, Any]:
        """The options with their values, for `refuse_with_stream`."""
        return dict(vars(self))

    def fit_file(self, columns: Columns, judged: SamplesFile) -> SamplesFile | None:
        """The samples to fit on, with their classes in the order of the judged ones; None without `--fit-on`."""
        from calibench.cli.evaluate_inputs import read_fit_file

        return None if self.fit_on is None else read_fit_file(self.fit_on, columns, self.fit_labels, judged)

    def loaded_map(self) -> CalibrationMap | None:
        """The map of `--map`."""
        if self.map is None:
            return None
        from calibench.maps.calibration_map import load_map

        return load_map(self.map)

    def to_fit(self, files: Sequence[Path], fit_file: SamplesFile | None, fitted: CalibrationMap | None) -> Fit:
        """What `evaluate_samples` fits: the shares are those of the rows to fit on."""
        from calibench.evaluation.stored_outputs import Fit
        from calibench.outputs.readers import read_soft

        shares = None
        if self.fit_soft is not None:
            shares = read_soft(files[0] if self.fit_on is None else self.fit_on, self.fit_soft)
        return Fit(self.fit, None if fit_file is None else fit_file.samples, self.cross_fit, shares, fitted)


def fit_options(command: Command) -> Command:
    """The options of this file, which a command gets as one `fitting`."""

    @functools.wraps(command)
    def with_fit(*arguments: Any, **options: Any) -> Any:
        names = ("fit", "fit_on", "cross_fit", "fit_soft", "fit_labels", "map")
        return command(*arguments, fitting=FitOptions(**{name: options.pop(name) for name in names}), **options)

    options = (
        click.option(
            "--fit",
            metavar="RECIPE",
            shell_complete=recipes,
            help="Post-hoc stages to try, such as temperature; auto takes what the advice names.",
        ),
        click.option(
            "--fit-on",
            type=click.Path(path_type=Path),
            metavar="VALFILE",
            help="Samples to fit on: others than those judged.",
        ),
        click.option(
            "--cross-fit",
            type=int,
            metavar="FOLDS",
            help="Fit inside one file instead: each of FOLDS parts is mapped by a fit on the others.",
        ),
        click.option(
            "--fit-soft",
            metavar="NAME",
            help="Fit to labels drawn from people's shares: an array of VALFILE (of FILE with --cross-fit), or a .npy.",
        ),
        click.option(
            "--fit-labels", metavar="NAME|FILE", help="The labels of VALFILE, if they have another name or file."
        ),
        click.option(
            "--map", type=click.Path(path_type=Path), metavar="MAP.json", help="Judge after a map of calibench fit."
        ),
    )
    decorated: Any = with_fit
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
