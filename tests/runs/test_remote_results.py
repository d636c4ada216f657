"""Results at a URL: an S3 server on this machine keeps what a sweep makes, and another machine resumes from there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from short_runs import write_small_suite

from calibench import RunError
from calibench.config.suite import load_suite
from calibench.records.remote import MIRRORS, RemoteResults, fetch_results
from calibench.runs.launchers.messages import Event, Task, Workers
from calibench.runs.launchers.outcome import outcome_of
from calibench.runs.options import RunOptions
from calibench.runs.sweeps.cells import cells_of
from calibench.runs.sweeps.state import fetch_for_sweep
from calibench.runs.sweeps.sweep import Swept, sweep


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an S3 server; the environment has its address and some credentials."""
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server: str) -> str:
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("ours")
    yield "s3://ours/results"
    s3fs.S3FileSystem(skip_instance_cache=True).rm("ours", recursive=True)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`machine("a")`: from now on mirrors lie where those of this machine are."""
    return lambda name: monkeypatch.setenv(MIRRORS, str(tmp_path / name))


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_suite(tmp_path_factory.mktemp("suite"), ["ce", "ce+temperature"])


def in_turn(stop: int = 99) -> Any:
    """A launcher that makes runs in this process, and is cut off after `stop` of them."""

    def launch(configs: Any, options: RunOptions, workers: Workers) -> Iterator[Event]:
        for number, config in enumerate(configs):
            if number == stop:
                raise KeyboardInterrupt
            yield Event(0, outcome_of(Task(number, config), options))

    return launch


def make(suite: Path, url: str, stop: int = 99, **options: Any) -> Swept:
    loaded, remote = load_suite(suite), RemoteResults(url)
    own = RunOptions(results=fetch_for_sweep(remote, loaded.name), remote=remote.url, wait=False)
    return sweep(loaded.name, cells_of(loaded.configs(), own, 1), own, launch=in_turn(stop), **options)


def keys(url: str) -> list[str]:
    import s3fs

    return sorted(key.removeprefix("ours/results/") for key in s3fs.S3FileSystem(skip_instance_cache=True).find(url))


@pytest.mark.slow
def test_another_machine_makes_what_is_missing(suite: Path, bucket: str, machine: Any) -> None:
    machine("a")
    with pytest.raises(KeyboardInterrupt):
        make(suite, bucket, stop=3)
    assert len([key for key in keys(bucket) if key.startswith("records/")]) == 3
    machine("b")
    swept = make(suite, bucket)
    assert (swept.before, swept.made, swept.failed) == (3, 1, [])
    assert [key for key in keys(bucket) if key.startswith("sweeps/")] == ["sweeps/small-v1.json"]
    machine("c")
    again = make(suite, bucket)
    assert (again.before, again.made) == (4, 0)
    assert not (RemoteResults(bucket).mirror / "cache").exists(), "nothing was run"
    changed = {path.name: path.stat().st_mtime_ns for path in (RemoteResults(bucket).mirror / "records").iterdir()}
    machine("d")
    remote = RemoteResults(bucket)
    remote.fetch_run(min(changed).removesuffix(".json"))
    (record,) = (remote.mirror / "records").iterdir()
    assert record.stat().st_mtime_ns == changed[record.name], "the same on every machine"


@pytest.mark.slow
def test_a_record_that_the_state_does_not_know_is_not_made_again(suite: Path, bucket: str, machine: Any) -> None:
    import s3fs

    machine("a")
    make(suite, bucket)
    s3fs.S3FileSystem(skip_instance_cache=True).rm(f"{bucket}/sweeps/small-v1.json")
    machine("b")
    swept = make(suite, bucket)
    assert (swept.before, swept.made) == (4, 0)


@pytest.mark.slow
def test_a_record_is_uploaded_after_its_predictions(
    suite: Path, bucket: str, machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("a")
    uploads = []
    upload = RemoteResults.upload

    def failing(self: RemoteResults, file: Path) -> None:
        uploads.append(file.parent.name)
        if file.parent.name == "records" and uploads.count("records") == 1:
            raise RunError("the network is gone")
        upload(self, file)

    monkeypatch.setattr(RemoteResults, "upload", failing)
    swept = make(suite, bucket)
    assert uploads[:2] == ["predictions", "records"]
    assert (swept.made, len(swept.failed)) == (3, 1)
    records = {key for key in keys(bucket) if key.startswith("records/")}
    assert len(records) == 3
    monkeypatch.undo()
    machine("a")
    again = make(suite, bucket, retry_failed=True)
    assert (again.before, again.made, again.failed) == (4, 0, [])
    assert len([key for key in keys(bucket) if key.startswith("records/")]) == 4


@pytest.mark.slow
def test_commands_read_a_url_as_they_read_a_folder(suite: Path, bucket: str, machine: Any, cli: Any) -> None:
    machine("a")
    make(suite, bucket)
    folder = shutil.copytree(RemoteResults(bucket).mirror, suite.parent / "copy", dirs_exist_ok=True)
    machine("b")
    for words in (("leaderboard", "--results", "{}"), ("results", "--results", "{}"), ("leaderboard", "{}", "--json")):
        there, here = (cli(*(word.format(place) for word in words)) for place in (bucket, folder))
        assert there.code == 0, there.err
        assert there.out == here.out
    assert cli("verify", bucket, "--json").document["records"][0]["faults"] == []
    assert len(list((fetch_results(bucket) / "predictions").iterdir())) == 4


def test_the_mistakes_of_a_url_are_named(server: str, refused: Any, tmp_path: Path, machine: Any) -> None:
    machine("a")
    refused("sweep", "quick-v1", "--results", "s3://no-such-bucket/x", says="cannot read s3://no-such-bucket/x")
    refused("run", "--results", "s3://ours/x", says="this command writes to a folder", hint="sweep takes a URL")
    refused(
        "leaderboard", "--results", "no-such-scheme://x", says="no-such-scheme://x", hint="such as s3://bucket/results"
    )
    refused("verify", "s3://no-such-bucket/x", says="cannot read s3://no-such-bucket/x", hint="AWS_ENDPOINT_URL")
    refused("sweep", "quick-v1", "--results", "s3://", says="s3://: it names no bucket or folder")
    refused("sweep", "quick-v1", "--results", "memory://x", says="memory://x: it ends with this process")
    refused("results", "--results", f"file://{tmp_path}", says=f"there are no records at file://{tmp_path}")


def test_a_changed_record_is_downloaded_again_and_others_are_not(machine: Any, tmp_path: Path) -> None:
    machine("a")
    there = tmp_path / "there"
    (there / "records").mkdir(parents=True)
    for name in ("one", "two"):
        (there / "records" / f"{name}.json").write_text(json.dumps({"name": name}))
    remote = RemoteResults(f"file://{there}")
    remote.fetch("records")
    ours = remote.mirror / "records"
    changed = (ours / "two.json").stat().st_mtime_ns
    (ours / "two.json").write_text(json.dumps({"name": "our"}))
    os.utime(ours / "two.json", ns=(0, changed))
    (there / "records" / "one.json").write_text(json.dumps({"name": "new"}))
    remote.fetch("records")
    assert json.loads((ours / "one.json").read_text()) == {"name": "new"}
    assert json.loads((ours / "two.json").read_text()) == {"name": "our"}, "of equal size and time"
    for name in ("one", "two"):
        (there / "records" / f"{name}.json").unlink()
    os.utime(ours / "one.json", (0, 0))
    remote.fetch("records")
    assert sorted(file.name for file in ours.iterdir()) == ["two.json"], "but for what is new"
