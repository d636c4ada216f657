"""The regression guard itself: what is slower is flagged, what is equal passes, and what cannot be compared is said.

The gates run here on a core of ten lines, in a git repository of its own, through the same script, base choice and callgrind;
docs/regressions.md shows the real core being flagged.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "csrc" / "perf").exists():
    pytest.skip("needs the source tree, not only the package", allow_module_level=True)
sys.path.insert(0, str(ROOT / "tests" / "perf"))  # scripts beside each other, and no package

import builds  # noqa: E402
import instructions  # noqa: E402
import wallclock  # noqa: E402

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
    """A git repository with a small core and a driver that speaks the real one's protocol."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str) -> str:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *who, *args], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, cases: dict[str, tuple[str, int]], isas: str = "generic") -> None:
        """A core whose `cases` have these inputs and loops."""
        for folder in ("core", "perf"):
            (self.root / "csrc" / folder).mkdir(parents=True, exist_ok=True)
        for name in ("build.sh", "steps.h"):
            shutil.copy(ROOT / "csrc" / "perf" / name, self.root / "csrc" / "perf" / name)
        (self.root / "setup.py").write_text('CXX_FLAGS = ["-O1", "-std=c++17"]\n')
        (self.root / "csrc/core/work.cpp").write_text(CORE)
        listed = ", ".join(f'{{"{name}", "{inputs}", {loops}}}' for name, (inputs, loops) in cases.items())
        (self.root / "csrc/perf/driver.cpp").write_text(DRIVER.replace("CASES", listed).replace("ISAS", isas))

    def commit(self, message: str = "x") -> str:
        self.git("add", "-A", ":!build")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.delenv("CALIBENCH_BASE", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return Repository(tmp_path / "repository")


EQUAL = {"quick": ("a1", 300), "long": ("b2", 9000)}


@needs_compiler
@needs_valgrind
@pytest.mark.parametrize(("loops", "code"), [(9450, 1), (9180, 0), (4500, 0)], ids=["+5%", "+2%", "-50%"])
def test_five_percent_more_instructions_fail(repository: Repository, capsys, loops: int, code: int) -> None:
    repository.write(EQUAL)
    repository.commit()
    repository.write(EQUAL | {"long": ("b2", loops)})
    repository.commit()
    assert instructions.gate(root=repository.root) == code
    said = capsys.readouterr().out
    (line,) = re.findall(r"^long .*$", said, re.MULTILINE)
    change = re.search(r"([+-]\d+\.\d+)%", line)
    assert change is not None, said
    assert float(change[1]) == pytest.approx(100 * loops / 9000 - 100, abs=0.05)  # a loop is a loop, and little else
    assert ("SLOWER than +3%" in line) == (code == 1)
    assert ("faster" in line) == (loops == 4500)
    assert ("SLOWER" in said) == (code == 1)
    assert "2 cases compared" in said
    assert f"most improved {'long' if loops == 4500 else 'quick'}" in said


@needs_compiler
@needs_valgrind
def test_counts_are_the_same_every_time(repository: Repository) -> None:
    repository.write(EQUAL)
    driver = builds.build(repository.root, repository.root)
    first = instructions.count_emulated(driver, "generic")
    assert [first] * 2 == [instructions.count_emulated(driver, "generic") for _ in range(2)]
    assert list(first) == ["quick", "long"]
    assert (first["long"].instructions - 9000) / (first["quick"].instructions - 300) > 25


@needs_compiler
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="single steps are counted on x86-64 only")
def test_single_steps_flag_what_callgrind_cannot_see(repository: Repository, capsys) -> None:
    repository.write(EQUAL, isas="avx512")
    repository.commit()
    repository.write(EQUAL | {"quick": ("a1", 318)}, isas="avx512")
    repository.commit()
    assert instructions.gate(root=repository.root) == 1
    said = capsys.readouterr().out
    assert "avx512, by single steps" in said
    (line,) = re.findall(r"^quick .*$", said, re.MULTILINE)
    assert re.search(r"\+5\.\d+% SLOWER", line), said
    driver = builds.build(repository.root, repository.root)
    counts = [instructions.count_stepped(driver, "avx512") for _ in range(3)]
    assert counts[0] == counts[1] == counts[2]


@needs_compiler
@needs_valgrind
def test_new_removed_and_changed_cases_are_named(repository: Repository, capsys) -> None:
    repository.write({"kept": ("a1", 300), "gone": ("b2", 300), "changed": ("c3", 300)})
    repository.commit()
    repository.write({"kept": ("a1", 300), "changed": ("c4", 900), "added": ("d5", 300)})
    repository.commit()
    assert instructions.gate(root=repository.root) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["gone"].endswith("removed")
    assert lines["added"].endswith("new")
    assert lines["changed"].endswith("other inputs, not compared")
    assert lines["(1"].startswith("(1 cases of ")  # the one that was kept


@needs_compiler
def test_an_unchanged_core_is_not_measured_against_itself(repository: Repository, capsys) -> None:
    repository.write(EQUAL)
    repository.commit()
    (repository.root / "csrc/README.md").write_text("words\n")
    repository.commit()
    assert instructions.gate(root=repository.root) == 0
    assert wallclock.gate(root=repository.root) == 0
    said = capsys.readouterr().out
    assert said.count("core, cases, flags and compiler are the same in both") == 2


@needs_compiler
def test_what_cannot_be_compared_is_said(repository: Repository, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository.root / "setup.py").write_text("\n")
    (repository.root / "csrc").mkdir()
    (repository.root / "csrc/core.h").write_text("\n")
    older = repository.commit()
    repository.write(EQUAL)
    repository.commit()
    assert instructions.gate(root=repository.root) == 0
    assert (
        f"base {older[:12]} (HEAD~1) has no csrc/perf/build.sh: it is older than the guard" in capsys.readouterr().out
    )
    monkeypatch.setenv("CALIBENCH_BASE", "no-such-revision")
    with pytest.raises(builds.GuardError, match="CALIBENCH_BASE=no-such-revision is no commit"):
        instructions.gate(root=repository.root)
    monkeypatch.delenv("CALIBENCH_BASE")
    (repository.root / "csrc/core/work.cpp").write_text("this is no C++\n")
    with pytest.raises(builds.GuardError, match="does not compile"):
        instructions.gate(root=repository.root)


@needs_compiler
def test_a_missing_valgrind_is_an_error_that_says_how_to_get_it(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write(EQUAL)
    repository.commit()
    repository.write(EQUAL | {"long": ("b2", 1)})
    repository.commit()
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None)
    with pytest.raises(builds.GuardError, match="apt-get install valgrind"):
        instructions.gate(root=repository.root)


def test_the_base_is_the_upstream_fork_or_the_parent(repository: Repository, tmp_path: Path) -> None:
    root = repository.root
    assert builds.choose_base(root, {}).commit is None
    first = repository.commit()
    alone = builds.choose_base(root, {})
    assert (alone.commit, alone.why) == (None, "HEAD is the first commit: there is no base")
    second = repository.commit()
    assert builds.choose_base(root, {}) == builds.Base(first, "HEAD~1")
    repository.git("clone", "-q", str(root), str(tmp_path / "clone"))
    clone = Repository.__new__(Repository)
    clone.root = tmp_path / "clone"
    assert builds.choose_base(clone.root, {}) == builds.Base(first, "HEAD~1")  # on the upstream's own commit
    clone.commit()
    clone.commit()
    assert builds.choose_base(clone.root, {}).commit == second
    assert builds.choose_base(clone.root, {"CALIBENCH_BASE": first}).commit == first
    repository.git("clone", "-q", "--depth", "1", f"file://{root}", str(tmp_path / "shallow"))
    shallow = builds.choose_base(tmp_path / "shallow", {})
    assert shallow.commit is None
    assert "shallow" in shallow.why


def blocks(head: float, noise: float, seed: int, drift: float = 0.0, number: int = 5) -> list[wallclock.Timing]:
    """Timings of a machine on which a call takes 1 us, `noise` is the scatter of a run, and each run is `drift` slower."""
    random = np.random.default_rng(seed)
    run = count()

    def timed(who: str) -> dict[str, float]:
        scatter = float(np.exp(noise * random.standard_normal()))
        return {"case": 1000.0 * (head if who == "head" else 1.0) * scatter * (1 + drift * next(run))}

    return wallclock.timings([wallclock.one_block(timed) for _ in range(number)])


def test_wall_clock_fails_only_far_beyond_its_own_spread() -> None:
    for seed in range(200):
        assert blocks(2.0, 0.02, seed)[0].failed, seed
        assert not blocks(1.0, 0.02, seed)[0].failed, seed
        assert not blocks(1.0, 0.5, seed)[0].failed, seed  # a machine that is useless for timing
        assert not blocks(1.4, 0.001, seed)[0].failed, seed  # real, but for the instruction gate to find
        assert not blocks(1.6, 0.4, seed)[0].failed, seed  # cannot be told from noise


def test_drift_cancels() -> None:
    (timing,) = blocks(1.0, 0.0, 0, drift=0.1)
    assert timing.ratio == pytest.approx(1.0, abs=1e-12)
    assert timing.copies == pytest.approx([1.0] * 5, abs=1e-12)


def test_one_good_block_acquits() -> None:
    slow = wallclock.Timing("case", 1000.0, (3.0, 3.0, 3.0, 3.0, 3.0), (1.0,) * 5)
    assert slow.failed
    assert not wallclock.Timing("case", 1000.0, (3.0, 3.0, 0.99, 3.0, 3.0), (1.0,) * 5).failed
    assert "FAILED" in wallclock.table([slow])


@needs_compiler
def test_wall_clock_of_two_commits(repository: Repository, capsys) -> None:
    repository.write(EQUAL)  # --time prints the loops, so that a machine's load has no say
    repository.commit()
    repository.write(EQUAL | {"long": ("b2", 20_000), "added": ("c3", 10)})
    repository.commit()
    assert wallclock.gate(blocks=2, root=repository.root) == 1
    said = capsys.readouterr().out
    assert "FAILED, far slower than A/A explains: long" in said
    assert "2 cases, 2 blocks" in said
    assert "added" not in said


def test_every_entry_point_of_the_core_has_a_case() -> None:
    table = re.search(r"struct Kernels \{.*?\n\};", (ROOT / "csrc/core/kernels.h").read_text(), re.DOTALL)
    assert table is not None
    entries = re.findall(r"\(\*(\w+)\)", table[0])
    cases = "".join(path.read_text() for path in (ROOT / "csrc/perf").glob("*.cpp"))
    assert len(entries) >= 6
    assert [entry for entry in entries if f"kernels.{entry}(" not in cases] == []


OVERREAD = """
#include "INCLUDE/csrc/perf/inputs.h"
int main(int argc, char** argv) {
  using namespace calibench::perf;
  const Buffer buffer(10, 4, {argc - 1, true});
  return buffer.as<volatile float>()[LAST] > 1.0f;
}
"""


@needs_compiler
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_a_read_past_a_buffer_is_caught(tmp_path: Path, offset: int) -> None:
    flags = ["-std=c++17", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    compiler = os.environ.get("CXX", "c++").split()
    codes = []
    for last in ("9", "10"):
        source = tmp_path / f"read{last}.cpp"
        source.write_text(OVERREAD.replace("INCLUDE", str(ROOT)).replace("LAST", last))
        program = str(source.with_suffix(""))
        built = subprocess.run(
            [*compiler, *flags, str(source), "-o", program], capture_output=True, text=True, check=False
        )
        if built.returncode and "asan" in built.stderr:
            pytest.skip("this compiler has no AddressSanitizer")
        assert built.returncode == 0, built.stderr
        done = subprocess.run([program, *["x"] * offset], capture_output=True, text=True, check=False)
        codes.append(("AddressSanitizer: heap-buffer-overflow" in done.stderr, done.returncode == 0))
    assert codes == [(False, True), (True, False)]
