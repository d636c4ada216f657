"""`calibench evaluate` and `calibench.evaluate`: formats agree, the document is what is promised, real files give known figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import calibench
from calibench.evaluation.stored_outputs import EvaluationRecord

SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "cifar100_test_probs.npz"
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
    assert document["schema"] == "calibench.evaluation/1"
    assert (document["n"], document["classes"]) == (60, 3)
    assert document["backend"] in {"fused-cpu", "fused-cuda", "reference"}
    assert list(document["metrics"])[: len(METRICS)] == METRICS
    for name in METRICS:
        low, high = document["intervals"][name]
        assert low <= document["metrics"][name] <= high, name
    assert set(document["noise_floor"]["ece15"]) >= {"mean", "p95"}
    assert "fit" not in document
    assert "after" not in document


def test_the_document_of_a_fit(cli, good, val):
    plain = cli("evaluate", good, "--json").document
    document = cli("evaluate", good, "--fit", "temperature", *FIT_ON, "--json").document
    assert document["metrics"] == plain["metrics"]
    assert {"recipe", "temperature", "nll_before", "nll_after"} <= set(document["fit"])
    assert document["fit"]["recipe"] == "temperature"
    assert document["fit"]["temperature"] > 1
    assert document["fit"]["nll_after"] < document["fit"]["nll_before"]
    assert list(document["after"]["metrics"])[: len(METRICS)] == METRICS
    assert set(document["after"]["intervals"]) == set(document["after"]["metrics"])
    assert document["after"]["metrics"]["accuracy"] == document["metrics"]["accuracy"]
    assert document["after"]["metrics"]["nll"] < document["metrics"]["nll"]


def test_a_fit_with_a_rule_abstains(cli, good, val):
    document = cli("evaluate", good, "--fit", "temperature+threshold:value=0.8", *FIT_ON, "--json").document
    assert "coverage" not in document["metrics"]
    assert 0 < document["after"]["metrics"]["coverage"] < 1
    assert document["after"]["metrics"]["selective_risk"] < 1 - document["metrics"]["accuracy"]
    alone = cli("evaluate", good, "--fit", "threshold:value=0.8", "--json").document
    assert alone["after"]["metrics"]["nll"] == alone["metrics"]["nll"]
    everything = cli("evaluate", good, "--fit", "threshold:value=0", "--json").document["after"]["metrics"]
    assert everything["coverage"] == 1
    assert everything["selective_risk"] == pytest.approx(1 - everything["accuracy"], abs=1e-15)
    nothing = cli("evaluate", good, "--fit", "threshold:values=1;1;1", "--json").document["after"]
    assert nothing["metrics"]["coverage"] == 0
    assert nothing["metrics"]["selective_risk"] is None
    assert nothing["intervals"]["selective_risk"] is None
    shown = cli("evaluate", good, "--fit", "threshold:values=1;1;1")
    assert shown.code == 0
    assert "selective_risk" in shown.out


def test_python_gives_the_same_figures(cli, good, val, softmax):
    arrays = np.load(good)
    logits, labels = arrays["logits"], arrays["labels"]
    printed = cli("evaluate", good, "--fit", "temperature", *FIT_ON, "--json").document
    record = calibench.evaluate(logits=logits, labels=labels, fit="temperature", fit_logits=val[0], fit_labels=val[1])
    assert isinstance(record, EvaluationRecord)
    assert json.loads(json.dumps(record.to_dict())) == printed
    assert record["metrics"] == record.metrics
    for given in (torch.from_numpy(logits), torch.from_numpy(logits).requires_grad_(), logits.tolist(), logits[:, ::1]):
        assert calibench.evaluate(logits=given, labels=labels.tolist()).metrics == record.metrics
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
        ({"logits": [[1, 2], [1, 0]], "labels": [0, 1]}, "logits have type torch.int64"),
        ({"logits": logits, "labels": labels, "fit_labels": labels}, "give fit_logits or fit_probs"),
        ({"logits": logits, "labels": labels, "fit_logits": logits, "fit_labels": labels}, "nothing to fit"),
        ({"logits": logits, "labels": labels, "fit": "temperature"}, "needs samples to fit on"),
        ({"logits": logits, "labels": labels, "resamples": 10}, "10 bootstrap resamples are too few"),
        ({"logits": logits, "labels": labels, "seed": -1}, "seed -1 is negative"),
    ):
        with pytest.raises(calibench.InputError, match=says):
            calibench.evaluate(**arguments)


def test_a_sum_within_the_tolerance_is_taken():
    probs = np.array([[0.5, 0.4995], [0.3, 0.7009]])
    assert calibench.evaluate(probs=probs, labels=[0, 1]).n == 2
    with pytest.raises(calibench.InputError, match=r"row 1: probabilities do not sum to 1 within 0\.001"):
        calibench.evaluate(probs=probs + np.array([[0, 0], [0, 0.0002]]), labels=[0, 1])


def test_one_sample_can_be_judged(cli, tmp_path):
    np.savez(tmp_path / "one.npz", logits=np.array([[1.0, 2.0]]), labels=np.array([1]))
    ran = cli("evaluate", "one.npz")
    assert ran.code == 0, ran.err
    assert cli("evaluate", "one.npz", "--json").document["metrics"]["accuracy"] == 1


def test_a_fit_that_runs_away_is_a_failed_run(refused, tmp_path, good):
    """Good input, no finite temperature: exit code 1, and nothing is drawn."""
    logits = np.load(good)["logits"]
    np.savez(tmp_path / "right.npz", logits=logits, labels=logits.argmax(axis=1))
    fit = ("--fit", "temperature", "--fit-on", "right.npz", "--plot", "out.svg")
    refused("evaluate", good, *fit, says="still falls at T = 1/50", hint="more samples", code=1)


def table(probs, labels, names, label="label"):
    lines = [",".join([*names, label])]
    lines += [",".join([*(repr(float(p)) for p in row), str(y)]) for row, y in zip(probs, labels, strict=True)]
    return "\n".join(lines) + "\n"


@pytest.fixture
def truth(tmp_path, samples, softmax):
    """Probabilities, labels, and the document's figures from the `.npz` of both."""
    logits, labels = samples(90, 4, seed=3)
    probs = softmax(logits)
    metrics = calibench.evaluate(probs=probs, labels=labels).metrics
    np.savez(tmp_path / "same.npz", probs=probs, labels=labels)
    return probs, labels, metrics


def test_tables_give_the_figures_of_the_arrays(cli, tmp_path, truth):
    probs, labels, metrics = truth
    names = ["cat", "dog", "a, b", "owl"]
    quoted = ["cat", "dog", '"a, b"', "owl"]
    plain = table(probs, labels, quoted)
    words = table(probs, [f'"{names[y]}"' for y in labels], quoted, "label")
    shuffled = [line.split(",") for line in table(probs, labels, "abcd").splitlines()]
    front = "\n".join(",".join([*line[4:], *line[:4]]) for line in shuffled)
    spaced = table(probs, labels, "abcd").replace(",", " , ")
    versions = {
        "plain": plain,
        "bom": "\ufeff" + plain,
        "crlf": plain.replace("\n", "\r\n"),
        "no newline at the end": plain.rstrip("\n"),
        "blank lines": plain.replace("\n", "\n\n"),
        "words": words,
        "label first": front,
        "spaces": spaced,
        "labels": table(probs, labels, "abcd", "labels"),
        "floats": table(probs, [f"{y}.0" for y in labels], "abcd"),
    }
    for name, text in versions.items():
        (tmp_path / "out.csv").write_bytes(text.encode())
        ran = cli("evaluate", "out.csv", "--json")
        assert ran.code == 0, f"{name}: {ran.err}"
        assert ran.document["metrics"] == metrics, name
    (tmp_path / "OUT.CSV").write_text(table(probs, labels, ["p0", "p1", "p2", "p3"], "truth").replace("\n", ",7\n"))
    text = (tmp_path / "OUT.CSV").read_text().replace("truth,7", "truth,id")
    (tmp_path / "OUT.CSV").write_text(text)
    for pattern in ("p*", "p0,p1,p2,p3", "p[0-3]", "p0, p?"):
        ran = cli("evaluate", "OUT.CSV", "--probs", pattern, "--labels", "truth", "--json")
        assert ran.document["metrics"] == metrics, pattern


def test_parquet_gives_the_figures_of_the_arrays(cli, tmp_path, truth):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    probs, labels, metrics = truth
    columns = {f"p{k}": probs[:, k] for k in range(4)}
    words = pa.array([f"p{y}" for y in labels])
    for name, label in {"int64": labels, "int8": labels.astype(np.int8), "float": labels.astype(float), "words": words,
                        "categories": words.dictionary_encode()}.items():  # fmt: skip
        parquet.write_table(pa.table(columns | {"label": label}), tmp_path / "out.parquet")
        ran = cli("evaluate", "out.parquet", "--json")
        assert ran.code == 0, f"{name}: {ran.err}"
        assert ran.document["metrics"] == metrics, name
    parquet.write_table(pa.table(columns | {"label": labels}), tmp_path / "groups.parquet", row_group_size=7)
    assert cli("evaluate", "groups.parquet", "--json").document["metrics"] == metrics
    narrow = {name: column.astype(np.float32) for name, column in columns.items()}
    parquet.write_table(pa.table(narrow | {"label": labels}), tmp_path / "narrow.parquet")
    expected = calibench.evaluate(probs=probs.astype(np.float32), labels=labels).metrics
    assert cli("evaluate", "narrow.parquet", "--json").document["metrics"] == expected


def test_other_names_and_layouts(cli, tmp_path, samples, softmax):
    logits, labels = samples()
    expected = calibench.evaluate(logits=logits, labels=labels).metrics
    np.savez_compressed(tmp_path / "named.npz", net=logits, other=logits, y=labels.astype(np.uint8), note=np.array("x"))
    ran = cli("evaluate", "named.npz", "--logits", "net", "--labels", "y", "--json")
    assert ran.document["metrics"] == expected
    np.savez(tmp_path / "fortran.npz", logits=np.asfortranarray(logits).astype(">f4"), label=labels.astype(">i8"))
    assert cli("evaluate", "fortran.npz", "--json").document["metrics"] == expected
    np.savez(tmp_path / "half.npz", logits=logits.astype(np.float16), labels=labels)
    assert cli("evaluate", "half.npz", "--json").document["metrics"]["nll"] == pytest.approx(expected["nll"], rel=1e-2)


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


@pytest.fixture(scope="module")
def cifar100():
    if not SHARED.exists():
        pytest.skip(f"{SHARED} is not on this machine")
    with np.load(SHARED) as content:
        return dict(content)


@pytest.mark.parametrize(
    ("network", "accuracy", "ece", "nll", "brier"),
    [
        ("lenet5", 0.1246, 0.01488, 3.8131, 0.9520),
        ("wrn16_4", 0.7543, 0.05806, 0.9565, 0.3501),
        ("densenet_bc_100", 0.7541, 0.14215, 1.2256, 0.3845),
    ],
)
def test_cifar100_networks(network, accuracy, ece, nll, brier, cifar100, cli):
    metrics = cli("evaluate", SHARED, "--probs", network, "--json").document["metrics"]
    assert metrics["accuracy"] == pytest.approx(accuracy, abs=1e-4)
    assert metrics["ece15"] == pytest.approx(ece, abs=1e-5)
    assert metrics["nll"] == pytest.approx(nll, abs=1e-4)
    assert metrics["brier"] == pytest.approx(brier, abs=1e-4)


@pytest.mark.parametrize(
    ("network", "temperature", "ece"),
    [("lenet5", 1.1071, 0.01375), ("wrn16_4", 1.1099, 0.04358), ("densenet_bc_100", 2.1209, 0.01374)],
)
def test_cifar100_temperature(network, temperature, ece, cifar100):
    """Fitted on the first 5 000 images, judged on the rest."""
    probs, labels = cifar100[network], cifar100["label"]
    record = calibench.evaluate(
        probs=probs[5000:], labels=labels[5000:], fit="temperature", fit_probs=probs[:5000], fit_labels=labels[:5000]
    )
    assert record.fit["temperature"] == pytest.approx(temperature, abs=1e-4)
    assert record.after["metrics"]["ece15"] == pytest.approx(ece, abs=1e-5)
    assert record.fit["nll_after"] < record.fit["nll_before"]


def test_cifar100_as_tables(cifar100, cli, tmp_path):
    """The three formats hold the same numbers, so their figures are the same to the bit."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    probs, labels = cifar100["densenet_bc_100"][:2000].astype(np.float64), cifar100["label"][:2000]
    np.savez(tmp_path / "a.npz", probs=probs, labels=labels)
    names = [f"c{k}" for k in range(100)]
    (tmp_path / "a.csv").write_text(table(probs, labels, names))
    columns = dict(zip(names, probs.T, strict=True))
    parquet.write_table(pa.table(columns | {"label": labels}), tmp_path / "a.parquet")
    found = [cli("evaluate", f"a.{kind}", "--json").document for kind in ("npz", "csv", "parquet")]
    assert found[0] == found[1] == found[2]


def test_a_long_map_is_counted_and_not_printed() -> None:
    from calibench.cli.evaluate import _short

    assert _short(0.123456789) == "0.123457"
    assert _short([0.2, 0.4, 0.4]) == "[0.2, 0.4, 0.4]"
    assert _short([0.1] * 500) == "(500 entries, in --json)"
    assert _short([[0.1, 0.2], [0.3, 0.4]]) == "(2 entries, in --json)"
    assert _short({"a": 1}) == "(1 entries, in --json)"
    assert _short(7) == "7"
