"""Functions and files stay short enough to read: at most 60 lines a function and 350 a file. Ruff counts the branches."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("benchmark", "plugins", "csrc", "tests", "docs")
ENDINGS = {".py", ".h", ".cpp", ".cu", ".md"}
FILES = [
    path.relative_to(ROOT)
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in ENDINGS and path.is_file()
] + [Path("setup.py")]

MOST_IN_A_FILE = 350
MOST_IN_A_FUNCTION = 60

WRITTEN_BY_A_SCRIPT = Path("docs/reference/methods")
"""Pages with a section for each method, as long as there are methods: tests/docs/method_pages.py writes them."""

LONG = {
    ("benchmark/calibench/api.py", "run"): "the public API: an argument for each option, explained in its docstring",
    ("benchmark/calibench/cli/run.py", "run"): "the command line: an argument for each option",
}
"""Functions that are longer, each with the reason."""


def python_functions(text: str) -> Iterator[tuple[str, int]]:
    """Each function of a module with its number of lines, without its decorators."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def cpp_functions(text: str) -> Iterator[tuple[str, int]]:
    """Each function outside classes with its number of lines: clang-format leaves its first and its last line unindented."""
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line == "}":
            yield text.splitlines()[first - 1].strip(), number - first + 1
        elif line and line[0] not in " #/}" and (first == 0 or not line.startswith("    ")):
            first = number


@pytest.mark.parametrize("file", FILES, ids=str)
def test_files_and_functions_are_short(file: Path) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_IN_A_FILE or file.parent == WRITTEN_BY_A_SCRIPT
    if file.suffix == ".md":
        return
    functions = python_functions(text) if file.suffix == ".py" else cpp_functions(text)
    long = [(name, lines) for name, lines in functions if lines > MOST_IN_A_FUNCTION]
    assert not [(name, lines) for name, lines in long if (str(file), name) not in LONG]


def test_no_exception_is_left_over() -> None:
    for file, name in LONG:
        lines = dict(python_functions((ROOT / file).read_text(encoding="utf-8")))[name]
        assert lines > MOST_IN_A_FUNCTION, f"{file}: {name} is short again"


def test_ruff_counts_branches_and_parameters() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    assert {"C901", "PL"} <= set(lint["select"])
    assert "PLR0913" not in lint["ignore"]
    assert lint["mccabe"]["max-complexity"] <= 15
    assert lint["pylint"]["max-args"] <= 8
    ignored = {rule for rules in lint["per-file-ignores"].values() for rule in rules}
    assert not ignored & {"C901", "PLR0913"}, "exceptions stand beside the function that they are for"


def test_long_functions_are_found() -> None:
    body = "\n".join(["    x = 1"] * 70)
    assert list(python_functions(f"def f():\n{body}\n")) == [("f", 71)]
    assert list(cpp_functions(f"int a() {{\n}}\n\nstatic int f(int x,\n             int y) {{\n{body}\n}}\n")) == [
        ("int a() {", 2),
        ("static int f(int x,", 73),
    ]
