"""The instruction gate: slower cases fail, equal ones pass, counts repeat, and cases that cannot be compared are named."""

from __future__ import annotations

import os
import re

import builds
import instructions
import pytest
from gate_repository import EQUAL, Repository, needs_compiler, needs_source, needs_valgrind

pytestmark = [needs_source, needs_compiler]


@pytest.mark.slow
@needs_valgrind
@pytest.mark.parametrize(("loops", "code"), [(9450, 1), (9180, 0), (4500, 0)], ids=["+5%", "+2%", "-50%"])
def test_five_percent_more_instructions_fail(repository: Repository, capsys, loops: int, code: int) -> None:
    repository.write(EQUAL)
    repository.commit()
    repository.write(EQUAL | {"long": ("b2", loops)})
    repository.commit()
    assert instructions.gate(root=repository.root) == code
    output = capsys.readouterr().out
    (line,) = re.findall(r"^long .*$", output, re.MULTILINE)
    change = re.search(r"([+-]\d+\.\d+)%", line)
    assert change is not None, output
    assert float(change[1]) == pytest.approx(100 * loops / 9000 - 100, abs=0.05)  # nearly all work is in the loop
    assert ("SLOWER than +3%" in line) == (code == 1)
    assert ("faster" in line) == (loops == 4500)
    assert ("SLOWER" in output) == (code == 1)
    assert "2 cases compared" in output
    assert f"most improved {'long' if loops == 4500 else 'quick'}" in output


@pytest.mark.slow
@needs_valgrind
def test_counts_are_the_same_every_time(repository: Repository) -> None:
    repository.write(EQUAL)
    driver = builds.build(repository.root, repository.root)
    counts = [instructions.count_emulated(driver, "generic") for _ in range(3)]
    assert counts[0] == counts[1] == counts[2]
    assert list(counts[0]) == ["quick", "long"]
    assert (counts[0]["long"].instructions - 9000) / (counts[0]["quick"].instructions - 300) > 25


@pytest.mark.slow
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="single steps are counted on x86-64 only")
def test_single_steps_count_what_callgrind_cannot(repository: Repository, capsys) -> None:
    short = {"quick": ("a1", 300), "long": ("b2", 600)}  # each instruction is a trap
    repository.write(short, isas="avx512")
    repository.commit()
    repository.write(short | {"quick": ("a1", 318)}, isas="avx512")
    repository.commit()
    assert instructions.gate(root=repository.root) == 1
    output = capsys.readouterr().out
    assert "avx512, by single steps" in output
    (line,) = re.findall(r"^quick .*$", output, re.MULTILINE)
    assert re.search(r"\+5\.\d+% SLOWER", line), output
    driver = builds.build(repository.root, repository.root)
    counts = [instructions.count_stepped(driver, "avx512") for _ in range(3)]
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.slow
@needs_valgrind
def test_new_removed_and_changed_cases_are_named(repository: Repository, capsys) -> None:
    repository.write({"equal": ("a1", 300), "removed": ("b2", 300), "changed": ("c3", 300)})
    repository.commit()
    repository.write({"equal": ("a1", 300), "changed": ("c4", 900), "added": ("d5", 300)})
    repository.commit()
    assert instructions.gate(root=repository.root) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["removed"].endswith("removed")
    assert lines["added"].endswith("new")
    assert lines["changed"].endswith("other inputs, not compared")
    assert lines["(1"].startswith("(1 cases of ")  # the equal case


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
