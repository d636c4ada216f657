"""`calibench evaluate` and `calibench.evaluate`: the document, the fit, the table and the plot; real files give known figures."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

import calibench
from calibench.cli.evaluation_lines import lines_of
from calibench.cli.evaluation_table import figures_table
from calibench.evaluation.evaluation_record import EvaluationRecord

CIFAR100 = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar100_test_probs.npz"
METRICS = ["accuracy", "nll", "brier", "ece15", "ece10", "mce15", "ece_equal_mass15", "classwise_ece15", "aurc"]
FIT_ON = ("--fit-on", "val.npz")


@pytest.fixture
def val(tmp_path, samples):
    logits, labels = samples(seed=9)
    np.savez(tmp_path / "val.npz", logits=logits, labels=labels)
    return logits, labels


def test_the_document(cli, good):
    document = cli("evaluate", good, "--json").document
    assert {"schema", "n", "classes", "backend", "metrics", "intervals", "noise_floor"} <= set(document)
    assert document["schema"] == "calibench.evaluation/2"
    assert (document["n"], document["classes"]) == (60, 3)
    assert document["backend"] in {"fused-cpu", "fused-cuda", "reference"}
    assert [name for name in document["metrics"] if name in METRICS] == METRICS
    for name in METRICS:
        interval = document["intervals"][name]
        assert (interval is None) == (name in document["no_interval"]), name
        assert interval is None or interval[0] <= document["metrics"][name], name
    assert set(document["noise_floor"]["ece15"]) >= {"mean", "p95"}
    assert "fit" not in document
    assert "after" not in document


@pytest.mark.slow
def test_the_document_of_a_fit(cli, good, val):
    plain = cli("evaluate", good, "--json").document
    document = cli("evaluate", good, "--fit", "temperature", *FIT_ON, "--json").document
    assert document["metrics"] == plain["metrics"]
    assert {"recipe", "temperature", "nll_before", "nll_after"} <= set(document["fit"])
    assert document["fit"]["recipe"] == "temperature"
    assert document["fit"]["temperature"] > 1
    assert document["fit"]["nll_after"] < document["fit"]["nll_before"]
    assert [name for name in document["after"]["metrics"] if name in METRICS] == METRICS
    assert set(document["after"]["intervals"]) == set(document["after"]["metrics"])
    assert document["after"]["metrics"]["accuracy"] == document["metrics"]["accuracy"]
    assert document["after"]["metrics"]["nll"] < document["metrics"]["nll"]


@pytest.mark.slow
def test_a_fit_with_a_decision_rule_abstains(cli, good, val):
    document = cli("evaluate", good, "--fit", "temperature+threshold:value=0.8", *FIT_ON, "--json").document
    assert "coverage" not in document["metrics"]
    assert 0 < document["after"]["metrics"]["coverage"] < 1
    assert document["after"]["metrics"]["selective_risk"] < 1 - document["metrics"]["accuracy"]
    alone = cli("evaluate", good, "--fit", "threshold:value=0.8", "--json").document
    assert alone["after"]["metrics"]["nll"] == alone["metrics"]["nll"]


@pytest.mark.slow
def test_decision_rules_that_accept_everything_or_nothing(cli, good):
    accepts_all = cli("evaluate", good, "--fit", "threshold:value=0", "--json").document["after"]["metrics"]
    assert accepts_all["coverage"] == 1
    assert accepts_all["selective_risk"] == pytest.approx(1 - accepts_all["accuracy"], abs=1e-15)
    accepts_none = cli("evaluate", good, "--fit", "threshold:values=1;1;1", "--json").document["after"]
    assert accepts_none["metrics"]["coverage"] == 0
    assert accepts_none["metrics"]["selective_risk"] is None
    assert accepts_none["intervals"]["selective_risk"] is None
    ran = cli("evaluate", good, "--fit", "threshold:values=1;1;1")
    assert ran.code == 0
    assert "selective_risk" in ran.out


@pytest.mark.slow
def test_python_gives_the_same_document(cli, good, val):
    arrays = np.load(good)
    logits, labels = arrays["logits"], arrays["labels"]
    printed = cli("evaluate", good, "--fit", "temperature", *FIT_ON, "--json").document
    record = calibench.evaluate(logits=logits, labels=labels, fit="temperature", fit_logits=val[0], fit_labels=val[1])
    assert isinstance(record, EvaluationRecord)
    of_file = {"file": str(good), "sha256": hashlib.sha256(good.read_bytes()).hexdigest()}
    assert len(printed.pop("notes")) == 1, "a file without names: classes by position"
    from_python = json.loads(json.dumps(record.to_dict() | of_file))
    assert from_python.pop("notes") == []
    assert from_python == printed
    assert record["metrics"] == record.metrics


@pytest.mark.slow
def test_python_takes_arrays_in_any_form(good, softmax):
    arrays = np.load(good)
    logits, labels = arrays["logits"], arrays["labels"]
    record = calibench.evaluate(logits=logits, labels=labels)
    tensor = torch.from_numpy(logits)
    for form in (tensor, tensor.clone().requires_grad_(), logits.tolist(), np.asfortranarray(logits)):
        assert calibench.evaluate(logits=form, labels=labels.tolist()).metrics == record.metrics
    assert calibench.evaluate(logits.astype(">f4"), labels.astype(">i2")).metrics == record.metrics
    probs = calibench.evaluate(probs=softmax(logits), labels=labels).metrics
    assert probs == {name: pytest.approx(value, rel=1e-9, abs=1e-12) for name, value in record.metrics.items()}


def test_python_refuses_what_the_command_refuses(good):
    logits, labels = np.load(good)["logits"], np.load(good)["labels"]
    for arguments, says in (
        ({}, "give logits or probs"),
        ({"logits": logits}, "labels are missing"),
        ({"logits": logits, "probs": logits, "labels": labels}, "give logits or probs"),
        ({"logits": logits * np.nan, "labels": labels}, "row 0: logits are NaN"),
        ({"logits": [["a", "b"]], "labels": [0]}, "logits"),
        ({"logits": [[1.0, 2.0], [1.0]], "labels": [0, 1]}, "logits"),
        ({"logits": [[1, 2], [1, 0]], "labels": [0, 1]}, "logits have type int64"),
        ({"logits": logits, "labels": labels, "fit_labels": labels}, "give fit_logits or fit_probs"),
        ({"logits": logits, "labels": labels, "fit_logits": logits, "fit_labels": labels}, "nothing to fit"),
        ({"logits": logits, "labels": labels, "fit": "temperature"}, "needs samples to fit on"),
        ({"logits": logits, "labels": labels, "resamples": 10}, "10 bootstrap resamples are too few"),
        ({"logits": logits, "labels": labels, "seed": -1}, "seed -1 is negative"),
    ):
        with pytest.raises(calibench.InputError, match=says):
            calibench.evaluate(**arguments)


def test_probabilities_may_sum_to_1_within_a_tolerance():
    probs = np.array([[0.5, 0.4995], [0.3, 0.7009]])
    assert calibench.evaluate(probs=probs, labels=[0, 1]).n == 2
    with pytest.raises(calibench.InputError, match=r"row 1: probabilities do not sum to 1 within 0\.001"):
        calibench.evaluate(probs=probs + np.array([[0, 0], [0, 0.0002]]), labels=[0, 1])


def test_one_sample_can_be_judged(cli, tmp_path):
    np.savez(tmp_path / "one.npz", logits=np.array([[1.0, 2.0]]), labels=np.array([1]))
    ran = cli("evaluate", "one.npz")
    assert ran.code == 0, ran.err
    assert cli("evaluate", "one.npz", "--json").document["metrics"]["accuracy"] == 1


@pytest.mark.slow
def test_a_temperature_without_a_minimum_is_a_failed_run(refused, tmp_path, good):
    """Good input, but no finite temperature: exit code 1, and no plot."""
    logits = 1.01 * np.load(good)["logits"]
    np.savez(tmp_path / "right.npz", logits=logits, labels=logits.argmax(axis=1))
    fit = ("--fit", "temperature", "--fit-on", "right.npz", "--plot", "out.svg")
    refused("evaluate", good, *fit, says="still falls at T = 1/50", hint="more samples", code=1)


@pytest.mark.slow
def test_quiet_and_the_table(cli, good, val):
    assert cli("evaluate", good, "--quiet") == (0, "", "")
    assert cli("evaluate", good, "-q", "--json").document["n"] == 60
    ran = cli("evaluate", good, "--fit", "temperature", *FIT_ON)
    assert ran.err == ""
    for word in ("before", "after", "ece15 %", "nll nats", "95 % interval", "floor", "fit temperature", "temperature "):
        assert word in ran.out, word
    lines = ran.out.splitlines()
    assert any(line.startswith("before: ") for line in lines)
    assert any(line.startswith("after: ") for line in lines)
    assert f"{good}: 60 samples, 3 classes" in lines, "the title stands on one line"


@pytest.mark.slow
def test_the_plot(cli, good, val, tmp_path):
    pytest.importorskip("matplotlib")
    magic = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
    for kind, start in magic.items():
        ran = cli("evaluate", good, "--plot", f"new/out.{kind}", "--json")
        assert ran.code == 0, ran.err
        assert ran.document["n"] == 60
        assert f"wrote new/out.{kind}" in ran.err
        assert (tmp_path / "new" / f"out.{kind}").read_bytes().startswith(start)
    assert cli("evaluate", good, "--fit", "temperature", *FIT_ON, "--plot", "both.svg", "-q") == (0, "", "")
    both = (tmp_path / "both.svg").read_text()
    assert len(both) > 1.5 * len((tmp_path / "new" / "out.svg").read_text())
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.slow
def test_the_document_does_not_depend_on_the_format(cli, tmp_path, samples, softmax):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    logits, labels = samples(90, 4, seed=3)
    probs = softmax(logits)
    np.savez(tmp_path / "a.npz", probs=probs, labels=labels)
    rows = [",".join([*map(repr, row), str(y)]) for row, y in zip(probs.tolist(), labels, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["c0,c1,c2,c3,label", *rows]))
    columns = {f"c{k}": probs[:, k] for k in range(4)}
    parquet.write_table(pa.table(columns | {"label": labels}), tmp_path / "a.parquet")
    documents = [cli("evaluate", f"a.{suffix}", "--json").document for suffix in ("npz", "csv", "parquet")]
    for document in documents:
        del document["file"], document["sha256"]
        del document["notes"]  # how each was read
        document.pop("class_names", None)
    assert documents[0] == documents[1] == documents[2]
    from_python = calibench.evaluate(probs=probs, labels=labels)
    assert from_python.metrics == documents[0]["metrics"]


@pytest.mark.slow
def test_names_of_arrays_and_columns(cli, tmp_path, samples):
    logits, labels = samples()
    expected = calibench.evaluate(logits=logits, labels=labels).metrics
    np.savez(tmp_path / "named.npz", net=logits, y=labels)
    assert cli("evaluate", "named.npz", "--logits", "net", "--labels", "y", "--json").document["metrics"] == expected


@pytest.fixture(scope="module")
def cifar100():
    if not CIFAR100.exists():
        pytest.skip(f"{CIFAR100} is not on this machine")
    with np.load(CIFAR100) as arrays:
        return dict(arrays)


@pytest.mark.slow
def test_a_cifar100_network_from_its_file(cifar100, cli):
    """`tests/metrics/test_peers.py` has the figures of the other networks."""
    metrics = cli("evaluate", CIFAR100, "--probs", "wrn16_4", "--json").document["metrics"]
    assert metrics["accuracy"] == pytest.approx(0.7543, abs=1e-4)
    assert metrics["ece15"] == pytest.approx(0.05806, abs=1e-5)
    assert metrics["nll"] == pytest.approx(0.9565, abs=1e-4)
    assert metrics["brier"] == pytest.approx(0.3501, abs=1e-4)


@pytest.mark.slow
def test_the_temperature_of_a_cifar100_network(cifar100):
    """Fitted on the first 5 000 images, judged on the rest; the tests of calibrators have the other networks."""
    probs, labels = cifar100["densenet_bc_100"], cifar100["label"]
    record = calibench.evaluate(
        probs=probs[5000:], labels=labels[5000:], fit="temperature", fit_probs=probs[:5000], fit_labels=labels[:5000]
    )
    assert record.fit["temperature"] == pytest.approx(2.1209, abs=1e-4)
    assert record.after["metrics"]["ece15"] == pytest.approx(0.01374, abs=1e-5)
    assert record.fit["nll_after"] < record.fit["nll_before"]


def test_a_long_map_is_counted_and_not_printed() -> None:
    from calibench.cli.evaluation_lines import _learned_value

    assert _learned_value(0.123456789) == "0.123457"
    assert _learned_value([0.2, 0.4, 0.4]) == "[0.2, 0.4, 0.4]"
    assert _learned_value([0.1] * 500) == "(500 entries, in --json)"
    assert _learned_value([[0.1, 0.2], [0.3, 0.4]]) == "(2 entries, in --json)"
    assert _learned_value({"a": 1}) == "(1 entries, in --json)"
    assert _learned_value({"recall": [0.5, 0.25], "f1": [1.0, 0.5]}) == "(recall [0.5, 0.25], f1 [1, 0.5])"
    assert _learned_value({"recall": [0.5] * 5, "f1": [1.0] * 5}) == "(2 entries, in --json)"
    assert _learned_value(7) == "7"


@pytest.mark.slow
@pytest.mark.parametrize(("width", "left_out"), [(200, ()), (80, ("floor",)), (60, ("floor", "interval before"))])
def test_a_narrow_terminal_leaves_out_columns_and_cuts_no_digit(width, left_out, good, val):
    arrays = np.load(good)
    record = calibench.evaluate(
        arrays["logits"], arrays["labels"], fit="temperature", fit_logits=val[0], fit_labels=val[1]
    )
    console = Console(width=width, file=io.StringIO(), record=True)
    table, dropped = figures_table(record, console)
    assert tuple(dropped) == left_out
    console.print(table)
    text = console.export_text()
    assert "…" not in text
    low, high = record.after["intervals"]["nll"]
    assert f"{record.metrics['nll']:.4f}" in text
    assert f"[{low:.4f}, {high:.4f}]" in text
    said = [line for line in lines_of(record, dropped) if line.startswith("no room for")]
    assert len(said) == (1 if left_out else 0)


def test_arrays_that_are_not_used_are_named(cli, tmp_path) -> None:
    rng = np.random.default_rng(0)
    arrays = {"logits": rng.normal(size=(60, 3)), "labels": rng.integers(3, size=60), "people": np.full((60, 3), 1 / 3)}
    np.savez(tmp_path / "more.npz", sample_weight=np.ones(60), group=np.zeros(60, dtype=np.int64), **arrays)
    warning = "not used of this file: sample_weight, group"
    assert f"{warning}, people" in cli("evaluate", "more.npz", "--json").document["warnings"]
    assert f"warning: {warning}\n" in cli("evaluate", "more.npz", "--soft", "people").out
