"""Every hook's docstring holds a plugin: each is pasted into a module, installed and used."""

from __future__ import annotations

import hashlib
import inspect
import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

import calibench
from calibench.config.suite import load_suite
from calibench.plugins import hookspecs
from calibench.plugins.discovery import HOOKS, registry

QUICK = {"epochs": 2, "results": None}
PAGES = ("plugins.md", "shift.md", "suites.md", "cluster.md", "trackers.md")
CODE_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def pasted(hook: str) -> str:
    """The plugin in a hook's docstring."""
    blocks = CODE_BLOCK.findall(inspect.getdoc(getattr(hookspecs, hook)))
    assert len(blocks) == 1
    return textwrap.dedent(blocks[0])


def tutorial() -> str:
    """The guide to plugins, and the guide to shift, which has the example of an OOD score."""
    guides = Path(__file__).parents[2] / "docs" / "guides"
    return "".join((guides / name).read_text(encoding="utf-8") for name in PAGES)


@pytest.fixture
def install(install_plugin):
    """`install(hook)`: install the plugin of a hook's docstring, under the names in the docstring of hookspecs."""
    registration = re.search(
        r"^\[project\.entry-points\.(\w+)\]\n([\w-]+) = \"(\w+)\"", inspect.getdoc(hookspecs), re.MULTILINE
    )
    group, name, module = registration.groups()
    assert group == "calibench"
    return lambda hook: install_plugin(module, pasted(hook), name=name)


def test_every_hook_is_documented_with_a_plugin():
    hooks = {name for name, member in vars(hookspecs).items() if hasattr(member, "calibench_spec")}
    assert hooks == HOOKS.keys()
    for hook in hooks:
        function = getattr(hookspecs, hook)
        assert inspect.getdoc(function).splitlines()[0].endswith((".", "`.", "rules."))
        assert not inspect.signature(function).parameters
        source = pasted(hook)
        assert f"@calibench.hookimpl\ndef {hook}():" in source
        assert len([line for line in source.splitlines() if line.strip()]) <= 16
        spec = HOOKS[hook]
        assert spec.__name__ in source
        assert spec.__name__ in str(inspect.signature(function).return_annotation)


def test_every_hook_has_a_family():
    families = [spec.family for spec in HOOKS.values()]
    assert len(set(families)) == len(families)
    assert "" not in families


@pytest.mark.parametrize("hook", HOOKS)
def test_the_tutorial_shows_the_plugins_that_are_tested_here(hook):
    assert pasted(hook).strip() in tutorial()


@pytest.mark.slow
def test_the_calibrator(install):
    install("calibench_methods")
    assert registry().get("method", "halve").plugin.distribution == "my-module-dist"
    record = calibench.run(method="ce+halve", **QUICK)
    plain = calibench.run(method="ce", **QUICK)
    assert record.recipe == "ce:epochs=2+halve"
    assert record.fitted[-1] == {"stage": "halve", "factor": 0.5}
    assert record.metrics["accuracy"] == plain.metrics["accuracy"]
    assert record.metrics["nll"] > plain.metrics["nll"], (
        "halved logits are less sure, and two epochs are unsure already"
    )
    assert record.versions["my-module-dist"] == "3.1"


def test_the_dataset(install):
    install("calibench_datasets")
    record = calibench.run(method="ce", dataset="coins:rows=100", **QUICK)
    assert record.dataset == "coins:rows=100"
    assert sum(record.n.values()) == 100
    assert record.data["classes"] == 2
    with pytest.raises(calibench.InputError, match=r"rows=10 is outside \[50, inf\]"):
        calibench.run(method="ce", dataset="coins:rows=10", **QUICK)


@pytest.mark.slow
def test_the_model(install):
    install("calibench_models")
    for method in ("ce", "tst:epochs=1"):
        record = calibench.run(method=method, model="logistic", **QUICK)
        assert record.model == "logistic"
        assert record.metrics["accuracy"] > 0.15


def test_the_noise(install):
    install("calibench_noises")
    record = calibench.run(method="ce", noise="shift-one", **QUICK)
    assert record.noise == "shift-one"
    assert record.data["noise"]["realised_rate"] == 1
    assert record.metrics["accuracy"] < 0.1, "it learns that every digit is the next"


@pytest.mark.slow
def test_the_shift(install):
    install("calibench_shifts")
    record = calibench.run(method="ce", shift=["dimmed"], epochs=12, results=None)
    assert [(row["kind"], row["severity"]) for row in record.shift] == [("dimmed", 1), ("dimmed", 2), ("dimmed", 3)]
    accuracies = [row["metrics"]["accuracy"] for row in record.shift]
    assert record.metrics["shift_accuracy_dimmed"] == pytest.approx(np.mean(accuracies), abs=1e-12)
    assert record.metrics["accuracy"] > 0.9
    assert record.metrics["accuracy"] > accuracies[2]
    assert record.versions["my-module-dist"] == "3.1"


@pytest.mark.slow
def test_the_ood_score(install, tmp_path):
    install("calibench_ood_scores")
    rows = np.random.default_rng(0).random((60, 1, 8, 8)).astype(np.float32)
    np.savez(
        tmp_path / "noise.npz", train_x=rows[:30], train_y=np.arange(30) % 3, test_x=rows[30:], test_y=np.arange(30) % 3
    )
    noise = f"npz:path={tmp_path}/noise.npz"
    record = calibench.run(method="ce", ood=[noise], ood_score=["distance", "energy"], **QUICK)
    assert [row["score"] for row in record.ood] == ["distance", "energy"]
    assert 0 < record.metrics[f"ood_auroc_{noise}_distance"] < 1
    assert record.versions["my-module-dist"] == "3.1"


def test_the_metric(install):
    install("calibench_metrics")
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.5]] * 10)
    labels = np.array([0, 1, 1, 1] * 10)
    record = calibench.evaluate(logits=logits, labels=labels)
    confidence = 1 / (1 + np.exp(-np.abs(logits[:, 0] - logits[:, 1])))
    expected = confidence.mean() - (logits.argmax(axis=1) == labels).mean()
    assert record.metrics["overconfidence"] == pytest.approx(expected, abs=1e-12)
    low, high = record.intervals["overconfidence"]
    assert low < expected < high


def test_the_reader(install, tmp_path, cli):
    install("calibench_readers")
    rows = [("cat", 0.7, 0.3), ("dog", 0.4, 0.6), ("cat", 0.2, 0.8)] * 10
    (tmp_path / "a.words").write_text("\n".join(" ".join(map(str, row)) for row in rows))
    document = cli("evaluate", "a.words", "--resamples", "0", "--json").document
    assert document["metrics"]["accuracy"] == pytest.approx(2 / 3)
    assert document["class_names"] == ["cat", "dog"]
    (tmp_path / "b.words").write_text("cat 0.7 0.3\ndog 0.4\n")
    failed = cli("evaluate", "b.words")
    assert failed.code == 1
    assert "reader 'words' failed" in failed.err


def test_the_suite(install):
    text = re.search(r"```toml\n(.*?)```", inspect.getdoc(hookspecs.calibench_suites), re.DOTALL)[1]
    assert text.strip() in tutorial()
    install("calibench_suites").with_name("my_suite.toml").write_text(text)
    suite = load_suite("my-suite-v1")
    assert [(config.recipe, config.seed) for config in suite.configs()][:4] == [
        ("ce", 0),
        ("ce+temperature", 0),
        ("vtst", 0),
        ("ce", 1),
    ]


@pytest.mark.slow
def test_the_launcher(install, cli, tmp_path):
    install("calibench_launchers")
    (tmp_path / "one.toml").write_text(
        'primary = "brier"\nbase = "ce"\nmethod = ["ce", "ce+temperature"]\n[[data]]\ndataset = "iris"\n[train]\nepochs = 20\n'
    )
    document = cli("sweep", "one.toml", "--launcher", "in-turn", "--json").document
    assert (document["made"], document["failed"]) == (2, [])
    assert cli("sweep", "one.toml", "--launcher", "in-turn", "--json").document["before"] == 2


def test_the_tracker(install, tmp_path):
    install("calibench_trackers")
    record = calibench.run("ce", track=f"lines:file={tmp_path}/runs.txt", **QUICK)
    assert (tmp_path / "runs.txt").read_text() == f"{record.run_id}: {record.verdict}\n"
    with pytest.raises(calibench.InputError, match="did you mean 'lines'"):
        calibench.run("ce", track="line", **QUICK)
    with pytest.raises(calibench.InputError, match="tracker 'lines' has no parameter 'path'"):
        calibench.run("ce", track="lines:path=x", **QUICK)
    with pytest.raises(calibench.InputError, match="given twice"):
        calibench.run("ce", track=["lines", "lines"], **QUICK)


@pytest.mark.slow
def test_the_preset(install):
    text = re.search(r"```toml\n(.*?)```", inspect.getdoc(hookspecs.calibench_presets), re.DOTALL)[1]
    assert text.strip() in tutorial()
    file = install("calibench_presets").with_name("my_preset.toml")
    file.write_text(text)
    records = calibench.run(preset="small-vtst", seed=1, results=None)
    assert [(record.recipe, record.seed) for record in records] == [
        ("ce:epochs=5", 1),
        ("ce:epochs=5+vtst:latent_dim=32,epochs=2", 1),
    ]
    assert records[0].preset == {
        "name": "small-vtst",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "changed": ["seed: 0, 1 -> 1"],
    }
    file.unlink()
    with pytest.raises(calibench.PluginError, match="preset 'small-vtst' cannot be loaded"):
        calibench.run(preset="small-vtst", results=None)
