"""The options of `calibench evaluate` that draw: `--plot`, `--plot-kind` and `--report`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calibench.cli.output import to_stderr
from calibench.errors import InputError

if TYPE_CHECKING:
    from calibench.evaluation.evaluation_record import EvaluationRecord

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT = "reliability"


@dataclass(frozen=True)
class PictureFiles:
    """What is drawn, and where to; None means nothing."""

    plot: Path | None = None
    plot_kind: str | None = None
    report: Path | None = None

    def check(self, stream: bool) -> None:
        """InputError, before anything is judged, for files that cannot be drawn and pictures that there are not."""
        from calibench.report.diagram import check_plot
        from calibench.report.pictures import kinds_of

        if self.plot_kind is not None and self.plot is None:
            raise InputError(f"--plot-kind {self.plot_kind} would do nothing without --plot", "add --plot OUT.svg")
        if self.plot is not None:
            check_plot(self.plot)
        if self.report is not None:
            from calibench.report.html_page import check_report

            check_report(self.report)
        kinds = kinds_of(DEFAULT if self.plot_kind is None else self.plot_kind)
        if stream and (kinds != [DEFAULT] or self.report is not None):
            what = "--report" if self.report is not None else f"--plot-kind {self.plot_kind}"
            message = f"{what} draws single samples, and --stream keeps none"
            raise InputError(message, "leave out --stream, or draw --plot alone")

    def draw(self, records: Mapping[Path, EvaluationRecord], quiet: bool) -> None:
        """Draw the pictures and the page of all records."""
        from calibench.evaluation.drawn_record import draw_records, report_records

        if self.plot is not None:
            draw_records(records, DEFAULT if self.plot_kind is None else self.plot_kind, self.plot)
            self._wrote(self.plot, quiet)
        if self.report is not None:
            report_records(records, self.report)
            self._wrote(self.report, quiet)

    def _wrote(self, path: Path, quiet: bool) -> None:
        if not quiet:
            to_stderr(f"wrote {path}")


def picture_options(command: Command) -> Command:
    """The options of this file, which a command gets as one `pictures`."""

    @functools.wraps(command)
    def with_pictures(*arguments: Any, **options: Any) -> Any:
        names = ("plot", "plot_kind", "report")
        return command(*arguments, pictures=PictureFiles(**{name: options.pop(name) for name in names}), **options)

    options = (
        click.option(
            "--plot",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="OUT.svg",
            help="Draw the reliability diagram, or the pictures of --plot-kind (.svg, .png, .pdf).",
        ),
        click.option(
            "--plot-kind",
            metavar="KIND,...",
            help="reliability, corp (both also of a class, as corp:1, or corp:all), confidence, risk-coverage, groups, periods.",
        ),
        click.option(
            "--report",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="OUT.html",
            help="Write one self-contained page: verdict, tables and pictures.",
        ),
    )
    decorated: Any = with_pictures
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
