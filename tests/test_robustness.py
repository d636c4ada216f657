"""Crashes, full disks, damaged files and two runs at once: a results folder never holds half a file or a false figure."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from calibench import RunError
from calibench.atomic import replacing, writable_folder, write_json
from calibench.cache import stage_cache as artifacts
from calibench.cache.stage_cache import StageCache
from calibench.records import store

RUN = (
    *("run", "-m", "ce+temperature", "-d", "npz:path=features.npz", "--model", "mlp:hidden=8", "--epochs", "2"),
    "--json",
)
DYING = """
import os, signal, sys
from calibench.cli import main
moment, syncs, sync = int(sys.argv[1]), 0, os.fsync
def fsync(fd):
    global syncs
    syncs += 1
    if syncs == moment:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(fd)
os.fsync = fsync
sys.argv = ["calibench", *sys.argv[2:]]
main()
"""


def leftovers(folder):
    return [str(path) for path in folder.rglob("*.tmp")]


def figures(document):
    return json.dumps(
        [document["metrics"], document["intervals"], document["noise_floor"], document["fitted"]], sort_keys=True
    )


@pytest.fixture
def whole(cli, features):
    """The record of an undisturbed run, elsewhere."""
    return cli(*RUN, "--results", "elsewhere").document


@pytest.mark.parametrize("moment", [1, 4, 5, 7])
def test_killed_in_the_middle(moment, cli, whole, tmp_path):
    """Each file is synced twice: 1 is stage 1 written, not renamed; 4 its checksum; 5 the predictions; 7 the record."""
    command = [sys.executable, "-c", DYING, str(moment), *RUN]
    killed = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert killed.stdout == ""
    results = tmp_path / "results"
    assert bool(leftovers(results)) == (moment % 2 == 1)
    assert not list((results / "records").glob("*.json"))
    ran = cli(*RUN)
    assert ran.code == 0, ran.err
    assert figures(ran.document) == figures(whole)
    assert ran.document["cache"]["hits"] == (["stage1"] if moment >= 4 else [])
    assert not leftovers(tmp_path)
    (record,) = (results / "records").iterdir()
    assert json.loads(record.read_text()) == ran.document
    assert cli("leaderboard", "--results", "results").code == 0


LISTENING = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored under a shell's & without job control, and inherited
from calibench.cli import main
sys.argv[0] = "calibench"
main()
"""


def test_a_killed_run_leaves_no_process_waiting(cli, features, tmp_path):
    """Interrupted by Ctrl-C: exit code 130, a line that says what is kept, and no traceback."""
    command = [sys.executable, "-c", LISTENING, *RUN[:-1], "--set", "ce.lr=1e-9", "-s", "1"]
    command[command.index("2")] = "1000000"
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        while running.poll() is None and not (tmp_path / "results" / "cache").exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(0.2)  # into the training
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130, err
    assert out == ""
    assert "error: interrupted" in err
    assert "Traceback" not in err
    assert not [path for path in (tmp_path / "results").rglob("*") if path.is_file()]


@contextlib.contextmanager
def file_size_limit(size):
    """Writes beyond `size` bytes of any file fail, as on a full disk (Python ignores SIGXFSZ)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [64, 4096, 20_000])
def test_a_full_disk(size, cli, whole, tmp_path):
    with file_size_limit(size):
        ran = cli(*RUN)
    assert ran.code == 1, ran.err
    assert ran.out == ""
    message, hint = ran.err.strip().splitlines()
    assert message.startswith("error: cannot write results/")
    assert "is the disk full?" in hint
    results = tmp_path / "results"
    assert not leftovers(results)
    assert not list((results / "records").iterdir())
    assert not list((results / "predictions").iterdir())
    again = cli(*RUN)
    assert again.code == 0
    assert figures(again.document) == figures(whole)


def test_a_full_disk_under_force_keeps_the_old_run(cli, features, tmp_path):
    first = cli(*RUN)
    with file_size_limit(4096):
        assert cli(*RUN, "--force").code == 1
    assert not leftovers(tmp_path)
    again = cli(*RUN)
    assert "there already" in again.err
    assert again.document == first.document


def test_a_full_disk_under_boards_and_plots(cli, features, good, tmp_path):
    pytest.importorskip("matplotlib")
    assert cli(*RUN).code == 0
    (tmp_path / "board.md").write_text("the board of last week\n")
    with file_size_limit(64):
        for command in (
            ("leaderboard", "--format", "markdown", "--output", "board.md"),
            ("evaluate", good, "--plot", "out.svg"),
            ("evaluate", good, "--plot", "out.png", "--json"),
        ):
            ran = cli(*command)
            assert ran.code == 1, ran.err
            assert ran.out == ""
            assert "cannot write" in ran.err
            assert "Traceback" not in ran.err
    assert (tmp_path / "board.md").read_text() == "the board of last week\n"
    assert not list(tmp_path.glob("out.*"))
    assert not leftovers(tmp_path)


def flip(path, at=-9):
    content = bytearray(path.read_bytes())
    content[at] ^= 0x55
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


DAMAGE = {
    "flipped": flip,
    "cut": cut,
    "emptied": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_trained_again(damage, cli, features, tmp_path):
    first = cli(*RUN).document
    (product,) = (tmp_path / "results" / "cache").glob("*.safetensors")
    for path in (product, product.with_suffix(".sha256")):
        DAMAGE[damage](path)
        (tmp_path / "results" / "records" / f"{first['run_id']}.json").unlink()
        ran = cli(*RUN)
        assert ran.code == 0, ran.err
        assert ran.document["cache"] == {"hits": [], "made": ["stage1"]}
        assert figures(ran.document) == figures(first)
    (tmp_path / "results" / "records" / f"{first['run_id']}.json").unlink()
    assert cli(*RUN).document["cache"] == {"hits": ["stage1"], "made": []}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_predictions_are_made_again(damage, cli, features, tmp_path):
    first = cli(*RUN).document
    path = tmp_path / "results" / first["predictions"]["file"]
    arrays = load_file(path)
    DAMAGE[damage](path)
    board = cli("leaderboard")
    assert board.code == 0, board.err
    assert "no interval over seeds" in board.out
    ran = cli(*RUN)
    assert ran.code == 0, ran.err
    assert "there already" not in ran.err
    assert figures(ran.document) == figures(first)
    again = load_file(path)
    assert again.keys() == arrays.keys()
    assert all(np.array_equal(again[name], arrays[name]) for name in arrays)
    assert "there already" in cli(*RUN).err


@pytest.mark.parametrize("damage", [*DAMAGE, "other schema"])
def test_a_damaged_record_is_made_again(damage, cli, features, tmp_path):
    first = cli(*RUN).document
    path = tmp_path / "results" / "records" / f"{first['run_id']}.json"
    if damage == "other schema":
        path.write_text(json.dumps(first | {"schema": "calibench.record/0"}))
    elif damage == "flipped":
        flip(path, at=10)
    else:
        DAMAGE[damage](path)
    ran = cli(*RUN)
    assert ran.code == 0, ran.err
    assert "there already" not in ran.err
    assert figures(ran.document) == figures(first)
    assert json.loads(path.read_text()) == ran.document


def test_two_runs_at_once(cli, whole, tmp_path):
    command = [sys.executable, "-m", "calibench", *RUN]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for running in both:
        out, err = running.communicate(timeout=120)
        assert running.returncode == 0, err
        assert figures(json.loads(out)) == figures(whole)
    assert not leftovers(tmp_path)


def test_the_same_predictions_are_the_same_bytes(whole, tmp_path):
    """Else two runs at once can leave one's record beside the other's predictions, which then look damaged."""
    record = store.read_record(tmp_path / "elsewhere" / "records" / f"{whole['run_id']}.json")
    arrays = store.read_predictions(tmp_path / "elsewhere", record)
    digests = {store.write_run(tmp_path / "elsewhere", record, arrays).predictions["sha256"] for _ in range(12)}
    assert len(digests) == 1


def test_a_reader_between_the_two_writes_of_a_product(tmp_path, monkeypatch):
    """Another process finds a product without its checksum, takes it for damaged and removes it: the writer must not fail."""

    @contextlib.contextmanager
    def interrupted(path):
        if path.suffix == ".sha256":
            assert StageCache(tmp_path).get("stage", "key") is None
        with replacing(path) as temporary:
            yield temporary

    monkeypatch.setattr(artifacts, "replacing", interrupted)
    cache = StageCache(tmp_path)
    cache.put("stage", "key", {"w": torch.ones(3)})
    assert StageCache(tmp_path).get("stage", "key") is None
    monkeypatch.undo()
    cache.put("stage", "key", {"w": torch.ones(3)})
    assert torch.equal(StageCache(tmp_path).get("stage", "key")["w"], torch.ones(3))


def half_write(path, error):
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise error


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    for bad in ({"a": float("nan")}, {"a": object()}):
        with pytest.raises((ValueError, TypeError)):
            write_json(path, bad)
    for error, seen in ((RuntimeError("half way"), RuntimeError), (OSError(28, "No space left"), RunError)):
        with pytest.raises(seen, match=r"half way|cannot write .*a\.json: No space left"):
            half_write(path, error)
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_sweeping_takes_only_what_the_dead_left(tmp_path):
    """Files of processes that live, of other machines and of other programs stay."""
    with replacing(tmp_path / "x") as temporary:
        own = temporary.name
        temporary.write_text("being written")
        gone = subprocess.run(["true"], check=False)  # its id is free again
        assert gone.returncode == 0
        finished = subprocess.Popen(["true"])
        finished.wait()
        dead = own.replace(f".{os.getpid()}.tmp", f".{finished.pid}.tmp")
        elsewhere = ".x.another-machine.1.tmp"
        for name in (dead, elsewhere, "user.tmp", ".hidden.tmp"):
            (tmp_path / name).write_text("")
        writable_folder(tmp_path)
        assert {p.name for p in tmp_path.iterdir()} == {own, elsewhere, "user.tmp", ".hidden.tmp"}
