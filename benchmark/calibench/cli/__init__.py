"""The command line: one command a file, imported when it is called. Only commands that compute import torch, inside the command."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

try:
    import click

    from calibench.cli.completion import install_option, show_option
    from calibench.cli.output import is_first_process, to_stderr
    from calibench.cli.plugin_option import plugin_option
    from calibench.errors import CalibenchError, CalibenchNote, NoTorchError, did_you_mean, lacks_torch
    from calibench.version import __version__
except KeyboardInterrupt:  # before `main` there is nobody else to catch it
    sys.stderr.write("error: interrupted\n")
    raise SystemExit(130) from None

SPIN = "10000"
"""The number of spins of an idle OpenMP thread before it sleeps. With libgomp's default a stage 2 on two threads is 2 to 20 times
slower while another process wants a core. This number keeps the speed of a quiet machine (.67 s an epoch; 1.38 s without
spinning) and loses less on a busy one, where `--threads 1` is better still."""

COMMANDS = (
    *("apply", "bench", "compare", "curves", "doctor", "evaluate", "export", "fit", "gate", "help", "leaderboard"),
    *("list", "plugin"),
    *("predict", "report", "results", "run", "show", "site", "submit", "sweep", "thresholds", "verify", "winrates"),
)  # fmt: skip
"""The commands: each is the function of its name in the file of its name; `list_` in list.py, `help_` in help.py."""

TRACEBACK_VARIABLE = "CALIBENCH_TRACEBACK"
"""If set, an error ends with Python's traceback instead of a message and a hint."""


class _ReaderGoneError(Exception):
    """A broken pipe under a name that click does not know. Click and rich end a BrokenPipeError with exit code 1."""


@contextmanager
def _past_click() -> Iterator[None]:
    """Rename a broken pipe inside the block, so that it reaches `main`."""
    try:
        yield
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
            raise _ReaderGoneError from error
        raise


class _Group(click.Group):
    """A group that imports the file of a command when it is asked for, and suggests the nearest command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]  # `list` is a module of this package

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"calibench.cli.{cmd_name}")
        command: click.Command = getattr(module, f"{cmd_name}_" if cmd_name in ("help", "list") else cmd_name)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _past_click():  # --help and --version print here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _past_click():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.UsageError(f"there is no command {args[0]!r}; {did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@install_option
@show_option
@click.version_option(__version__, prog_name="calibench")
@plugin_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Can I trust this classifier's confidence? Benchmark calibration methods, or judge stored outputs.

    \b
    calibench evaluate test.csv --plot out.svg       judge stored probabilities
    calibench fit val.csv -o map.json                fit a calibration map
    calibench apply map.json test.csv -o fixed.csv   write calibrated ones
    calibench thresholds val.csv --target-risk .02   how sure must an answer be?
    calibench gate fixed.csv --max ece15=0.03        exit code 1 unless shown: CI
    calibench run --method vtst                      train, refit, judge, record
    calibench predict RUN_ID rows.npz -o out.npz     predict by an ended run
    calibench leaderboard                            rank the recorded runs
    calibench compare ce vtst                        two recipes, figure by figure
    calibench show vtst                              parameters, equation, paper
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main() -> None:
    """Run the command line. Exit code 0: done; 2: the user's mistake; 1: a run failed; 130: interrupted."""
    warnings.showwarning = _show_warning
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN)
    try:
        code = cli.main(prog_name="calibench", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f"try '{context.command_path} --help'" if context is not None else "try 'calibench --help'"
        code = _fail(error.format_message(), hint, 2)
    except CalibenchError as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        code = _fail(error.message, error.hint, error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C finds the process at its end
        stored = "finished stages are stored; run the same command again to continue" if "run" in sys.argv[1:2] else ""
        code = _fail("interrupted", stored, 130)
    except (_ReaderGoneError, BrokenPipeError):
        # Nobody reads our output any more, as in `calibench list methods | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        hint = f"this is a bug in calibench or a plugin; set {TRACEBACK_VARIABLE}=1 to see where"
        message, code = f"{type(error).__name__}: {error}", 1
        if lacks_torch(error):
            missing = NoTorchError("this command")
            message, hint, code = missing.message, missing.hint, missing.exit_code
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            message, hint = "no space is left on the device", "free some, and run the same command again"
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where the rest would fail again
        code = _fail(message, hint, code)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, hint: str, code: int) -> int:
    """Print an error and its hint on standard error; return the exit code."""
    if not is_first_process():
        if code == 2:  # the first process makes the same mistake, and prints it
            return code
        message = f"rank {os.environ['RANK']}: {message}"
    to_stderr(f"error: {message}")
    if hint:
        to_stderr(f"hint: {hint}")
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if is_first_process():
        to_stderr(f"{'note' if issubclass(category, CalibenchNote) else 'warning'}: {message}")
