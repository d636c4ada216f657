"""`calibench predict RUN_ID FILE`: calibrated probabilities and decisions of new rows, by a run that has ended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibench.cli.file_options import results_option, rows_output_option
from calibench.cli.option_sections import SectionedCommand
from calibench.cli.output import plugin_output_to_stderr, print_line, stdout, warn_about_broken_plugins
from calibench.cli.plugin_option import plugin_option

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibench.outputs.writers.predicted_rows import PredictedRows


@click.command(cls=SectionedCommand, short_help="Predict new rows by a run that has ended.")
@click.argument("run_id", metavar="RUN_ID")
@click.argument("file", type=click.Path(path_type=Path))
@rows_output_option
@results_option
@click.option("--data-dir", type=click.Path(path_type=Path), help="The folder of published datasets.")
@plugin_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def predict(run_id: str, file: Path, output: Path, results: Path, data_dir: Path | None, quiet: bool) -> None:
    """Predict the rows x [N, ...] in FILE (.npz with x, and y if there are labels; or .npy) by the trained pipeline of a run.

    RUN_ID may be the beginning of an id. OUT has calibrated probabilities, the decisions and sets of a rule, and the labels y, so
    that calibench evaluate OUT judges it.

    \b
    calibench run --method vtst+temperature -d digits
    calibench predict digits-mlp-ce+vtst new.npz -o out.npz
    """
    from calibench.outputs.writers import checked_output, write_rows
    from calibench.plugins.discovery import registry
    from calibench.runs.load_run import load_run

    warn_about_broken_plugins(registry())
    target = checked_output(output, file)
    x, y = _rows_of(file)
    with plugin_output_to_stderr():
        run = load_run(run_id, results, data_dir=data_dir)
        mapped = run.predict(x).with_labels(run.checked_labels(y, len(x)))
        write_rows(target, iter([mapped]), len(x))
    if not quiet:
        print_line(stdout(), _summary(mapped, run.record.recipe, output))


def _rows_of(file: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """x and y (None if there is no y). InputError for another kind of file, or for one without x."""
    from calibench.data.numpy_files import read_npy, read_npz
    from calibench.errors import InputError

    if file.suffix.lower() == ".npy":
        return read_npy(file), None
    arrays = read_npz(file)
    if "x" not in arrays:
        message = f"{file} has no array x: it has {', '.join(sorted(arrays)) or 'none'}"
        raise InputError(message, "np.savez(file, x=rows), with y=labels if there are any")
    return arrays["x"], arrays.get("y")


def _summary(mapped: PredictedRows, recipe: str, output: Path) -> str:
    n, decisions = len(mapped.probs), mapped.decisions
    line = f"{output}: {n} rows predicted by {recipe}"
    abstained = 0 if decisions is None else int((decisions == -1).sum())
    return f"{line}; the rule abstains on {abstained} of them" if abstained else line
