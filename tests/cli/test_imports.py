"""Start-up: commands that only list or show import nothing heavy. Modules are counted: a count does not depend on the load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from imported_modules import imported_modules

ROOT = Path(__file__).resolve().parents[2]

HEAVY = {"torch", "scipy", "sklearn", "matplotlib", "safetensors", "pandas", "pyarrow"}


def packages(modules):
    return {name.partition(".")[0] for name in modules}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "most"),
    [
        (("--help",), 115),
        (("run", "--help"), 76),
        (("list", "methods"), 421),
        (("list", "metrics", "--json"), 322),
        (("show", "method", "vtst", "--json"), 371),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_listing_and_showing_import_little(args, most, tmp_path):
    modules = imported_modules(args, tmp_path)
    assert not packages(modules) & (HEAVY | {"numpy"})
    assert len(modules) <= most, modules


def test_importing_calibench_imports_nothing(tmp_path):
    probe = "import sys; import calibench; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert not packages(ended.stdout.split()) & (HEAVY | {"numpy", "rich", "click", "pluggy"})


@pytest.mark.slow
@pytest.mark.usefixtures("features")
def test_boards_import_no_torch(cli, tmp_path):
    """Records become boards where torch is not installed: numpy and safetensors are enough."""
    run = ("run", "-m", "ce", "-m", "ce+temperature", "-d", "npz:path=features.npz", "--model", "frozen", "-q")
    assert cli(*run).code == 0
    for form in ("table", "markdown", "csv", "json"):
        modules = imported_modules(("leaderboard", "--format", form), tmp_path)
        assert not packages(modules) & (HEAVY - {"safetensors"}), form
        assert len(modules) <= 305, (form, len(modules))


@pytest.fixture
def calibrated(tmp_path):
    """A file of 2 000 samples whose labels are drawn from the probabilities."""
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(2000, 4))
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probs.cumsum(axis=1) < generator.random((2000, 1))).sum(axis=1).clip(0, 3)
    np.savez(tmp_path / "test.npz", logits=logits, labels=labels)
    return tmp_path


@pytest.mark.slow
def test_judging_a_file_imports_no_torch(calibrated):
    """A dashboard or a gate waits for numpy alone. A map to try, and the advice where outputs are not calibrated, need torch."""
    modules = imported_modules(("evaluate", "test.npz", "-q"), calibrated)
    assert not packages(modules) & (HEAVY - {"scipy"})
    assert len(modules) <= 824, len(modules)
    assert "torch" in packages(
        imported_modules(("evaluate", "test.npz", "--fit", "temperature", "--cross-fit", "5"), calibrated)
    )


NO_TORCH = """
import importlib.machinery, json, sys
find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] == "torch" else find(name, *rest)
from calibench.cli import main
sys.argv = ["calibench", *json.loads(sys.argv[1])]
main()
"""


@pytest.mark.slow
def test_judging_needs_no_torch(calibrated):
    command = ("evaluate", "test.npz", "--json")
    documents = []
    for words in (["-c", NO_TORCH, json.dumps(command)], ["-m", "calibench", *command]):
        ended = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=calibrated)
        assert ended.returncode == 0, ended.stderr
        documents.append(json.loads(ended.stdout))
    assert documents[0] == documents[1]
    assert documents[0]["calibrated"] == "no_sign"


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--plot", "out.svg", "--plot-kind", "reliability,corp,confidence,risk-coverage"),
        ("--stream", "--plot", "out.svg"),
        ("--report", "out.html"),
    ],
    ids=["plot", "stream", "report"],
)
def test_pictures_and_one_pass_need_no_torch(calibrated, options):
    command, out = (
        ("evaluate", "test.npz", "--json", *options),
        calibrated / options[-1 if "--stream" in options else 1],
    )
    written = []
    for words in (["-c", NO_TORCH, json.dumps(command)], ["-m", "calibench", *command]):
        ended = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=calibrated)
        assert ended.returncode == 0, ended.stderr
        written.append((json.loads(ended.stdout), out.stat().st_size))
        out.unlink()
    assert written[0] == written[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (
            ("evaluate", "test.npz"),
            0,
            "warning: no map was tried, since torch is not installed; for a CPU, 200 MB: pip",
        ),
        (
            ("evaluate", "test.npz", "--fit", "temperature", "--cross-fit", "5"),
            2,
            "torch is not installed, and this command needs it",
        ),
        (("run", "-m", "ce"), 2, "torch is not installed, and this command needs it"),
        (("sweep", "quick-v1", "--seed", "0"), 2, "torch is not installed, and training needs it"),
    ],
    ids=["advice", "fit", "run", "sweep"],
)
def test_without_torch_a_sentence_says_what_to_install(calibrated, words, code, says):
    arrays = dict(np.load(calibrated / "test.npz"))
    np.savez(calibrated / "test.npz", logits=2 * arrays["logits"], labels=arrays["labels"])
    script = [sys.executable, "-c", NO_TORCH, json.dumps(words)]
    ended = subprocess.run(script, capture_output=True, text=True, check=False, cwd=calibrated)
    assert ended.returncode == code, ended.stderr
    said = " ".join((ended.stdout + ended.stderr).split())
    assert says in said
    assert 'pip install "torch>=2.10,<2.14" --index-url https://download.pytorch.org/whl/cpu; for CUDA' in said
    assert "Traceback" not in ended.stderr
    assert [path.name for path in calibrated.iterdir()] == ["test.npz"]


@pytest.mark.slow
def test_doctor_without_torch_looks_at_the_kernels_for_numpy(tmp_path):
    script = [sys.executable, "-c", NO_TORCH, json.dumps(("doctor", "--json"))]
    ended = subprocess.run(script, capture_output=True, text=True, check=False, cwd=tmp_path)
    document = json.loads(ended.stdout)
    served = document["kernels"]["error"] is None
    assert (ended.returncode == 0) == document["healthy"] == served, ended.stderr
    assert {op["cpu"] for op in document["kernels"]["ops"]} == {"fused-cpu" if served else "not compiled"}
    assert document["kernels"]["missing"][0]["what"] == "torch"
    assert "--index-url" in document["kernels"]["missing"][0]["how"]


@pytest.mark.slow
def test_without_torch_a_program_is_told_what_to_install(tmp_path):
    """A name that needs torch is an InputError, not an error of an import deep in the package."""
    script = "import sys; sys.modules['torch'] = None; import calibench\n"
    script += "try: calibench.run\nexcept calibench.InputError as error: print(error)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ended.stdout.startswith("torch is not installed, and calibench.run needs it\nfor a CPU, 200 MB: pip install")


TEN_LINES = """
import calibench

@calibench.hookimpl
def calibench_methods():
    return [calibench.MethodSpec(name="halve", kind="calibrator", target="my_plugin:Halve", summary="Divide every logit by two.")]

class Halve(calibench.Calibrator):
    def fit(self, outputs, labels):
        return {"factor": 0.5}
    def apply(self, outputs, fitted):
        return calibench.Outputs(outputs.logits() * fitted["factor"])
"""


@pytest.fixture
def ten_lines(tmp_path, monkeypatch):
    """The README's plugin, installed: its module, and the entry point that its wheel would bring."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert TEN_LINES.strip() in readme, "the plugin in README.md is not the one that this test installs"
    site = tmp_path / "site"
    info = site / "my_plugin-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "my_plugin.py").write_text(TEN_LINES)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[calibench]\nmy-plugin = my_plugin\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.usefixtures("ten_lines")
def test_a_plugin_of_ten_lines_keeps_listing_light(tmp_path):
    modules = imported_modules(("list", "methods", "--json"), tmp_path)
    assert "my_plugin" in modules
    assert not packages(modules) & (HEAVY | {"numpy"})


@pytest.mark.slow
@pytest.mark.usefixtures("ten_lines")
def test_a_plugin_of_ten_lines_runs(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "calibench", "run", "-m", "ce+halve", "--epochs", "1", "--json", "-q"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["fitted"][-1] == {"factor": 0.5, "stage": "halve"}
