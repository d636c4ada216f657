"""CITATION.cff, the container file and the conda recipe agree with pyproject.toml and the package."""

from __future__ import annotations

import importlib
import os
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement
from wheel.wheelfile import WheelFile

import calibench
from calibench.errors import HOW_TO_GET_TORCH, TORCH

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "docs" / "packaging" / "conda" / "recipe.yaml"

pytestmark = pytest.mark.skipif(not RECIPE.exists(), reason="needs the source tree, not only the package")


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


@pytest.mark.parametrize(("file", "line"), [(ROOT / "CITATION.cff", "version: {}"), (RECIPE, '  version: "{}"')])
def test_the_version_is_that_of_the_package(file: Path, line: str) -> None:
    assert line.format(calibench.__version__) in file.read_text(encoding="utf-8").splitlines()


def test_conda_asks_for_what_pip_asks_for_and_torch() -> None:
    run = RECIPE.read_text(encoding="utf-8").partition("  run:\n")[2].partition("\n\n")[0]
    asked = {name: set(bounds.split(",")) for name, bounds in re.findall(r"- (\S+) (\S+)", run)}
    needed = [Requirement(line) for line in [*project()["dependencies"], TORCH]]
    names = {"torch": "pytorch"}
    assert asked == {names.get(need.name, need.name): set(str(need.specifier).split(",")) for need in needed}


def test_one_range_of_torch_stands_everywhere() -> None:
    assert project()["optional-dependencies"]["torch"] == [TORCH]
    (index,) = re.findall(r"--index-url (\S+);", HOW_TO_GET_TORCH)
    container = (ROOT / "docs" / "packaging" / "Containerfile").read_text(encoding="utf-8")
    assert f'ARG TORCH="{TORCH}"\nARG TORCH_INDEX={index}\n' in container
    for page in ("README.md", "docs/guides/install.md"):
        assert f'pip install "{TORCH}" --index-url {index}\n' in (ROOT / page).read_text(encoding="utf-8")
    for file in ("setup.py", "Makefile"):
        assert f'"{TORCH}"' in (ROOT / file).read_text(encoding="utf-8")


def test_the_tag_of_the_wheel_is_the_oldest_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    oldest = project()["requires-python"].removeprefix(">=").replace(".", "")
    assert f"cp{oldest}-abi3" == importlib.import_module("release_check").TAG


def test_the_wheel_of_one_python_takes_the_kernels_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    release_check = importlib.import_module("release_check")
    wheels = []
    for digits in ("11", "12"):
        wheels.append(tmp_path / f"calibench-1.0-cp3{digits}-cp3{digits}-linux_x86_64.whl")
        with WheelFile(wheels[-1], "w") as archive:
            archive.writestr(f"calibench/_C.cpython-3{digits}-x86_64-linux-gnu.so", digits)
            archive.writestr("calibench/text.py", digits)
            archive.writestr(
                "calibench-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: calibench\nVersion: 1.0\n"
            )
            tag = f"Tag: cp3{digits}-cp3{digits}-linux_x86_64"
            archive.writestr("calibench-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n{tag}\n")
    tools = SimpleNamespace(python=Path(sys.executable))
    merged = release_check.merge(wheels, tmp_path, tools)
    assert merged.name == "calibench-1.0-cp311-abi3-linux_x86_64.whl"
    with zipfile.ZipFile(merged) as archive:
        assert archive.read("calibench/text.py") == b"11"
        assert archive.read("calibench/_C.cpython-312-x86_64-linux-gnu.so") == b"12"
        assert (
            "calibench/_C.cpython-312-x86_64-linux-gnu.so,sha256="
            in archive.read("calibench-1.0.dist-info/RECORD").decode()
        )


def test_the_same_files_give_the_same_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    repack = importlib.import_module("release_check").repack
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    for name, order, times in (("1.tar.gz", "ab", (1, 2)), ("2.tar.gz", "ba", (3, 4))):
        with tarfile.open(tmp_path / name, "w:gz") as archive:
            for letter, time in zip(order, times, strict=True):
                os.utime(tmp_path / f"{letter}.txt", (time, time))
                archive.add(tmp_path / f"{letter}.txt", arcname=f"{letter}.txt")
        repack(tmp_path / name, 1_000_000_000)
    assert (tmp_path / "1.tar.gz").read_bytes() == (tmp_path / "2.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "1.tar.gz") as archive:
        assert [(member.name, member.mtime) for member in archive] == [("a.txt", 10**9), ("b.txt", 10**9)]
        file = archive.extractfile("b.txt")
        assert file is not None
        assert file.read() == b"two"
