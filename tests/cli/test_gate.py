"""`calibench gate FILE`: one line a check, exit codes 0, 1 and 2, JSON, annotations of GitHub, JUnit XML."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import calibench


@pytest.fixture
def sure(tmp_path, samples, softmax):
    """Over-confident probabilities of 600 samples in sure.npz."""
    logits, labels = samples(600)
    np.savez(tmp_path / "sure.npz", probs=softmax(logits), labels=labels)
    return tmp_path / "sure.npz"


def test_one_line_a_check_and_exit_code_0_if_all_hold(cli, sure):
    ran = cli("gate", "sure.npz", "--max", "ece15=0.5", "--max", "brier=.9", "--min", "accuracy=.3")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["holds", "ece15 <= 0.5"],
        ["holds", "brier <= 0.9"],
        ["holds", "accuracy >= 0.3"],
    ]
    note, summary = ran.err.splitlines()
    assert note == "note: classes are matched by position: the file does not name them; --classes does"
    assert summary == "gate passed: 3 of 3 checks hold at 95 % confidence, 600 samples"


def test_exit_code_1_if_one_does_not_hold(cli, sure):
    ran = cli("gate", "sure.npz", "--max", "ece15=0.5", "--max", "brier=.01")
    assert ran.code == 1
    assert ran.out.splitlines()[1].startswith("fails: brier <= 0.01: figure 0.")
    assert "gate failed: 1 of 2 checks hold" in ran.err


def test_a_limit_between_the_figure_and_its_bound_ends_with_1(cli, sure):
    (check,) = cli("gate", "sure.npz", "--max", "brier=.9", "--json").document["checks"]
    between = (check["value"] + check["high"]) / 2
    ran = cli("gate", "sure.npz", "--max", f"brier={between}")
    assert ran.code == 1
    assert ran.out.startswith("not shown: brier <= ")


def test_the_json_is_that_of_python(cli, sure):
    ran = cli("gate", "sure.npz", "--max", "ece15=0.5", "--json")
    assert ran.code == 0
    assert ran.document == calibench.gate(file="sure.npz", max={"ece15": 0.5}).to_dict()
    failed = cli("gate", "sure.npz", "--max", "brier=0.01", "--json", "--annotate", "github")
    assert failed.code == 1
    assert failed.document["passed"] is False
    assert "::error file=sure.npz," in failed.err


def test_a_baseline(cli, sure, tmp_path, samples):
    logits, labels = samples(600)
    np.savez(tmp_path / "old.npz", logits=logits / 3, labels=labels)
    assert cli("gate", "old.npz", "--baseline", "sure.npz", "--no-worse").code == 0
    ran = cli("gate", "sure.npz", "--baseline", "old.npz", "--no-worse", "--max", "nll=9")
    assert ran.code == 1
    assert ran.out.splitlines()[1].startswith("fails: nll no worse than the baseline: figure ")
    assert cli("gate", "sure.npz", "--baseline", "sure.npz", "--margin", "brier=0.01").code == 0


def test_annotations_of_github(cli, sure):
    ran = cli("gate", "sure.npz", "--max", "ece15=0.5", "--max", "brier=.01", "--annotate", "github")
    notice, error = ran.out.splitlines()[2:]
    assert notice.startswith("::notice file=sure.npz,title=calibench gate%3A ece15 <= 0.5::holds: ece15 <= 0.5: ")
    assert error.startswith("::error file=sure.npz,title=calibench gate%3A brier <= 0.01::fails: brier <= 0.01: ")


def test_annotations_escape_what_the_runner_reads(cli, sure, tmp_path):
    hostile = tmp_path / "50%,a::b.npz"
    sure.rename(hostile)
    ran = cli("gate", hostile.name, "--max", "ece15=0.5", "--annotate", "github")
    assert ran.out.splitlines()[1].startswith("::notice file=50%25%2Ca%3A%3Ab.npz,title=calibench gate%3A ")


def test_junit(cli, sure, tmp_path):
    ran = cli("gate", "sure.npz", "--max", "ece15=0.5", "--max", "brier=.01", "--junit", "gate.xml")
    assert ran.code == 1
    root = ElementTree.parse(tmp_path / "gate.xml").getroot()
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    held, failed = suite
    assert (held.get("classname"), held.get("name")) == ("sure.npz", "ece15 <= 0.5")
    assert held.find("failure") is None
    assert failed.find("failure").get("message") == ran.out.splitlines()[1]


def test_junit_of_a_name_that_xml_cannot_hold(cli, sure, tmp_path):
    sure.rename(tmp_path / "a\x1b<&>.npz")
    assert cli("gate", "a\x1b<&>.npz", "--max", "ece15=0.5", "--junit", "gate.xml").code == 0
    assert ElementTree.parse(tmp_path / "gate.xml").getroot()[0][0].get("classname") == "a?<&>.npz"


def test_quiet_prints_what_does_not_hold(cli, sure):
    ran = cli("gate", "sure.npz", "--max", "ece15=0.5", "--max", "brier=.01", "-q")
    assert ran.code == 1
    (line,) = ran.out.splitlines()
    assert line.startswith("fails: brier")
    assert ran.err == ""


@pytest.mark.usefixtures("sure")
@pytest.mark.parametrize(
    ("arguments", "says", "hint"),
    [
        ((), "the gate has no check", "--max ece15=0.03"),
        (("--max", "mce15=.1"), "'mce15' cannot be gated", "these have one"),
        (("--max", "ece_15=.1"), "'ece_15'", "did you mean 'ece15'?"),
        (("--max", "ece15=3"), "ece15 is a fraction", "did you mean 0.03?"),
        (("--max", "ece15=.001"), "600 samples are too few to show ece15 <= 0.001", "judge more samples"),
        (("--no-worse",), "nothing to compare with", "--baseline OLD"),
        (
            ("--max", "ece15=.1", "--junit", "nowhere/gate.xml"),
            "there is no folder 'nowhere'",
            "make it, or name another one",
        ),
        (("--max", "coverage=.1"), "coverage needs a decision rule", "--fit threshold"),
        (("--max", "ece15=.1", "--baseline", "gone.npz", "--no-worse"), "gone.npz", ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_mistakes_end_with_2(refused, arguments, says, hint, tmp_path, samples, softmax):
    if ".001" in str(arguments):
        calibrated = np.random.default_rng(0)
        p = softmax(calibrated.normal(size=(600, 3)))
        labels = (p.cumsum(axis=1) > calibrated.random((600, 1))).argmax(axis=1)
        np.savez(tmp_path / "sure.npz", probs=p, labels=labels)
    refused("gate", "sure.npz", *arguments, says=says, hint=hint)


def test_other_rows_end_with_2(refused, sure, tmp_path, samples):
    logits, labels = samples(600, seed=5)
    np.savez(tmp_path / "old.npz", logits=logits, labels=labels)
    refused("gate", "sure.npz", "--baseline", "old.npz", "--no-worse", says="labels differ", hint="same rows")


def test_a_rule_that_is_fitted_on_another_file(cli, tmp_path, samples):
    for name, seed in (("val", 1), ("test", 2)):
        logits, labels = samples(600, seed=seed)
        np.savez(tmp_path / f"{name}.npz", logits=logits, labels=labels)
    rule = ("--fit", "temperature+threshold:value=0.5", "--fit-on", "val.npz")
    ran = cli("gate", "test.npz", *rule, "--min", "coverage=.2")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("holds: coverage >= 0.2")
    assert cli("gate", "test.npz", *rule, "--min", "coverage=.2", "--baseline", "val.npz", "--no-worse").code == 2


@pytest.mark.slow
def test_in_a_shell(sure, tmp_path):
    """The exit code is what a script sees."""
    command = f"{sys.executable} -m calibench gate sure.npz --max brier=.01 -q || echo code $?"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ran.stdout.splitlines()[-1] == "code 1", ran.stderr
    document = subprocess.run(
        [sys.executable, "-m", "calibench", "gate", "sure.npz", "--max", "brier=.9", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert json.loads(document.stdout)["passed"] is True
