"""The verdict on each group: ECCE against its definition, one joint level, the worst group first, CLI and Python alike."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from calibrated import draw
from click.testing import CliRunner

import calibench
from calibench.cli import cli
from calibench.errors import InputError
from calibench.evaluation.ecce import CELLS, ECCE
from calibench.evaluation.group_names import groups_of
from calibench.evaluation.group_test import families, group_figures, group_test
from calibench.metrics.judged import Judged
from calibench.metrics.noise_floor import drawn_figures
from calibench.outputs.several_labels import yes_no_outputs
from calibench.outputs.stored_outputs import outputs_of

FEW = "accuracy,brier"


def judged_of(p, labels, weights=None):
    return Judged(outputs_of(p, True), labels, sample_weight=weights)


def range_of_gaps(p, y, w):
    """ECCE and sigma, sample by sample, from the definition."""
    lowest = highest = total = variance = 0.0
    for value in sorted(set(p.tolist())):
        rows = p == value
        total += float((w[rows] * (p[rows] - y[rows])).sum())
        lowest, highest = min(lowest, total), max(highest, total)
        variance += float((w[rows] ** 2 * p[rows] * (1 - p[rows])).sum())
    return (highest - lowest) / w.sum(), math.sqrt(variance) / w.sum()


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_ecce_is_the_range_of_the_cumulative_gaps(classes, weighted):
    rng = np.random.default_rng(classes)
    p, labels = draw(rng, 300, classes)
    p = np.round(p, 2)  # ties
    p[:, 0] += 1 - p.sum(axis=1)
    p = p.clip(0, 1)
    w = rng.lognormal(0, 1, 300) if weighted else None
    judged = judged_of(p, labels, w)
    scale = np.ones(300) if judged.sample_weight is None else judged.sample_weight
    if classes == 2:
        expected, sigma = range_of_gaps(judged.probs[:, 1], labels == 1, scale)
    else:
        expected, sigma = range_of_gaps(judged.confidence, labels == judged.prediction, scale)
    ecce = ECCE(judged)
    assert ecce.value == pytest.approx(expected, rel=1e-10)
    assert ecce.sigma == pytest.approx(sigma, rel=1e-10)
    assert ecce.ratio == pytest.approx(expected / sigma, rel=1e-10)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_tested_figure_is_ecce_where_every_sample_has_a_cell(classes):
    p, labels = draw(np.random.default_rng(3), CELLS - 4, classes)
    judged = judged_of(p, labels)
    ecce = ECCE(judged)
    assert ecce.observed(judged)[0] == pytest.approx(ecce.ratio, rel=1e-10)
    large = judged_of(*draw(np.random.default_rng(4), 4000, classes))
    read = ECCE(large).observed(large)[0]
    assert 0.8 * ECCE(large).ratio < read <= ECCE(large).ratio + 1e-12


def test_the_draws_of_ecce_are_those_of_labels_from_the_probabilities():
    """The compiled counts, against labels that numpy draws: the same distribution."""
    rng = np.random.default_rng(5)
    p, labels = draw(rng, 200, 2)
    judged = judged_of(p, labels)
    part = {"ecce": ECCE(judged)}
    drawn = drawn_figures(judged, part, draws=2000)["ecce"]
    own = [part["ecce"].observed(judged_of(p, (rng.random(200) < p[:, 1]).astype(int)))[0] for _ in range(400)]
    assert np.mean(drawn) == pytest.approx(np.mean(own), abs=0.1)
    assert np.quantile(drawn, 0.9) == pytest.approx(np.quantile(own, 0.9), abs=0.25)


def test_a_model_that_is_certain_and_wrong_has_an_infinite_ratio():
    p = np.array([[1.0, 0.0]] * 5 + [[0.0, 1.0]] * 5)
    assert ECCE(judged_of(p, np.array([0] * 5 + [1] * 5))).ratio == 0
    assert ECCE(judged_of(p, np.array([0] * 5 + [0] + [1] * 4))).ratio == math.inf
    record = calibench.evaluate(probs=p, labels=[0] * 5 + [0] + [1] * 4, groups=["a"] * 5 + ["b"] * 5, metrics=FEW)
    json.dumps(record.to_dict(), allow_nan=False)
    assert record.groups["b"]["at_least"] == pytest.approx(0.2)


def test_one_bad_group_of_ten_is_found_named_and_first():
    rng = np.random.default_rng(6)
    parts = [draw(rng, 300, 3, sharpen=2.5 if number == 4 else 1.0) for number in range(10)]
    p, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    groups = np.repeat([f"site {number}" for number in range(10)], 300)
    record = calibench.evaluate(probs=p, labels=labels, groups=groups, metrics=FEW)
    verdicts = {name: group["calibrated"] for name, group in record.groups.items()}
    assert next(iter(verdicts)) == "site 4"
    assert [name for name, answer in verdicts.items() if answer == "miscalibrated"] == ["site 4"]
    worst = record.groups["site 4"]
    assert worst["findings"][0]["name"] == "top label"
    assert 0 < worst["at_least"] < worst["ecce"]
    assert worst["p"] <= 0.05
    assert max(record.groups, key=lambda name: record.groups[name]["ecce_sigma"]) == "site 4"


def test_opposite_errors_of_a_class_are_found_where_the_top_label_hides_them():
    """Of two classes: over-predicted at .6, under-predicted at .4 makes confidences right and counts wrong."""
    rng = np.random.default_rng(7)
    p1 = np.tile([0.6, 0.4], 1500)
    labels = (rng.random(3000) < p1 - 0.12).astype(int)
    judged = judged_of(np.stack([1 - p1, p1], axis=1), labels)
    parts = families(judged)
    (verdict,) = group_test([group_figures(judged, parts, drawn_figures(judged, parts), 0, 0)])
    assert [finding["kind"] for finding in verdict["findings"]] == ["class"]
    assert 0 < verdict["at_least"] < 0.12


def test_draws_of_equal_groups_are_put_into_orders_of_their_own():
    """Two equal groups have the same draws, and their joint test may not count them as one."""
    judged = judged_of(*draw(np.random.default_rng(8), 100, 2))
    parts = families(judged)
    drawn = drawn_figures(judged, parts)
    first, second = (group_figures(judged, parts, drawn, number, 0) for number in (0, 1))
    for name in parts:
        assert sorted(first.drawn[name]) == sorted(second.drawn[name])
        assert abs(np.corrcoef(first.drawn[name], second.drawn[name])[0, 1]) < 0.15
    again = group_figures(judged, parts, drawn, 1, 0)
    assert (again.drawn["ecce"] == second.drawn["ecce"]).all()


def test_several_labels_have_a_verdict_a_group_and_soft_labels_have_none():
    rng = np.random.default_rng(9)
    logits = rng.normal(size=(400, 3)) - 1
    truth = (rng.random((400, 3)) < 1 / (1 + np.exp(-logits))).astype(int)
    logits[200:, 2] += 3
    judged = Judged(yes_no_outputs(logits), truth.ravel())
    assert set(families(judged)) == {"label counts"}
    record = calibench.evaluate(logits=logits, labels=truth, groups=["a"] * 200 + ["b"] * 200, metrics="brier")
    assert list(record.groups) == ["b", "a"]
    assert record.groups["b"]["findings"][0]["name"] == "2"
    p, labels = draw(rng, 200, 3)
    soft = calibench.evaluate(probs=p, labels=labels, soft=p, groups=["a", "b"] * 100, metrics="brier")
    assert {group["calibrated"] for group in soft.groups.values()} == {"not_tested"}


def test_names_of_groups():
    assert groups_of({"x": np.array([1.0, 2.0, np.nan])}).tolist() == ["1", "2", "(empty)"]
    assert groups_of({"x": np.array(["a", " a ", ""])}).tolist() == ["a", "a", "(empty)"]
    assert groups_of({"x": np.array([None, "b"], dtype=object)}).tolist() == ["(empty)", "b"]
    both = groups_of({"sex": np.array(["f", "m"]), "old": np.array([True, False])})
    assert both.tolist() == ["sex=f, old=True", "sex=m, old=False"]
    with pytest.raises(InputError, match="is no name of a group"):
        groups_of({"age": np.array([30.0, 37.5])})
    with pytest.raises(InputError, match="1001 groups"):
        groups_of({"id": np.arange(1001)})


@pytest.fixture
def table(tmp_path):
    """`g.csv`: 600 samples of 2 classes with a weight, a hospital and a sex; hospital Moss is over-confident."""
    rng = np.random.default_rng(10)
    p, labels = draw(rng, 600, 2)
    hospital, sex = rng.choice(["Oslo", "Bodø"], 600).astype(object), rng.choice(["f", "m"], 600)
    bad, bad_labels = draw(rng, 200, 2, sharpen=4.0)
    p, labels = np.concatenate([p, bad]), np.concatenate([labels, bad_labels])
    hospital, sex = np.append(hospital, ["Moss"] * 200), np.append(sex, ["f"] * 200)
    weights = rng.lognormal(0, 0.3, 800)
    lines = ["no,yes,w,hospital,sex,label"]
    lines += [f"{p[i, 0]!r},{p[i, 1]!r},{weights[i]!r},{hospital[i]},{sex[i]},{labels[i]}" for i in range(800)]
    file = tmp_path / "g.csv"
    file.write_text("\n".join(line.replace("np.float64(", "").replace(")", "") for line in lines), encoding="utf-8")
    return file, p, labels, weights, hospital.astype(str), sex


def run(*arguments):
    return CliRunner().invoke(cli, ["evaluate", *map(str, arguments)], catch_exceptions=True)


def test_the_command_line_gives_the_groups_of_python(table):
    file, p, labels, weights, hospital, sex = table
    columns = ("--weights", "w", "--by", "hospital,sex", "--probs", "no,yes", "--metrics", FEW)
    document = json.loads(run(file, *columns, "--json").stdout)
    record = calibench.evaluate(
        probs=p,
        labels=labels,
        sample_weight=weights,
        groups={"hospital": hospital, "sex": sex},
        metrics=FEW,
        class_names=["no", "yes"],
    )
    expected = json.loads(json.dumps(record.to_dict()["groups"]))
    assert document["groups"] == expected
    assert next(iter(document["groups"])) == "hospital=Moss, sex=f"
    assert document["effective_samples"] == record.effective_samples
    text = run(file, *columns).stdout
    assert "groups: 1 of 5 miscalibrated" in text
    assert "hospital=Moss, sex=f" in text.split("groups:")[0].split("verdict")[-1]


def test_columns_that_are_named_are_no_scores_and_are_used(table, tmp_path):
    file, p, labels, weights, hospital, _ = table
    left = [line.rsplit(",", 2) for line in file.read_text(encoding="utf-8").splitlines()]
    (tmp_path / "h.csv").write_text("\n".join(f"{row[0]},{row[2]}" for row in left), encoding="utf-8")
    document = json.loads(run(tmp_path / "h.csv", "--weights", "w", "--by", "hospital", "--json").stdout)
    assert document["classes"] == 2
    np.savez(tmp_path / "g.npz", probs=p, labels=labels, w=weights, hospital=hospital, spare=weights)
    document = json.loads(run(tmp_path / "g.npz", "--weights", "w", "--by", "hospital", "--json").stdout)
    assert document["warnings"][-1] == "not used of this file: spare"
    assert set(document["groups"]) == {"Oslo", "Bodø", "Moss"}


def test_refusals(table, tmp_path):
    file, p, labels, *_ = table
    np.savez(tmp_path / "g.npz", probs=p, labels=labels, w=np.ones(800))
    cases = {
        (tmp_path / "g.npz", "--by", "hospital"): "there is no 'hospital' of one value a sample",
        (tmp_path / "g.npz", "--weights", "v"): "there is no 'v'",
        (tmp_path / "g.npz", "--by", "w", "--stream"): "--by does not go with --stream",
        (file, tmp_path / "g.npz", "--by", "w"): "--by judges the samples of one file",
        (file, "--by", ""): "--by '' names no column",
        (file, "--by", " , "): "names no column",
        (file, "--by", "hospital,hospital"): "--by names the column 'hospital' twice",
        (file, "--by", "label"): "beside scores and labels there is no 'label'",
        (file, "--weights", "hospital"): "--weights hospital: row 0: '",
    }
    for arguments, says in cases.items():
        result = run(*arguments)
        assert result.exit_code != 0
        assert says in str(result.exception), (arguments, result.exception)
        assert isinstance(result.exception, InputError)


def test_a_name_of_a_group_stays_in_its_line(tmp_path):
    p = np.random.default_rng(0).uniform(size=400)
    labels = np.random.default_rng(1).uniform(size=400) < p
    names = np.where(np.arange(400) % 2 == 0, "a\tb", "c\x1b[31m\nd")
    np.savez(tmp_path / "g.npz", probs=np.stack([1 - p, p], axis=1), labels=labels.astype(int), site=names)
    lines = run(tmp_path / "g.npz", "--by", "site").stdout.splitlines()
    assert next(line for line in lines if r"a\tb" in line).split()[:2] == [r"a\tb", "200"]
    assert next(line for line in lines if r"c\x1b" in line).split()[:2] == [r"c\x1b[31m\nd", "200"]
