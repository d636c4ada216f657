"""Operating points: the thresholds of `--fit`, guarantees told truly, figures counted by hand, curves by brute force."""

from __future__ import annotations

import json

import numpy as np
import pytest
from calibrated import draw
from click.testing import CliRunner

import calibench
from calibench.cli import cli
from calibench.errors import InputError
from calibench.metrics.judged import Judged
from calibench.metrics.operating_curves import cost_curve, precision_recall, risk_coverage
from calibench.outputs.stored_outputs import outputs_of


@pytest.fixture
def files(tmp_path):
    """`val.npz` and `test.npz` of two classes, `costs.csv` with abstention, and their arrays."""
    rng = np.random.default_rng(0)
    val, test = draw(rng, 1500, 2), draw(rng, 1000, 2)
    for name, (p, labels) in (("val", val), ("test", test)):
        np.savez(tmp_path / f"{name}.npz", probs=p, labels=labels)
    (tmp_path / "costs.csv").write_text("0,1,.2\n5,0,.2\n", encoding="utf-8")
    return tmp_path, val, test


def run(*arguments):
    return CliRunner().invoke(cli, [*map(str, arguments)])


WANTED = ("--target-risk", ".08", "--target-coverage", ".8", "--target-precision", ".9", "--target-recall", ".9")


def test_thresholds_are_those_by_which_evaluate_acts(files):
    folder, *_ = files
    arguments = (
        "thresholds",
        folder / "val.npz",
        *WANTED,
        "--cost",
        folder / "costs.csv",
        "--judge-on",
        folder / "test.npz",
    )
    document = json.loads(run(*arguments, "--json").stdout)
    assert [point["want"] for point in document["points"]][:2] == ["target_risk", "target_coverage"]
    for point in document["points"]:
        fit = () if point["want"] == "cost" else ("--fit-on", folder / "val.npz")
        evaluated = json.loads(
            run(
                "evaluate", folder / "test.npz", "--fit", point["recipe"], *fit, "--metrics", "default", "--json"
            ).stdout
        )
        learned = {key: value for key, value in evaluated["fit"].items() if key not in ("recipe", "n")}
        assert point["learned"] == learned
        metrics = evaluated["after"]["metrics"]
        assert point["judged"]["coverage"]["value"] == pytest.approx(metrics["coverage"])
        assert point["judged"]["risk"]["value"] == pytest.approx(metrics["selective_risk"])
        if point["want"] == "cost":
            assert point["judged"]["mean_cost"]["value"] == pytest.approx(metrics["mean_cost"])
    assert document["points"][0]["threshold"] == document["points"][0]["learned"]["threshold"]


def test_figures_are_counts_of_the_samples(files):
    _, (p, labels), (q, truth) = files
    record = calibench.thresholds(
        probs=p, labels=labels, target_risk=0.08, target_precision=0.9, judge_probs=q, judge_labels=truth
    )
    risk, precision = record.points
    answered = q.max(axis=1) >= risk["threshold"] - 1e-6
    wrong = q.argmax(axis=1) != truth
    assert risk["judged"]["coverage"]["count"] == answered.sum()
    assert risk["judged"]["risk"]["count"] == (answered & wrong).sum()
    low, high = risk["judged"]["risk"]["interval"]
    assert low < risk["judged"]["risk"]["value"] < high
    said = q[:, 1] >= precision["threshold"] - 1e-6
    assert precision["judged"]["precision"]["n"] == said.sum()
    assert precision["judged"]["recall"]["value"] == pytest.approx((said & (truth == 1)).sum() / (truth == 1).sum())
    fitted = (p[:, 1] >= precision["threshold"] - 1e-6) & (labels == 1)
    assert precision["fitted"]["precision"]["count"] == fitted.sum()


def test_guarantees_are_told_as_they_are(files):
    _, (p, labels), _ = files
    sure, none = (
        calibench.thresholds(probs=p, labels=labels, target_risk=0.08, guarantee=kind).points[0]
        for kind in (None, "none")
    )
    assert sure["guarantee"]["kind"] == "clopper-pearson"
    assert sure["guarantee"]["bound"] <= 0.08
    assert "95 %" in sure["promise"]
    assert none["guarantee"] is None
    assert none["promise"].startswith("no guarantee")
    assert none["threshold"] < sure["threshold"]
    few = calibench.thresholds(probs=p[:30], labels=labels[:30], target_risk=0.01).points[0]
    assert few["accepts"] == "nothing"
    assert few["promise"].startswith("nothing is promised")
    assert few["fitted"]["coverage"]["value"] == 0
    assert few["fitted"]["risk"]["value"] is None


def test_without_a_target_four_error_rates_are_tried(files):
    _, (p, labels), _ = files
    record = calibench.thresholds(probs=p, labels=labels)
    assert [point["target"] for point in record.points] == [0.01, 0.02, 0.05, 0.1]
    assert record.judged_n is None
    json.dumps(record.to_dict(), allow_nan=False)


def test_a_calibrator_before_the_rule_shares_the_file_as_recipes_do(files):
    _, (p, labels), _ = files
    record = calibench.thresholds(probs=p, labels=labels, target_risk=0.08, fit="isotonic")
    assert record.points[0]["recipe"] == "isotonic+threshold:target_risk=0.08"
    assert record.points[0]["learned"]["cal_split"] == "half"


def test_the_positive_class_of_several():
    p, labels = draw(np.random.default_rng(1), 900, 3)
    record = calibench.thresholds(probs=p, labels=labels, target_recall=0.8, positive=2)
    point = record.points[0]
    assert point["positive"] == 2
    said = p[:, 2] >= point["threshold"] - 1e-6
    assert point["fitted"]["recall"]["value"] == pytest.approx((said & (labels == 2)).sum() / (labels == 2).sum())
    assert record.curves["precision_recall"]["positive"] == 2
    with pytest.raises(InputError, match="none is named as the positive one"):
        calibench.thresholds(probs=p, labels=labels, target_recall=0.8)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"target_risk": 1.5}, "outside"),
        ({"target_risk": 0.1, "positive": 1}, "--positive does nothing"),
        ({"target_recall": 0.9, "score": "margin"}, "--score does nothing"),
        ({"cost": "costs.csv", "delta": 0.1}, "--delta does nothing"),
        ({"target_risk": 0.1, "fit": "threshold:value=0.3"}, "threshold"),
        ({"target_recall": 0.9, "positive": 7}, "there is no class '7'"),
    ],
)
def test_refusals(options, says):
    p, labels = draw(np.random.default_rng(2), 60, 2)
    with pytest.raises(InputError, match=says):
        calibench.thresholds(probs=p, labels=labels, **options)


def test_samples_that_chose_a_threshold_do_not_judge_it(files):
    _, (p, labels), _ = files
    with pytest.raises(InputError, match="are among those to fit on"):
        calibench.thresholds(probs=p, labels=labels, target_risk=0.1, judge_probs=p, judge_labels=labels)


def test_curves_are_those_of_every_threshold():
    rng = np.random.default_rng(3)
    p, labels = draw(rng, 80, 2)
    p = np.round(p, 1)
    judged = Judged(outputs_of(p, True), labels)
    curve = risk_coverage(judged)
    confidence, wrong = p.max(axis=1), p.argmax(axis=1) != labels
    for threshold, coverage, risk in zip(curve["threshold"], curve["coverage"], curve["risk"], strict=True):
        answered = confidence >= threshold - 1e-6
        assert coverage == pytest.approx(answered.mean())
        assert risk == pytest.approx(wrong[answered].mean())
    assert curve["coverage"][-1] == 1
    curve = precision_recall(judged, 1)
    for threshold, precision, recall in zip(curve["threshold"], curve["precision"], curve["recall"], strict=True):
        said = p[:, 1] >= threshold - 1e-6
        assert precision == pytest.approx((labels[said] == 1).mean())
        assert recall == pytest.approx((labels[said] == 1).sum() / (labels == 1).sum())
    costs = np.array([[0, 1.0], [5, 0]])
    curve = cost_curve(judged, costs)
    for threshold, mean in zip(curve["threshold"], curve["mean_cost"], strict=True):
        answers = (p[:, 1] >= (np.inf if threshold is None else threshold - 1e-6)).astype(int)
        assert mean == pytest.approx(costs[labels, answers].mean())
    assert curve["always_argmax"] == pytest.approx(costs[labels, p.argmax(axis=1)].mean())


def test_the_risk_curve_of_whole_weights_is_that_of_repeated_samples():
    rng = np.random.default_rng(5)
    p, labels = draw(rng, 60, 3)
    times = rng.integers(0, 4, 60)
    weighted = risk_coverage(Judged(outputs_of(p, True), labels, sample_weight=times.astype(float)))
    repeated = risk_coverage(Judged(outputs_of(np.repeat(p, times, axis=0), True), np.repeat(labels, times)))
    at = dict(zip(weighted["threshold"], zip(weighted["coverage"], weighted["risk"], strict=True), strict=True))
    for threshold, coverage, risk in zip(repeated["threshold"], repeated["coverage"], repeated["risk"], strict=True):
        assert at[threshold] == pytest.approx((coverage, risk))


def test_curves_of_many_samples_are_thinned_and_bounded():
    p, labels = draw(np.random.default_rng(4), 3000, 3)
    curve = risk_coverage(Judged(outputs_of(p, True), labels))
    assert len(curve["risk"]) == 200
    assert all(low <= risk <= high for low, risk, high in zip(curve["low"], curve["risk"], curve["high"], strict=True))
    assert cost_curve(Judged(outputs_of(p, True), labels), np.zeros((3, 3))) == {}


def test_the_table_and_the_picture(files):
    folder, *_ = files
    costs = ("--cost", folder / "costs.csv")
    result = run("thresholds", folder / "val.npz", *WANTED, *costs, "--plot", folder / "c.svg")
    assert "of the samples that chose the thresholds" in result.stdout
    assert "threshold:target_risk=0.08" in result.stdout
    drawn = (folder / "c.svg").read_text(encoding="utf-8")
    assert drawn.startswith("<?xml")
    refused = run("thresholds", folder / "val.npz", "--plot", folder / "c.doc")
    assert isinstance(refused.exception, InputError)


def test_curves_are_drawn_with_the_names_of_classes_and_a_line_a_cost(tmp_path, monkeypatch):
    from calibench.report import curves

    rng = np.random.default_rng(0)
    p = rng.random(300)
    labels = (rng.random(300) < p).astype(int)
    for name, cost in (("a", "0,1\n5,0\n"), ("b", "0,1\n2,0\n")):
        (tmp_path / f"{name}.csv").write_text(cost)
    record = calibench.thresholds(
        probs=np.stack([1 - p, p], axis=1),
        labels=labels,
        class_names=["stay", "churn"],
        positive="churn",
        target_precision=0.7,
        cost=[str(tmp_path / "a.csv"), str(tmp_path / "b.csv")],
    )
    saved = []
    monkeypatch.setattr(curves, "save", lambda figure, path: saved.append(figure))
    curves.draw_curves(record.to_dict(), tmp_path / "o.svg")
    _, precision, cost = saved[0].axes
    assert precision.get_title() == "precision and recall of class churn"
    assert cost.get_xlabel() == "threshold on class churn"
    lines = {line.get_label(): line for line in cost.lines}
    assert lines["a.csv"].get_linestyle() != lines["b.csv"].get_linestyle()


@pytest.mark.parametrize("name", ["yes, surely", "a+b", ' "quoted" ', "k=v", "ja\n", "a:b", "back\\slash"])
def test_a_class_of_any_name_may_be_the_positive_one(name):
    probs, labels = two_classes()
    names = ["no", name]
    found = calibench.thresholds(
        probs=probs,
        labels=np.array(names, dtype=object)[labels],
        class_names=names,
        positive=name,
        target_precision=0.6,
    )
    plain = calibench.thresholds(probs=probs, labels=labels, target_precision=0.6)
    assert found.points[0]["threshold"] == plain.points[0]["threshold"]
    recipe = found.points[0]["recipe"]
    given = {"fit": recipe, "fit_probs": probs[:900], "fit_labels": labels[:900], "class_names": names, "resamples": 0}
    assert calibench.evaluate(probs=probs[900:], labels=labels[900:], **given).fit["positive_name"] == name


def test_a_matrix_of_costs_may_have_any_path(tmp_path):
    probs, labels = two_classes()
    folder = tmp_path / "a+b, c"
    folder.mkdir()
    (folder / "costs.csv").write_text("0,1\n5,0\n")
    assert calibench.thresholds(probs=probs, labels=labels, cost=folder / "costs.csv").points[0]["costs"][1][0] == 5


@pytest.mark.parametrize("decimals", [2, 3, 15])
def test_a_threshold_in_plain_numpy_accepts_what_the_rule_accepts(decimals):
    """Rounded probabilities have many ties, all of which the rule accepts: so must `p >= threshold`."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        p = np.round(rng.beta(2, 1.2, size=900), decimals)
        probs, labels = np.stack([1 - p, p], axis=1), (rng.random(900) < p).astype(np.int64)
        targets = {"target_risk": 0.25, "target_coverage": 0.6, "target_precision": 0.7, "target_recall": 0.8}
        found = calibench.thresholds(probs=probs, labels=labels, **targets)
        for point in found.points:
            positive = point["want"] in ("target_precision", "target_recall")
            accepted = point["fitted"]["precision"]["n"] if positive else point["fitted"]["coverage"]["count"]
            assert point["threshold"] is not None
            assert ((p if positive else probs.max(axis=1)) >= point["threshold"]).sum() == accepted


def test_targets_may_be_numbers_of_numpy():
    probs, labels = two_classes()
    expected = calibench.thresholds(probs=probs, labels=labels, target_risk=0.25).points[0]["threshold"]
    for target in (np.float64(0.25), np.float32(0.25), np.array(0.25), np.array([0.25]), (0.25,)):
        assert calibench.thresholds(probs=probs, labels=labels, target_risk=target).points[0]["threshold"] == expected
    for wrong in (None, {"a": 1}):
        with pytest.raises(InputError, match="target_risk is a"):
            calibench.thresholds(probs=probs, labels=labels, target_risk=wrong)


def two_classes(n: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 1, size=n)
    return np.stack([1 - p, p], axis=1), (rng.random(n) < p).astype(np.int64)
