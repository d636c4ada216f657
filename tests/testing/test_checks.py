"""`check_method` and its kin on calibench's own items, which pass, and on items with one fault each."""

from __future__ import annotations

import pickle
import sys
import types

import pytest

import calibench
from calibench.plugins.specs import MetricSpec, NoiseSpec, Spec
from calibench.testing import check_dataset, check_item, check_method, check_metric, check_noise
from calibench.testing.any_item import Item
from calibench.testing.checks import MODULES, verdicts_of
from calibench.testing.verdict import Verdict, assert_ok

NAMES = {
    "noise": "symmetric",
    "dataset": "iris",
    "ood-score": "knn",
    "shift": "rotation",
    "suite": "quick-v1",
    "preset": "quick",
    "tracker": "tensorboard",
    "reader": "json",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "name"),
    [
        *NAMES.items(),
        ("model", "mlp"),
        ("model", "frozen"),
        ("metric", "ece15"),
        ("metric", "coverage"),
        ("method", "vtst"),
    ],
)
def test_our_own_items_pass(family, name):
    verdicts = check_item(family, name)
    assert all(verdict.item == f"{family} {name}" for verdict in verdicts)
    assert len([verdict for verdict in verdicts if verdict.status == "ok"]) >= 3
    assert pickle.loads(pickle.dumps(verdicts)) == verdicts


def failed(spec: Spec) -> dict[str, str]:
    """The checks that fail, with their reasons."""
    return {verdict.check: verdict.why for verdict in verdicts_of(Item(spec)) if verdict.failed}


SOURCE = """
import numpy as np
import calibench

@calibench.hookimpl
def calibench_noises():
    return []

def in_place(labels, num_classes, generator):
    labels[:5] = 0
    return labels

def unseeded(labels, num_classes, generator):
    return (labels + (np.random.default_rng().random(len(labels)) < 0.5)) % num_classes

def outside(labels, num_classes, generator):
    return labels + 1

def prints(labels, num_classes, generator):
    print("drawing")
    return labels

class Uneven(calibench.Metric):
    def value(self, judged):
        return float(judged.correct.mean())

    def resampled(self, judged, weights):
        return weights @ judged.correct / judged.n + 0.01

class Infinite(calibench.Metric):
    def value(self, judged):
        return float("inf")
"""


@pytest.fixture
def bad(install_plugin):
    """`bad("in_place")`: the spec of a noise or metric of SOURCE."""
    install_plugin("bad_items", SOURCE)

    def spec(name: str) -> Spec:
        target = f"bad_items:{name}"
        if name[0].isupper():
            return MetricSpec(name="bad", target=target, summary="A bad metric.", equation="x")
        return NoiseSpec(name="bad", target=target, summary="A bad noise.")

    return spec


@pytest.mark.parametrize(
    ("target", "check", "says"),
    [
        ("in_place", "inputs unchanged", "changes labels in place"),
        ("unseeded", "deterministic", "two generators of one seed"),
        ("outside", "labels", "returns the label 3 of 3 classes"),
        ("prints", "standard output", "'drawing'"),
    ],
)
def test_a_bad_noise(bad, target, check, says):
    found = failed(bad(target))
    assert says in found[check]
    assert set(found) <= {check, "absent class"}


@pytest.mark.parametrize(
    ("target", "check", "says"), [("Uneven", "resamples", "by 0.01"), ("Infinite", "finite", "is inf")]
)
def test_a_bad_metric(bad, target, check, says):
    found = failed(bad(target))
    assert says in found[check]
    assert set(found) <= {check, "absent class", "resamples"}


def same(labels, num_classes, generator):
    return labels


def test_code_that_no_digest_covers_fails(monkeypatch):
    """The tests lie in folders without an `__init__.py`: an edit would change no cache key."""
    module = types.ModuleType("loose.noises")
    module.same = same
    monkeypatch.setitem(sys.modules, "loose", types.ModuleType("loose"))
    monkeypatch.setitem(sys.modules, "loose.noises", module)
    monkeypatch.setattr(same, "__module__", "loose.noises")
    found = failed(NoiseSpec(name="bad", target="loose.noises:same", summary="A bad noise."))
    assert list(found) == ["cache key"]
    assert "its cache key never changes" in found["cache key"]


@pytest.mark.slow
def test_settings_give_values_to_required_parameters(features, tmp_path):
    path = tmp_path / "features.npz"
    found = {verdict.check: verdict for verdict in check_dataset("npz", settings=[f"npz.path={path}"])}
    assert found["splits"].status == "ok"
    assert "3 classes; rows: train " in found["splits"].why
    (tmp_path / "costs.csv").write_text("0,1,1\n1,0,1\n1,1,0\n")
    verdicts = check_method("cost", settings=[f"cost.matrix={tmp_path / 'costs.csv'}"])
    assert len([verdict for verdict in verdicts if verdict.status == "ok"]) == 11


def test_a_failure_lists_the_checks_that_fail():
    verdicts = [Verdict("a", "ok"), Verdict("b", "fails", "why", "what to do", "noise bad")]
    with pytest.raises(AssertionError, match="noise bad: b: fails: why; what to do") as error:
        assert_ok(verdicts)
    assert ": a:" not in str(error.value)


def test_names_and_required_parameters():
    with pytest.raises(calibench.InputError, match="there is no noise called 'symetric'"):
        check_noise("symetric")
    needs = [verdict for verdict in check_dataset("npz") if "--set npz.path=VALUE" in verdict.why]
    assert {verdict.status for verdict in needs} == {"does not apply"}
    assert check_metric("brier")
    assert set(MODULES) >= set(NAMES)
