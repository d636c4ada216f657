"""The conformance suite against bad plugins: each fails the check that its fault is about, with the right message, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_plugins import BAD, calibrator

from calibench.testing import check_plugin
from calibench.testing.conformance import plugin_verdicts
from calibench.testing.source import sources_of
from calibench.testing.verdict import Verdict

ALSO = {
    "torch_at_import": {"time and memory"},  # its import is slow, and large
    "exits_at_import": set(),
}
"""Checks that a fault may fail beside its own."""


def write(folder: Path, name: str, source: str) -> Path:
    file = folder / f"bad_{name}.py"
    file.write_text(source, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Verdict]]:
    """The failed verdicts on every bad plugin, by its name. One process imports torch for all."""
    folder = tmp_path_factory.mktemp("bad")
    sources = [source for name, bad in BAD.items() for source in sources_of(write(folder, name, bad.source))]
    failed: dict[str, list[Verdict]] = {name: [] for name in BAD}
    for verdict in plugin_verdicts(sources, limit=120):
        if verdict.failed:
            failed[verdict.plugin.removeprefix("bad-").replace("-", "_")].append(verdict)
    return failed


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_a_bad_plugin_fails_the_check_of_its_fault(failures: dict[str, list[Verdict]], name: str) -> None:
    failed = failures[name]
    first = next(verdict for verdict in failed if verdict.check == BAD[name].check)
    assert BAD[name].says in first.why
    assert first.remedy
    assert {verdict.check for verdict in failed} - ALSO.get(name, set()) == {BAD[name].check}


@pytest.mark.slow
def test_a_plugin_that_hangs_is_ended_at_the_limit(tmp_path: Path) -> None:
    file = write(tmp_path, "hangs", calibrator("hangs", before="import time\ntime.sleep(1000)\n"))
    (verdict,) = plugin_verdicts(sources_of(file), limit=1.5)
    assert (verdict.check, verdict.status) == ("import", "fails")
    assert verdict.why == "it hangs: no end within 1.5 s"


def test_there_are_fifteen_kinds_of_fault_and_more() -> None:
    assert len(BAD) + 1 >= 16
    assert len({bad.source for bad in BAD.values()}) == len(BAD)


@pytest.mark.slow
def test_a_failed_check_is_an_assertion_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(
        AssertionError, match="plugin bad-raises: import: fails: it does not load: RuntimeError: no licence"
    ):
        check_plugin(write(tmp_path, "raises", BAD["raises_at_import"].source))
