"""For the tests of plugins: entry points of distributions that exist in memory only."""

from __future__ import annotations

import importlib
import importlib.metadata
import itertools
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from calibench.plugins.registry import BLOCK_VARIABLE

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
pytest.register_assert_rewrite("plugin_cases")

NUMBERS = itertools.count()


class InMemory(importlib.metadata.Distribution):
    """A distribution whose files are a dictionary."""

    def __init__(self, **files: str) -> None:
        self.texts = files

    def read_text(self, filename):
        return self.texts.get(filename.replace(".txt", ""))

    def locate_file(self, path):
        return Path(path)


@pytest.fixture
def entry_points():
    """`entry_points(entry_points="[calibench] ...", METADATA="Name: ...")`: those of a distribution with these files."""

    def points(**files: str) -> list[importlib.metadata.EntryPoint]:
        return list(InMemory(**files).entry_points)

    return points


@pytest.fixture
def plugin(tmp_path, monkeypatch, entry_points):
    """`plugin("acme", source)`: the entry points of a distribution acme-dist 1.2, whose plugin acme is a module of that source.

    `attribute` follows the module's name in the entry point; `module` names a module that is there already.
    """
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(BLOCK_VARIABLE, raising=False)

    def points_of(name: str, source: str | None, dist: str | None = None, attribute: str = "", module: str = ""):
        if not module:
            module = f"test_plugin_module_{next(NUMBERS)}"
            if source is not None:
                (tmp_path / f"{module}.py").write_text(source)
        importlib.invalidate_caches()
        metadata = f"Metadata-Version: 2.1\nName: {dist or name + '-dist'}\nVersion: 1.2\n"
        return entry_points(METADATA=metadata, entry_points=f"[calibench]\n{name} = {module}{attribute}\n")

    return points_of


@pytest.fixture
def python_interrupts() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, as where Python starts; a shell's background job ignores it, as CI may."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
