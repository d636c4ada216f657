"""What a newcomer types first: `calibench`, `help`, `list`, `show NAME`; and slips that must end in a sentence."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import click
import pytest

from calibench import kernels
from calibench.cli import COMMANDS
from calibench.cli import cli as group
from calibench.cli.list import FAMILIES


def test_without_a_command_the_help_is_printed(cli):
    bare, asked = cli(), cli("--help")
    assert (bare.code, bare.err) == (0, "")
    assert bare.out == asked.out == cli("help").out


@pytest.mark.parametrize("words", [(name,) for name in COMMANDS] + [("bench", "kernels")])
def test_help_is_that_of_the_command(words, cli):
    ran = cli("help", *words)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == cli(*words, "--help").out


def test_help_of_no_command_names_the_nearest(refused):
    refused("help", "rnu", says="there is no command 'rnu'; did you mean 'run'?")
    refused("help", "bench", "kernel", says="did you mean 'kernels'?")
    refused("help", "run", "fast", says="there is no command 'fast'")


def commands(found: click.Command, words: tuple[str, ...] = ()):
    """Every command with its words."""
    yield words, found
    if isinstance(found, click.Group):
        ctx = click.Context(found, info_name="calibench")
        for name in found.list_commands(ctx):
            yield from commands(found.get_command(ctx, name), (*words, name))


@pytest.mark.parametrize(("words", "command"), list(commands(group)))
def test_every_help_has_an_example(words, command, cli):
    """A line that begins with the command, and whose options are all options of that command."""
    lines = [line.strip() for line in cli(*words, "--help").out.splitlines()]
    start = " ".join(("calibench", *words))
    examples = [line for line in lines if line == start or line.startswith(f"{start} ")]
    assert examples, f"{start} --help has no example"
    if not isinstance(command, click.Group):
        known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
        used = {word.partition("=")[0] for line in examples for word in re.findall(r"(?<= )--[a-z][\w-]*", line)}
        assert used <= known | {"--help"}, used - known


def test_list_shows_the_kinds(cli):
    document = cli("list", "--json").document
    assert [row["kind"] for row in document["kinds"]] == list(FAMILIES)
    table = cli("list")
    assert (table.code, table.err) == (0, "")
    for row in document["kinds"]:
        assert row["count"] == len(cli("list", row["kind"], "--json").document["items"])
        line = next(line.split() for line in table.out.splitlines() if line.startswith(f"{row['kind']} "))
        assert line == [row["kind"], str(row["count"]), "calibench", "show", row["example"]]


def test_show_finds_the_kind(cli, refused):
    assert cli("show", "vtst").out == cli("show", "method", "vtst").out
    assert cli("show", "vtst:latent_dim=64", "--json").document == cli("show", "method", "vtst", "--json").document
    assert cli("show", "brier", "--json").document["family"] == "metric"
    assert cli("show", "quick").out == cli("show", "preset", "quick").out
    both = cli("show", "npz")
    assert both.out == cli("show", "dataset", "npz").out + "\n" + cli("show", "reader", "npz").out
    refused("show", "npz", "--json", says="'npz' is a dataset and a reader; --json needs the kind before it")
    refused("show", "vtts", says="nothing is called 'vtts'", hint="did you mean 'vtst'?")
    refused("show", "qqqq", says="nothing is called 'qqqq'", hint="calibench list shows the kinds")
    refused("show", "methods", says="'methods' is a kind, not a name", hint="calibench list methods")
    refused("show", "a", "b", "c", says="show takes a NAME, or a KIND and a NAME, not 3 words")
    refused("show", "metod", "vtst", says="there is no kind 'metod'; did you mean 'method'?")


@pytest.mark.parametrize("threads", [1025, 100_000, 2**31, 10**20])
@pytest.mark.parametrize(
    "command",
    [("run", "-m", "ce"), ("sweep", "quick-v1"), ("bench", "kernels"), ("bench", "judge"), ("bench", "methods")],
    ids=" ".join,
)
def test_too_many_threads_are_refused(command, threads, refused):
    before = kernels.threads()
    refused(
        *command, "--threads", threads, says=f"the number of threads is {threads}, not a whole number from 1 to 1024"
    )
    assert kernels.threads() == before


SLOW = """
import importlib.machinery, signal, sys, time

SLOW = sys.argv.pop(1)

class Slow:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == SLOW else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        print("loading", flush=True)
        time.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start processes that ignore it
sys.meta_path.insert(0, Slow())
from calibench.__main__ import main
main()
"""
"""A process in which one module takes a minute to load."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "words"),
    [("calibench.cli", ()), ("torch", ("run", "-m", "ce", "-q")), ("numpy", ("evaluate", "good.npz"))],
)
def test_ctrl_c_while_modules_load_is_no_traceback(module, words, good, tmp_path):
    started = subprocess.Popen(
        [sys.executable, "-c", SLOW, module, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert started.stdout.readline() == "loading\n"
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)
    assert started.returncode == 130
    assert err.strip().splitlines()[0] == "error: interrupted"
    assert "Traceback" not in err


IN_EXEC = """
import os, signal, sys, time

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ.get("INTERRUPTED"):
            exec("interrupt()", {"interrupt": interrupt})

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupting())
"""
"""A module that interrupts the process inside `exec` of a text, where dataclasses are while a module loads."""


@pytest.mark.parametrize("module", ["calibench.cli", "calibench.cli.list"])
def test_ctrl_c_inside_exec_is_exit_code_130_and_no_signal(module, tmp_path):
    """CPython marks it as unhandled, and `python -m` would end by the signal although it was caught."""
    (tmp_path / "sitecustomize.py").write_text(IN_EXEC)
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    ended = subprocess.run(
        [sys.executable, "-m", "calibench", "list", "metrics"],
        env=os.environ | {"PYTHONPATH": paths, "INTERRUPTED": module},
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr.strip()) == (130, "error: interrupted")
