"""`calibench site`: a static site of boards, from results folders."""

from __future__ import annotations

from pathlib import Path

import click

from calibench.cli.command import Command
from calibench.cli.output import print_line, stdout


@click.command(cls=Command, short_help="Write a static site of the boards in results folders.")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--results",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A results folder, or a folder of such folders as leaderboards/. Repeatable. Default: results.",
)
@click.option("--suite", metavar="NAME", help="The runs of this suite alone.")
@click.option("--metric", help="The metric to rank by. Default: that of the suite, else brier.")
@click.option(
    "--base",
    metavar="RECIPE",
    help="The row to compare with. Default: that of the suite, else the recipe that most extend.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def site(
    out: Path, results: tuple[Path, ...], suite: str | None, metric: str | None, base: str | None, quiet: bool
) -> None:
    """Write a static site into the folder OUT: a page for each board, data set and recipe, which need no network and no script.

    OUT is new, empty, or an earlier site, whose pages are replaced.

    \b
    calibench site site
    calibench site site --results leaderboards
    calibench site site --results results --suite quick-v1
    """
    from calibench.report.progress_bar import progress
    from calibench.runs.site import write_site

    with progress("site", silent=quiet) as report:
        files = write_site(out, results or ("results",), suite, metric=metric, base=base, report=report)
    if not quiet:
        size = sum(file.stat().st_size for file in files)
        print_line(stdout(), f"{out}: {len(files)} files, {size / 1e6:.1f} MB; open {out / 'index.html'}")
