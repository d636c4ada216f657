"""The tutorial, followed in a fresh environment that sees this one's torch and calibench: each command, each edit."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sysconfig
import venv
from pathlib import Path

import pytest
from process_cases import output, run

import calibench
import calibench_datasets
import calibench_methods

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "first-plugin.md"
OURS = os.pathsep.join(
    sorted(
        {str(Path(str(module.__file__)).parents[1]) for module in (calibench, calibench_methods, calibench_datasets)}
    )
)
"""The folders of calibench and its plugins, wherever these tests run."""

MOST_LINES = 25
"""Lines that an author writes."""

OFFLINE = ("--no-index", "--no-build-isolation", "--no-deps")
"""What the packages need is in the environment that these tests run in."""


def blocks(language: str, section: str) -> list[str]:
    """The blocks of a language under a heading of the page."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder beside a new environment, whose `bin` has `python`, `pip` and `calibench`."""
    home = tmp_path_factory.mktemp("author")
    venv.create(home / "venv", symlinks=True, with_pip=False)
    python = home / "venv" / "bin" / "python"
    (site_packages,) = (home / "venv" / "lib").glob("python*/site-packages")
    parents = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (site_packages / "parent.pth").write_text("".join(f"import site; site.addsitedir({p!r})\n" for p in parents))
    for command in ("pip", "calibench"):
        script = python.with_name(command)
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {command} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    (home / "work").mkdir()
    return home


def follow(home: Path, section: str, folder: str = "work") -> list[str]:
    """Run the commands of a section; what each printed. `cd` changes the folder of the commands after it."""
    at, printed = home / folder, []
    for line in "".join(blocks("sh", section)).splitlines():
        words = shlex.split(line.partition("#")[0])
        if words[0] == "cd":
            at /= words[1]
            continue
        if words[0] == "cp":
            shutil.copy(at / words[1], at / words[2])
            continue
        program = home / "venv" / "bin" / words[0]
        words += [*OFFLINE, "--quiet"] if words[:2] == ["pip", "install"] else []
        printed.append(output(run(program, *words[1:], cwd=at, PYTHONPATH=OURS)))
    return printed


@pytest.mark.slow
def test_a_method_from_an_empty_folder_to_the_board(home: Path) -> None:
    follow(home, "1. Make a package")
    package = home / "work" / "my-method"
    fields, written, test = blocks("python", "2. Write the method")
    count = sum(bool(line) for line in f"{fields}{written}{test}".splitlines())
    assert count <= MOST_LINES
    assert f"You write {count} lines." in PAGE.read_text(encoding="utf-8")

    module = package / "src" / "my_method" / "plugin.py"
    text = module.read_text(encoding="utf-8")
    for line in fields.splitlines():
        key = line.partition("=")[0]
        text, changed = re.subn(rf"^{key}=.*$", line.replace("\\", r"\\"), text, flags=re.MULTILINE)
        assert changed == 1, key
    module.write_text(text[: text.index("class MyMethod")] + written, encoding="utf-8")
    tests = package / "tests" / "test_my_method.py"
    old = '    assert 0 < fitted["share"] < 1\n'
    assert old in tests.read_text(encoding="utf-8")
    assert f"`{old.strip()}`" in PAGE.read_text(encoding="utf-8")
    tests.write_text(tests.read_text(encoding="utf-8").replace(old, test), encoding="utf-8")

    (checked,) = follow(home, "3. Check it", "work/my-method")
    assert " 0 fails" in checked
    _, board = follow(home, "4. Put it on the board", "work/my-method")
    assert "ce+my-method" in board
    (record,) = (package / "results" / "records").glob("*my-method*.json")
    document = json.loads(record.read_text(encoding="utf-8"))
    assert document["versions"]["my-method"] == "0.1.0"
    assert 0 < document["fitted"][-1]["temperature"] <= 4
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "over_confident")
    ran = run(home / "venv" / "bin" / "python", *words, cwd=package, PYTHONPATH=OURS)
    assert "1 passed" in output(ran)


@pytest.mark.slow
def test_a_dataset_a_metric_and_a_launcher(home: Path) -> None:
    *_, checked, board, swept = follow(home, "A dataset, a metric, a launcher")
    assert " 0 fails" in checked
    assert "my-data" in board
    assert "iris" in swept
    (record,) = (home / "work" / "results" / "records").glob("my-data-*.json")
    assert "my-metric" in json.loads(record.read_text(encoding="utf-8"))["metrics"]
    (board,) = follow(home, "Without a package")[1:]
    assert "ce:epochs=5+my-idea" in board
