"""`calibench evaluate --stream`: the document, what it refuses, Ctrl-C, and memory that does not grow with the file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from calibench.files import available_memory


@pytest.fixture
def arrays(tmp_path, samples):
    """`logits.npy` and `y.npy` under `tmp_path`, with the command that judges them."""
    logits, labels = samples(90, 3)
    np.save(tmp_path / "logits.npy", logits)
    np.save(tmp_path / "y.npy", labels)
    return ("evaluate", "logits.npy", "--labels", "y.npy")


def test_the_document_is_that_of_the_whole_file(cli, arrays):
    whole = cli(*arrays, "--resamples", 0, "--json").document
    streamed = cli(*arrays, "--resamples", 0, "--json", "--stream").document
    left_out = streamed.pop("not_streamed")
    assert set(left_out) == {"ece_equal_mass15", "aurc"}
    for name in left_out:
        whole["metrics"].pop(name)
        whole["intervals"].pop(name)
        whole["units"].pop(name)
        whole["details"].pop(name, None)
    whole |= {key: streamed[key] for key in ("file", "sha256")}
    for key in ("metrics", "details", "mean_confidence"):
        assert str(whole.pop(key))[:60] == str(streamed.pop(key))[:60]  # the tests of figures compare the digits
    assert streamed == whole


def test_what_is_left_out_stands_below_the_table(cli, arrays):
    ran = cli(*arrays, "--stream", "--resamples", 0)
    assert ran.code == 0, ran.err
    assert "not in one pass: ece_equal_mass15, aurc (the figure is no sum over samples" in ran.out
    assert "aurc" not in ran.out.partition("verdict:")[0]


@pytest.mark.slow
def test_several_files_make_a_board(cli, arrays, tmp_path, samples):
    np.savez(tmp_path / "a.npz", logits=np.load(tmp_path / "logits.npy"), labels=np.load(tmp_path / "y.npy"), more=[1])
    np.savez(tmp_path / "b.npz", logits=samples(90, 3, seed=1)[0], labels=np.load(tmp_path / "y.npy"))
    np.savez(tmp_path / "c.npz", logits=samples(90, 3)[0], labels=np.roll(np.load(tmp_path / "y.npy"), 1))
    options = ("--stream", "--json", "--resamples", 0)
    same = cli("evaluate", "a.npz", "b.npz", *options).document
    assert same["same_samples"] is True
    assert same["evaluations"][0]["warnings"] == ["not used of this file: more"]
    assert cli("evaluate", "a.npz", "c.npz", *options).document["same_samples"] is False


def test_refusals(refused, arrays, good, tmp_path):
    stream = (*arrays, "--stream")
    refused(
        *stream, "--metrics", "nll,aurc", says="aurc cannot be computed in one pass", hint="these can: accuracy, nll"
    )
    refused(*stream, "--fit", "temperature", says="--fit does not go with --stream", hint="leave out --stream")
    refused(*stream, "--soft", "s.npy", "--cross-fit", 5, says="--soft, --cross-fit does not go with --stream")
    refused("evaluate", "logits.npy", "--stream", says="labels are missing", hint="--labels FILE.npy")
    refused("evaluate", "logits.npy", says="labels are missing", hint="--labels FILE.npy")
    (tmp_path / "a.csv").write_text("a,b,label\n.5,.5,1\n")
    refused("evaluate", "a.csv", "--stream", says="'.csv' cannot be read in one pass", hint=".parquet")
    refused("evaluate", good, "none.npz", "--stream", says="there is no file 'none.npz'")
    labels = np.load(tmp_path / "y.npy")
    labels[77] = 3
    np.save(tmp_path / "y.npy", labels)
    refused(*stream, "--plot", "out.svg", says="logits.npy: row 77: the label is outside [0, 3)")


def test_a_file_larger_than_memory_is_refused_before_it_is_read(refused, cli, arrays, tmp_path, monkeypatch):
    folder = tmp_path.parent / f"{tmp_path.name}_system"
    folder.mkdir()
    (folder / "meminfo").write_text("MemAvailable: 1 kB\n")
    monkeypatch.setattr(available_memory, "MEMINFO", folder / "meminfo")
    refused(
        *arrays,
        says="its scores takes 1.08 kB of memory, and 512 bytes may be taken (half of what is free)",
        hint="--stream",
    )
    assert cli(*arrays, "--stream", "--resamples", 0).code == 0


@pytest.mark.slow
def test_a_plot_of_one_pass_is_that_of_the_whole_file(cli, arrays, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    for name, options in (("whole.png", ()), ("stream.png", ("--stream",))):
        assert cli(*arrays, "--resamples", 0, "--plot", name, *options).code == 0
    assert (tmp_path / "whole.png").read_bytes() == (tmp_path / "stream.png").read_bytes()


INTERRUPTIBLE = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""A process whose parent ignores Ctrl-C, as one that a script started behind itself, would ignore it too."""


def started(folder, *args):
    """A process that runs the command in `folder`."""
    command = [sys.executable, "-c", INTERRUPTIBLE + "from calibench.cli import main\nmain()", *map(str, args)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until_open(process, path, seconds=60.0):
    """Wait until the process has the file open: it is then past its imports, and reads."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                if link.readlink() == path:
                    return
            except OSError:  # closed meanwhile
                continue
        time.sleep(0.02)
    raise AssertionError(f"{path} was not opened: {process.communicate()}")


def interrupted(process):
    """Ctrl-C, and how the command ends."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=150)
    assert process.returncode == 130, err
    assert out == ""
    assert "error: interrupted" in err
    assert "Traceback" not in err
    assert "stored" not in err  # evaluate stores nothing


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="asks /proc which files a process has open")
@pytest.mark.parametrize("options", [("--stream",), ("--stream", "--plot", "out.svg"), ("--stream", "--json", "-q")])
def test_ctrl_c_in_a_stream_leaves_nothing(options, tmp_path):
    for name, shape, dtype in (("logits", (1 << 24, 8), np.float32), ("y", (1 << 24,), np.int64)):
        np.lib.format.open_memmap(tmp_path / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)  # a hole: zeros
    before = sorted(tmp_path.iterdir())
    process = started(tmp_path, "evaluate", "logits.npy", "--labels", "y.npy", *options)
    wait_until_open(process, tmp_path / "logits.npy")
    time.sleep(1.0)  # the header is read first
    interrupted(process)
    assert sorted(tmp_path.iterdir()) == before


SLOW_PLOT = """
import sys, time
from pathlib import Path
import matplotlib.figure
import calibench.cli

def savefig(self, path, **options):
    Path(path).write_text("half of a diagram")
    Path("drawing").touch()
    time.sleep(60)

matplotlib.figure.Figure.savefig = savefig
sys.argv = ["calibench", "evaluate", "logits.npy", "--labels", "y.npy", "--resamples", "0", "--plot", "out.svg", *sys.argv[1:]]
calibench.cli.main()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("arrays")
@pytest.mark.parametrize("options", [(), ("--stream",)])
def test_ctrl_c_leaves_no_half_of_a_diagram(options, tmp_path):
    (tmp_path / "out.svg").write_text("an earlier diagram")
    before = sorted(tmp_path.iterdir())
    command = [sys.executable, "-c", INTERRUPTIBLE + SLOW_PLOT, *options]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "drawing").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    interrupted(process)
    (tmp_path / "drawing").unlink()
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "out.svg").read_text() == "an earlier diagram"


PEAK = """
import json, sys
from pathlib import Path
import calibench

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

def judge(name):
    return calibench.evaluate_stream(f"{name}_logits.npy", labels=f"{name}_y.npy", resamples=int(sys.argv[1]))

judge("small")
Path("/proc/self/clear_refs").write_text("5")
before = peak()
n = judge("large").n
print(json.dumps([n, peak() - before]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs the high-water mark of Linux")
@pytest.mark.parametrize(
    ("rows", "classes", "resamples"), [(5_000_000, 10, 0), (250_000, 200, 0), (1_000_000, 10, 1000)]
)
def test_memory_does_not_grow_with_the_file(rows, classes, resamples, tmp_path):
    for name, n in (("small", 300), ("large", rows)):
        np.lib.format.open_memmap(tmp_path / f"{name}_logits.npy", mode="w+", dtype=np.float32, shape=(n, classes))
        np.save(tmp_path / f"{name}_y.npy", np.arange(n) % classes)
    ran = subprocess.run(
        [sys.executable, "-c", PEAK, str(resamples)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    n, extra = json.loads(ran.stdout)
    assert n == rows
    # A block of half a million scores with its figures, and for intervals, floors and advice up to 20 million kept scores.
    assert extra < 60e6 if not resamples else extra < 150e6, f"{extra / 1e6:.0f} MB"
