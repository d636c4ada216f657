"""Fixtures that several test files share: the command line run in this process, and small files to give it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import calibench.cli

# As main() does, but before any test imports torch: libgomp reads it once, and idle threads that spin double every time.
os.environ.setdefault("GOMP_SPINCOUNT", calibench.cli.SPIN)

# Plugins of tests are imported at once: a trial of each, in a process of its own, would take half a second.
os.environ.setdefault("CALIBENCH_PROBE_PLUGINS", "0")
os.environ.setdefault("RAY_AUTH_TOKEN", "0" * 64)  # Ray reads it once in a process: all tests of clusters share it

from calibench.models.vision_import import torchvision_operators

torchvision_operators()  # torchmetrics, an oracle, imports torchvision where it finds one


class Ran(NamedTuple):
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as one JSON value: json.loads refuses anything beside it."""
        return json.loads(self.out)


def tree(folder: Path) -> dict[str, str]:
    """Every path under `folder` with a digest of its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


@contextlib.contextmanager
def own_threads() -> Iterator[None]:
    """Puts back the number of torch's threads: `--threads` sets it for a process that ends there, as this one does not."""
    import torch  # here, so that tests that import no torch stay quick to collect

    from calibench import kernels

    threads, ours = torch.get_num_threads(), kernels.threads()
    yield
    kernels.set_threads(ours)
    torch.set_num_threads(threads)


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """`cli("run", "--json", ...)` runs the command line in this process, in `tmp_path`, as `calibench run --json ...`."""
    monkeypatch.chdir(tmp_path)

    def call(*args: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["calibench", *map(str, args)])
        capsys.readouterr()
        with own_threads(), warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
            calibench.cli.main()
        streams = capsys.readouterr()
        return Ran(ended.value.code, streams.out, streams.err)

    return call


@pytest.fixture
def refused(cli, tmp_path):
    """`refused(*args, says=..., hint=...)`: the command ends with 2, says why and what to do, and leaves the folder as it was."""

    def call(*args: object, says: str | tuple[str, ...], hint: str = "", code: int = 2) -> str:
        before = tree(tmp_path)
        ran = cli(*args)
        shown = f"\n{ran.err}\n{ran.out}"
        assert ran.code == code, shown
        assert ran.out == "", shown
        assert "Traceback" not in ran.err, shown
        lines = ran.err.strip().splitlines()
        assert lines[0].startswith("error: "), shown
        assert lines[-1].startswith("hint: "), shown
        assert len(lines[-1]) > len("hint: "), shown
        for word in (says,) if isinstance(says, str) else says:
            assert word in ran.err, shown
        assert hint in lines[-1], shown
        assert tree(tmp_path) == before, "something was written"
        return ran.err

    return call


@pytest.fixture(scope="session")
def samples():
    """`samples(n, classes, seed)`: over-confident logits `[N, K]` float32 and labels, every class among them."""

    def draw(n: int = 60, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        labels = generator.permutation(np.arange(n) % classes)
        logits = generator.normal(size=(n, classes)) * 3
        logits[np.arange(n), labels] += 2
        return logits.astype(np.float32), labels

    return draw


@pytest.fixture(scope="session")
def softmax():
    """Row-wise softmax in float64."""

    def of(logits: np.ndarray) -> np.ndarray:
        z = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        return z / z.sum(axis=1, keepdims=True)

    return of


@pytest.fixture
def fused(monkeypatch):
    """The fused kernels; skipped where they are not built. For what only a vectorised loop can get wrong."""
    from calibench import kernels  # here, so that tests that import no torch stay quick to collect

    if kernels.backend() == "reference":
        pytest.skip(f"the fused kernels are not built: {kernels.extension_status().error}")
    monkeypatch.setenv("CALIBENCH_BACKEND", "fused")
    return "fused"


@pytest.fixture(params=["fused", "reference"])
def backend(request, monkeypatch):
    """Each backend of the kernels in turn."""
    if request.param == "fused":
        return request.getfixturevalue("fused")
    monkeypatch.setenv("CALIBENCH_BACKEND", "reference")
    return "reference"


@pytest.fixture
def good(tmp_path, samples):
    """A good `.npz` of logits under `tmp_path`."""
    logits, labels = samples()
    np.savez(tmp_path / "good.npz", logits=logits, labels=labels)
    return tmp_path / "good.npz"


@pytest.fixture
def features(tmp_path, samples):
    """A good data set for `npz:path=features.npz`, whose head is the identity: x is its logits. Returns its arrays."""
    x, y = samples(240, seed=1)
    test_x, test_y = samples(120, seed=2)
    arrays = {"train_x": x, "train_y": y, "test_x": test_x, "test_y": test_y}
    arrays |= {"head_weight": np.eye(3, dtype=np.float32), "head_bias": np.zeros(3, dtype=np.float32)}
    np.savez(tmp_path / "features.npz", **arrays)
    return arrays


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and lose much where other processes want the cores."""
    import torch  # here, so that tests that import no torch stay quick to collect

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def install_plugin(tmp_path_factory, monkeypatch):
    """`install_plugin(module, source)`: a distribution MODULE-dist 3.1 in this process, whose plugin is that module.

    Without `source` the module must be importable already. `name` is that of the entry point. Returns the module's file.
    """
    from calibench.plugins import discovery  # here, so that calibench is imported after the environment is set

    written = []

    def install(module: str, source: str | None = None, *, name: str = "") -> Path:
        folder = tmp_path_factory.mktemp(module)
        file = folder / f"{module}.py"
        if source is not None:
            file.write_text(source)
            written.append(module)
        info = folder / f"{module}_dist-3.1.dist-info"
        info.mkdir()
        dashed = module.replace("_", "-")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dashed}-dist\nVersion: 3.1\n")
        (info / "entry_points.txt").write_text(f"[calibench]\n{name or dashed} = {module}\n")
        monkeypatch.syspath_prepend(folder)
        discovery._loaded.cache_clear()
        return file

    monkeypatch.delenv(discovery.BLOCK_VARIABLE, raising=False)
    yield install
    for module in written:
        sys.modules.pop(module, None)
    discovery._loaded.cache_clear()
