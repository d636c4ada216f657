"""The base commit of a comparison, and comparisons that are impossible or unnecessary."""

from __future__ import annotations

from pathlib import Path

import builds
import instructions
import pytest
import wallclock
from gate_repository import EQUAL, Repository, needs_compiler, needs_source


def test_the_base_is_the_fork_from_upstream_or_the_parent(repository: Repository, tmp_path: Path) -> None:
    root = repository.root
    assert builds.choose_base(root, {}).commit is None
    first = repository.commit()
    alone = builds.choose_base(root, {})
    assert (alone.commit, alone.why) == (None, "HEAD is the first commit: there is no base")
    second = repository.commit()
    assert builds.choose_base(root, {}) == builds.Base(first, "HEAD~1")
    repository.git("clone", "-q", str(root), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    assert builds.choose_base(clone.root, {}) == builds.Base(first, "HEAD~1")  # HEAD is the upstream's own commit
    clone.commit()
    clone.commit()
    assert builds.choose_base(clone.root, {}).commit == second
    assert builds.choose_base(clone.root, {"CALIBENCH_BASE": first}).commit == first
    repository.git("clone", "-q", "--depth", "1", f"file://{root}", str(tmp_path / "shallow"))
    shallow = builds.choose_base(tmp_path / "shallow", {})
    assert shallow.commit is None
    assert "shallow" in shallow.why


def test_an_unknown_base_is_an_error(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit()
    monkeypatch.setenv("CALIBENCH_BASE", "no-such-revision")
    with pytest.raises(builds.GuardError, match="CALIBENCH_BASE=no-such-revision is no commit"):
        instructions.gate(root=repository.root)


@needs_source
@needs_compiler
def test_an_unchanged_core_is_not_compared_with_itself(repository: Repository, capsys) -> None:
    repository.write(EQUAL)
    repository.commit()
    (repository.root / "csrc/README.md").write_text("words\n")
    repository.commit()
    assert instructions.gate(root=repository.root) == 0
    assert wallclock.gate(root=repository.root) == 0
    assert capsys.readouterr().out.count("core, cases, flags and compiler are the same in both") == 2


@needs_source
@needs_compiler
def test_a_base_older_than_the_guard_passes_and_a_broken_core_fails(repository: Repository, capsys) -> None:
    (repository.root / "setup.py").write_text("\n")
    (repository.root / "csrc").mkdir()
    (repository.root / "csrc/core.h").write_text("\n")
    older = repository.commit()
    repository.write(EQUAL)
    repository.commit()
    assert instructions.gate(root=repository.root) == 0
    reason = f"base {older[:12]} (HEAD~1) has no csrc/perf/build.sh: it is older than the guard"
    assert reason in capsys.readouterr().out
    (repository.root / "csrc/core/work.cpp").write_text("this is no C++\n")
    with pytest.raises(builds.GuardError, match="does not compile"):
        instructions.gate(root=repository.root)
