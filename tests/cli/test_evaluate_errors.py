"""Refusals of `calibench evaluate`: fits that cannot work and diagrams that cannot be drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def val(tmp_path, samples):
    """`val.npz`, good samples to fit on; `wider.npz`, of another classifier; `bad.npz`, with a NaN."""
    logits, labels = samples(seed=5)
    np.savez(tmp_path / "val.npz", logits=logits, labels=labels)
    wide_logits, wide_labels = samples(classes=4)
    np.savez(tmp_path / "wider.npz", logits=wide_logits, labels=wide_labels)
    logits[4, 1] = np.nan
    np.savez(tmp_path / "bad.npz", logits=logits, labels=labels)


TEMPERATURE = ("--fit", "temperature", "--fit-on")


@pytest.mark.usefixtures("val")
def test_samples_to_fit_on(refused, good):
    needs = "fit temperature needs samples to fit on"
    refused("evaluate", good, "--fit", "temperature", says=needs, hint="--fit-on VALFILE")
    refused("evaluate", good, "--fit-on", "val.npz", says="nothing to fit", hint="--fit auto")
    refused("evaluate", good, *TEMPERATURE, good, says="60 of the 60 samples that are judged are among those to fit on")
    refused("evaluate", good, *TEMPERATURE, "wider.npz", says="4 classes to fit on, 3 to judge")
    refused("evaluate", good, *TEMPERATURE, "none.npz", says="there is no file 'none.npz'")
    refused("evaluate", good, *TEMPERATURE, "bad.npz", says="bad.npz: row 4: logits are NaN")
    refused("evaluate", good, "--fit", "threshold", "--fit-on", "val.npz", says="threshold fits nothing")


RECIPES = {
    "ce": ("objective", "calibrator and decision"),
    "vtst": ("refit", "calibrator and decision"),
    "ce+temperature": ("objective", "calibrator and decision"),
    "temprature": ("temprature", "did you mean 'temperature'?"),
    "threshold+temperature": ("cannot follow", "the order is"),
    "temperature+temperature": ("stands twice", ""),
    "": ("is not a name", ""),
}


@pytest.mark.usefixtures("val")
@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_that_cannot_be_fitted(recipe, refused, good):
    says, hint = RECIPES[recipe]
    refused("evaluate", good, "--fit", recipe, "--fit-on", "val.npz", says=says, hint=hint)


THRESHOLDS = {
    "value=1.5": "value=1.5 is outside [0, 1]",
    "value=-0.1": "value=-0.1 is outside [0, 1]",
    "value=nan": "value=nan is outside [0, 1]",
    "value=high": "value=high is not a number",
    "values=0.5;1.5;0.5": "values=0.5;1.5;0.5 is outside [0, 1]",
    "values=0.5;0.5": "2 values for 3 classes",
    "values=0.5;;0.5": "is not numbers joined by ';'",
    "value=0.2,values=0.5;0.5;0.5": "not both",
    "vlaue=0.3": "no parameter 'vlaue'\nhint: did you mean 'value'?",
    "value": "'value' is not key=value",
}


@pytest.mark.parametrize("params", THRESHOLDS)
def test_thresholds_that_mean_nothing(params, refused, good, features):
    refused("evaluate", good, "--fit", f"threshold:{params}", says=THRESHOLDS[params])
    frozen = ("-d", "npz:path=features.npz", "--model", "frozen")
    refused("run", "-m", f"ce+threshold:{params}", *frozen, says=THRESHOLDS[params])


@pytest.mark.slow
def test_diagrams_that_cannot_be_drawn(refused, tmp_path, good):
    refused("evaluate", good, "--plot", "out.xyz", says="cannot draw 'out.xyz'", hint=".svg, .png, .pdf")
    refused("evaluate", good, "--plot", "out", says="cannot draw 'out'", hint=".svg, .png, .pdf")
    refused("evaluate", good, "--plot", good / "out.svg", says="cannot write in", hint="another folder")
    (tmp_path / "folder.svg").mkdir()
    refused("evaluate", good, "--plot", "folder.svg", says="folder.svg")


CHURN = "id,churn,stay,region,churned\n" + "".join(
    f"C{i},{p},{1 - p:.1f},{'nord' if i % 3 else 'ost'},{'churn' if i % 2 else 'stay'}\n"
    for i, p in enumerate([0.1, 0.9, 0.3, 0.6] * 10)
)


def test_a_column_of_class_names_is_offered_as_labels(cli, tmp_path):
    (tmp_path / "t.csv").write_text(CHURN)
    ran = cli("evaluate", str(tmp_path / "t.csv"))
    assert ran.code == 2
    assert "no column or array is named labels or label" in ran.err
    assert "hint: are they in 'churned'? --labels churned" in ran.err
    assert cli("evaluate", str(tmp_path / "t.csv"), "--labels", "churned", "--resamples", "0").code == 0


def test_predictions_are_not_offered_as_labels(cli, tmp_path):
    (tmp_path / "t.csv").write_text(CHURN.replace("churned", "prediction"))
    ran = cli("evaluate", str(tmp_path / "t.csv"))
    assert "hint: name the true labels: --labels NAME; known: " in ran.err


def test_weights_are_named_by_their_option(cli, tmp_path):
    (tmp_path / "t.csv").write_text(CHURN)
    ran = cli("evaluate", str(tmp_path / "t.csv"), "--labels", "churned", "--weights", "region")
    assert ran.code == 2
    assert "error: --weights region: " in ran.err


def test_the_line_of_a_fit_has_no_word_that_no_page_explains(cli, tmp_path):
    (tmp_path / "t.csv").write_text(CHURN)
    (tmp_path / "v.csv").write_text(CHURN.replace("0.3,0.7", "0.4,0.6"))
    options = ("--labels", "churned", "--fit", "threshold:metric=f1", "--fit-on", str(tmp_path / "v.csv"))
    ran = cli("evaluate", str(tmp_path / "t.csv"), *options, "--resamples", "0")
    (line,) = [line for line in ran.out.splitlines() if line.startswith("fit ")]
    assert "doubt" not in line
    assert "positive stay" in line
    assert "positive_name" not in line


def test_rows_of_another_kind_need_no_labels_and_any_order_of_columns(cli, tmp_path):
    (tmp_path / "t.csv").write_text(CHURN)
    rows = [line.split(",") for line in CHURN.splitlines()[:30]]
    (tmp_path / "o.csv").write_text("".join(f"{stay},{churn}\n" for _, churn, stay, _, _ in rows))
    options = ("--labels", "churned", "--metrics", "accuracy", "--json", "--ood")
    ran = cli("evaluate", str(tmp_path / "t.csv"), *options, str(tmp_path / "o.csv"))
    assert ran.code == 0, ran.err
    (tmp_path / "s.csv").write_text("".join(f"{churn},{stay}\n" for _, churn, stay, _, _ in rows))
    same = cli("evaluate", str(tmp_path / "t.csv"), *options, str(tmp_path / "s.csv"))
    (one,), (other,) = json.loads(ran.out)["ood"], json.loads(same.out)["ood"]
    assert one["metrics"] == other["metrics"]


def test_the_positive_class_is_named(cli, tmp_path):
    (tmp_path / "t.csv").write_text(CHURN)
    options = ("--labels", "churned", "--target-recall", "0.5")
    assert "positive: class stay; --positive names another" in cli("thresholds", str(tmp_path / "t.csv"), *options).out
    ran = cli("thresholds", str(tmp_path / "t.csv"), *options, "--positive", "churn")
    assert "positive: class churn" in ran.out
