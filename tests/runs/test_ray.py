"""The launcher `ray` on a cluster of two workers: the records of the local one, and kills of a worker and of the head."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from short_runs import write_small_suite

from calibench import RunError
from calibench.config.suite import load_suite
from calibench.runs.launchers import ray_cluster
from calibench.runs.launchers.choose import choose_launcher, launch_of
from calibench.runs.launchers.messages import Done, Event
from calibench.runs.options import RunOptions
from calibench.runs.sweeps.cells import Cell, cells_of
from calibench.runs.sweeps.sweep import Swept, sweep

pytestmark = pytest.mark.slow

STORE = 80 * 10**6


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_suite(tmp_path_factory.mktemp("suite"), ["ce", "ce+temperature", "tst:epochs=2"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder, into which Ray may write nothing, with a token of its own."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("RAY_AUTH_TOKEN", "0" * 64)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Any]:
    """A head without CPUs and two workers with one each, on this machine."""
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    folder = tempfile.mkdtemp(dir="/tmp")
    (Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray").mkdir(exist_ok=True)  # Cluster writes its address there
    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False, "temp_dir": folder}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
    yield cluster
    cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def make(suite: Path, results: Path, launcher: str | None = None, address: str | None = None, **options: Any) -> Swept:
    loaded, own = load_suite(suite), RunOptions(results=results, wait=False)
    launch = launch_of(choose_launcher(launcher, address))
    return sweep(loaded.name, cells_of(loaded.configs(), own, 1), own, launch=launch, **options)


def contents(results: Path) -> dict[str, Any]:
    """Every record but for times and machine, and the bytes of its predictions."""
    found: dict[str, Any] = {}
    for file in sorted((results / "records").iterdir()):
        document = json.loads(file.read_text())
        for name in ("created", "timings_s"):
            del document[name]
        found[file.name] = document
    return found | {file.name: file.read_bytes() for file in sorted((results / "predictions").iterdir())}


@pytest.fixture(scope="module")
def undisturbed(suite: Path) -> dict[str, Any]:
    make(suite, suite.parent / "undisturbed", "local", jobs=2)
    return contents(suite.parent / "undisturbed")


def busy_workers(cluster: Any) -> list[int]:
    """The processes of the cluster that make a run now."""
    raylets = {entry.process.pid for node in cluster.worker_nodes for entry in node.all_processes["raylet"]}
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in raylets and (folder / "cmdline").read_bytes().startswith(b"ray::make_run"):
                found.append(int(folder.name))
    return found


def test_the_records_are_those_of_the_local_launcher_though_a_worker_is_killed(
    suite: Path, undisturbed: dict[str, Any], cluster: Any, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one() -> None:
        while not killed:
            for worker in busy_workers(cluster)[:1]:
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
            time.sleep(0.05)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    swept = make(suite, tmp_path / "r", "ray", cluster.address)
    assert killed
    assert (swept.made, swept.before, swept.failed) == (6, 0, [])
    assert contents(tmp_path / "r") == undisturbed


def test_a_sweep_without_its_head_ends_and_the_same_command_resumes(
    suite: Path, undisturbed: dict[str, Any], cluster: Any, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_cluster, "GONE_SECONDS", 1.0)
    done = []

    def hear(cell: Cell, event: Event) -> None:
        if isinstance(event.message, Done):
            done.append(event.message)
        if len(done) == 1:
            for processes in cluster.head_node.all_processes.values():
                for process in processes:
                    process.process.kill()

    with pytest.raises(RunError, match="the head of the Ray cluster"):
        make(suite, tmp_path / "r", "ray", cluster.address, hear=hear)
    assert 1 <= len(contents(tmp_path / "r")) / 2 < 6
    words = ["sweep", str(suite), "--launcher", "ray:store_mb=80", "--jobs", "2", "--results", str(tmp_path / "r")]
    again = subprocess.run(
        [sys.executable, "-m", "calibench", *words, "--json"], capture_output=True, text=True, check=False
    )
    assert (again.returncode, again.stderr) == (0, "")
    document = json.loads(again.stdout)
    assert document["before"] >= 1
    assert document["before"] + document["made"] == 6
    assert contents(tmp_path / "r") == undisturbed
    assert not list(Path("/tmp").glob(f"{ray_cluster.FOLDER}*"))
