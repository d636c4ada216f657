"""The cases of csrc/perf: every kernel of the core has one, and the sanitizers catch a read past their buffers."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from gate_repository import ROOT, needs_compiler, needs_source

pytestmark = needs_source


def test_every_entry_point_of_the_core_has_a_case() -> None:
    table = re.search(r"struct Kernels \{.*?\n\};", (ROOT / "csrc/core/kernels.h").read_text(), re.DOTALL)
    assert table is not None
    entries = re.findall(r"\(\*(\w+)\)", table[0])
    cases = "".join(path.read_text() for path in (ROOT / "csrc/perf").glob("*.cpp"))
    assert len(entries) >= 6
    assert [entry for entry in entries if f"kernels.{entry}(" not in cases] == []


READ = """
#include <cstdlib>

#include "INCLUDE/csrc/perf/inputs.h"
int main(int argc, char** argv) {
  using namespace calibench::perf;
  const Buffer buffer(10, 4, {std::atoi(argv[1]), true});
  return buffer.as<volatile float>()[std::atoi(argv[2])] > 1.0f;
}
"""
"""Reads a float of a buffer of ten: `read OFFSET INDEX`."""


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program READ under the sanitizers."""
    source = tmp_path_factory.mktemp("read") / "read.cpp"
    source.write_text(READ.replace("INCLUDE", str(ROOT)))
    program = source.with_suffix("")
    flags = ["-std=c++17", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = [*os.environ.get("CXX", "c++").split(), *flags, str(source), "-o", str(program)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode and "asan" in process.stderr:
        pytest.skip("this compiler has no AddressSanitizer")
    assert process.returncode == 0, process.stderr
    return program


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_a_read_past_a_buffer_is_caught(read: Path, offset: int) -> None:
    last, beyond = (
        subprocess.run([read, str(offset), str(index)], capture_output=True, text=True, check=False)
        for index in (9, 10)
    )
    assert last.returncode == 0, last.stderr
    assert beyond.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in beyond.stderr
