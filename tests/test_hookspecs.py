"""Every hook's docstring holds a plugin; each is pasted into a module, installed, and what it offers is used."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import calibench
from calibench.plugins import discovery as plugins
from calibench.plugins import hookspecs

QUICK = {"epochs": 2, "results": None}
DOCUMENTED = re.compile(r"```python\n(.*?)```", re.DOTALL)


def pasted(hook: str) -> str:
    """The plugin in a hook's docstring."""
    blocks = DOCUMENTED.findall(inspect.getdoc(getattr(hookspecs, hook)))
    assert len(blocks) == 1
    return textwrap.dedent(blocks[0])


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """`installed(source)`: a distribution my-dist 3.1 in this process, as the module docstring of hookspecs registers it."""
    registration = re.search(
        r"^\[project\.entry-points\.(\w+)\]\n([\w-]+) = \"(\w+)\"", inspect.getdoc(hookspecs), re.M
    )
    group, name, module = registration.groups()

    def install(source: str) -> plugins.Registry:
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / "my_dist-3.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-dist\nVersion: 3.1\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
        importlib.invalidate_caches()
        plugins.registry.cache_clear()
        return plugins.registry()

    monkeypatch.delenv(plugins.BLOCK_VARIABLE, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, module, raising=False)
    yield install
    sys.modules.pop(module, None)
    plugins.registry.cache_clear()


def test_every_hook_is_documented_with_a_plugin():
    hooks = {name for name, member in vars(hookspecs).items() if hasattr(member, "calibench_spec")}
    assert hooks == plugins.HOOKS.keys()
    for hook in hooks:
        function = getattr(hookspecs, hook)
        assert inspect.getdoc(function).splitlines()[0].endswith((".", "`.", "rules."))
        assert not inspect.signature(function).parameters
        source = pasted(hook)
        assert f"@calibench.hookimpl\ndef {hook}():" in source
        assert len([line for line in source.splitlines() if line.strip()]) <= 16
        spec = plugins.HOOKS[hook]
        assert spec.__name__ in source
        assert spec.__name__ in str(inspect.signature(function).return_annotation)


@pytest.mark.parametrize("hook", plugins.HOOKS)
def test_the_tutorial_shows_the_plugins_that_are_tested_here(hook):
    tutorial = (Path(__file__).parent.parent / "docs" / "guides" / "plugins.md").read_text(encoding="utf-8")
    assert pasted(hook).strip() in tutorial


def test_the_calibrator(installed):
    found = installed(pasted("calibench_methods"))
    assert found.get("method", "halve").plugin.distribution == "my-dist"
    record = calibench.run(method="ce+halve", **QUICK)
    plain = calibench.run(method="ce", **QUICK)
    assert record.recipe == "ce:epochs=2+halve"
    assert record.fitted[-1] == {"stage": "halve", "factor": 0.5}
    assert record.metrics["accuracy"] == plain.metrics["accuracy"]
    assert record.metrics["nll"] > plain.metrics["nll"], (
        "halved logits are less sure, and two epochs are unsure already"
    )
    assert record.versions["my-dist"] == "3.1"


def test_the_dataset(installed):
    installed(pasted("calibench_datasets"))
    record = calibench.run(method="ce", dataset="coins:rows=100", **QUICK)
    assert record.dataset == "coins:rows=100"
    assert sum(record.n.values()) == 100
    assert record.data["classes"] == 2
    with pytest.raises(calibench.InputError, match=r"rows=10 is outside \[50, inf\]"):
        calibench.run(method="ce", dataset="coins:rows=10", **QUICK)


def test_the_model(installed):
    installed(pasted("calibench_models"))
    for method in ("ce", "tst:epochs=1"):
        record = calibench.run(method=method, model="logistic", **QUICK)
        assert record.model == "logistic"
        assert record.metrics["accuracy"] > 0.15


def test_the_noise(installed):
    installed(pasted("calibench_noises"))
    record = calibench.run(method="ce", noise="shift-one", **QUICK)
    assert record.noise == "shift-one"
    assert record.data["noise"]["realised_rate"] == 1
    assert record.metrics["accuracy"] < 0.1, "it learns that every digit is the next"


def test_the_shift(installed):
    installed(pasted("calibench_shifts"))
    record = calibench.run(method="ce", shift=["dimmed"], epochs=12, results=None)
    assert [(row["kind"], row["severity"]) for row in record.shift] == [("dimmed", 1), ("dimmed", 2), ("dimmed", 3)]
    accuracies = [row["metrics"]["accuracy"] for row in record.shift]
    assert record.metrics["shift_accuracy_dimmed"] == pytest.approx(np.mean(accuracies), abs=1e-12)
    assert record.metrics["accuracy"] > 0.9
    assert record.metrics["accuracy"] > accuracies[2]
    assert record.versions["my-dist"] == "3.1"


def test_the_metric(installed):
    installed(pasted("calibench_metrics"))
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.5]] * 10)
    labels = np.array([0, 1, 1, 1] * 10)
    record = calibench.evaluate(logits=logits, labels=labels)
    confidence = 1 / (1 + np.exp(-np.abs(logits[:, 0] - logits[:, 1])))
    expected = confidence.mean() - (logits.argmax(axis=1) == labels).mean()
    assert record.metrics["overconfidence"] == pytest.approx(expected, abs=1e-12)
    low, high = record.intervals["overconfidence"]
    assert low < expected < high


def test_the_preset(installed, tmp_path):
    text = re.search(r"```toml\n(.*?)```", inspect.getdoc(hookspecs.calibench_presets), re.DOTALL)[1]
    assert text.strip() in (Path(__file__).parent.parent / "docs" / "guides" / "plugins.md").read_text(encoding="utf-8")
    (tmp_path / "my_preset.toml").write_text(text)
    installed(pasted("calibench_presets"))
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
    (tmp_path / "my_preset.toml").unlink()
    with pytest.raises(calibench.PluginError, match="preset 'small-vtst' cannot be loaded"):
        calibench.run(preset="small-vtst", results=None)
