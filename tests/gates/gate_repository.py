"""A git repository with a core of ten lines, on which the gates run as on the real core.

It uses the real build script, choice of the base, and callgrind. docs/evidence/regressions.md shows the gates failing on the
real core.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import instructions
import pytest

ROOT = Path(__file__).resolve().parents[2]

needs_source = pytest.mark.skipif(
    not (ROOT / "csrc" / "perf").exists(), reason="needs the source tree, not only the package"
)
needs_compiler = pytest.mark.skipif(shutil.which(os.environ.get("CXX", "c++")) is None, reason="no C++ compiler")
needs_valgrind = pytest.mark.skipif(shutil.which("valgrind") is None, reason=instructions.HOW_TO_INSTALL)

CORE = """
volatile long sink;
void work(int n) { for (int i = 0; i < n; ++i) sink = sink + i; }
"""
DRIVER = """
#include <cstdio>
#include <cstring>
#include "steps.h"
void work(int);
extern "C" __attribute__((noinline)) void calibench_perf_case(int n) { work(n); asm volatile("" ::: "memory"); }
struct { const char* name; const char* inputs; int loops; } cases[] = {CASES};
int main(int argc, char** argv) {
  if (!std::strcmp(argv[1], "--isas")) { std::puts("ISAS"); return 0; }
  for (auto& each : cases) {
    if (!std::strcmp(argv[1], "--time")) {
      std::printf("%s %d\\n", each.name, each.loops);
    } else if (!std::strcmp(argv[1], "--steps")) {
      const auto steps = calibench::perf::count_steps([&] { calibench_perf_case(each.loops); });
      std::printf("%s %s %llu\\n", each.name, each.inputs, static_cast<unsigned long long>(steps));
    } else {
      if (!std::strcmp(argv[1], "--count")) calibench_perf_case(each.loops);
      std::printf("%s %s\\n", each.name, each.inputs);
    }
  }
}
"""


class Repository:
    """A git repository with a small core, and a driver with the options and output of the real one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if not root.exists():
            root.mkdir()
            self.git("init", "-q", "-b", "main")

    def git(self, *args: str) -> str:
        settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *settings, *args]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True).stdout.strip()

    def write(self, cases: dict[str, tuple[str, int]], isas: str = "generic") -> None:
        """Writes a core whose cases have these fingerprints and loops."""
        for folder in ("core", "perf"):
            (self.root / "csrc" / folder).mkdir(parents=True, exist_ok=True)
        for name in ("build.sh", "steps.h"):
            shutil.copy(ROOT / "csrc" / "perf" / name, self.root / "csrc" / "perf" / name)
        (self.root / "setup.py").write_text('CXX_FLAGS = ["-O1", "-std=c++17"]\n')
        (self.root / "csrc/core/work.cpp").write_text(CORE)
        rows = ", ".join(f'{{"{name}", "{inputs}", {loops}}}' for name, (inputs, loops) in cases.items())
        (self.root / "csrc/perf/driver.cpp").write_text(DRIVER.replace("CASES", rows).replace("ISAS", isas))

    def commit(self, message: str = "x") -> str:
        self.git("add", "-A", ":!build")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


EQUAL = {"quick": ("a1", 300), "long": ("b2", 9000)}
"""Cases with the fingerprint of their inputs and their loops."""
