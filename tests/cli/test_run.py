"""`calibench run`: the document, quiet, running again, and figures that a seed decides."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import calibench
from calibench.records.record import ResultRecord

METRICS = [
    "accuracy",
    "nll",
    "brier",
    "ece15",
    "ece10",
    "ece_debiased15",
    "mce15",
    "ece_equal_mass15",
    "classwise_ece15",
    "aurc",
]
FROZEN = ("-d", "npz:path=features.npz", "--model", "frozen")
SMALL = ("-d", "npz:path=features.npz", "--model", "mlp:hidden=8", "--epochs", "2", "--json")


def same(document):
    """The document without what differs from run to run: how long it took, what was cached, and when."""
    return {k: v for k, v in document.items() if k not in {"timings_s", "cache", "created", "predictions"}}


def test_the_document_of_a_run(cli, tmp_path):
    noise = ("--noise", "symmetric:rate=0.1")
    ran = cli("run", "-m", "ce+temperature", "--seed", "3", *noise, "--results", "out", "--epochs", "2", "--json")
    document = ran.document
    check_what_was_run(document)
    check_figures(document)
    temperature = document["fitted"][-1]
    assert temperature["stage"] == "temperature"
    assert temperature["nll_after"] <= temperature["nll_before"]
    assert json.loads((tmp_path / "out" / "records" / f"{document['run_id']}.json").read_text()) == document
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["cache", "predictions", "records"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def check_what_was_run(document):
    assert list(document) == ["schema", *(f.name for f in dataclasses.fields(ResultRecord) if f.name != "schema")]
    assert document["schema"] == "calibench.record/2"
    assert document["recipe"] == "ce:epochs=2+temperature"
    assert (document["dataset"], document["model"], document["seed"]) == ("digits", "mlp", 3)
    assert document["noise"] == "symmetric:rate=0.1"
    assert document["data"]["noise"]["realised_rate"] == pytest.approx(0.1, abs=1e-3)
    assert document["backend"] in {"fused-cpu", "fused-cuda", "reference"}
    assert set(document["n"]) == {"train", "val", "cal", "test"}
    assert sum(document["n"].values()) == 1797
    assert {"calibench", "torch", "numpy", "python"} <= set(document["versions"])


def check_figures(document):
    assert list(document["metrics"])[: len(METRICS)] == METRICS
    for name in METRICS:
        interval = document["intervals"][name]
        assert (interval is None) == (name in document["no_interval"]), name
        assert interval is None or interval[0] <= document["metrics"][name], name
    assert 0 <= document["metrics"]["accuracy"] <= 1
    assert set(document["noise_floor"]["ece15"]) >= {"mean", "p95"}
    assert set(document["units"]) == set(document["metrics"])
    assert all(seconds >= 0 for seconds in document["timings_s"].values())


def test_again_and_force(cli, features):
    first = cli("run", "-m", "ce", *SMALL)
    again = cli("run", "-m", "ce", *SMALL)
    assert "there already" in again.err
    assert "--force runs it again" in again.err
    assert again.document == first.document
    assert cli("run", "-m", "ce", *SMALL, "--quiet") == (0, first.out, "")
    forced = cli("run", "-m", "ce", *SMALL, "--force")
    assert "there already" not in forced.err
    assert forced.document["cache"] == {"hits": [], "made": ["stage1"]}
    assert same(forced.document) == same(first.document)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(cli, features):
    """With an empty cache, with a warm one and with none; another seed gives other figures."""
    small = (SMALL[1], SMALL[3])
    alone = cli("run", "-m", "vtst:epochs=3,lr=0.01", *SMALL, "--results", "one").document
    assert alone["cache"]["hits"] == []
    cli("run", "-m", "ce", *SMALL, "--results", "two")
    warm = cli("run", "-m", "vtst:epochs=3,lr=0.01", *SMALL, "--results", "two").document
    assert warm["cache"]["hits"] == ["stage1"]
    hot = cli("run", "-m", "vtst:epochs=3,lr=0.01+temperature", *SMALL, "--results", "two").document
    assert hot["cache"] == {"hits": ["stage1", "features", "stage2"], "made": []}
    python = calibench.run("vtst:epochs=3,lr=0.01", *small, epochs=2, results=None)
    assert python.predictions is None
    for document in (warm, python.to_dict()):
        assert json.dumps(document["metrics"]) == json.dumps(alone["metrics"])
        assert json.dumps(document["intervals"]) == json.dumps(alone["intervals"])
        assert json.dumps(document["fitted"]) == json.dumps(alone["fitted"])
    cold = calibench.run("vtst:epochs=3,lr=0.01+temperature", *small, epochs=2, results=None)
    assert json.dumps(cold.metrics) == json.dumps(hot["metrics"])
    assert cold.fitted == hot["fitted"]
    another = calibench.run("vtst:epochs=3,lr=0.01", *small, epochs=2, seed=1, results=None)
    assert another.metrics != alone["metrics"]
    assert another.data["test_fingerprint"] == alone["data"]["test_fingerprint"], "one split for all seeds"


def test_a_run_does_not_touch_the_callers_random_numbers(features, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    calibench.run("tst:epochs=1", SMALL[1], "mlp:hidden=8", epochs=1, results=None)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("recipe", ["ce", "vtst:epochs=2", "ce+threshold:value=0.6"])
def test_stored_predictions_give_the_record(recipe, threads, cli, tmp_path, features):
    """Judging what a run stored gives its figures to the bit, whatever the number of threads."""
    document = cli("run", "-m", recipe, *SMALL).document
    stored = load_file(tmp_path / "results" / document["predictions"]["file"])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        judged = calibench.evaluate(logits=stored["test.logits"], labels=stored["test.labels"])
    finally:
        torch.set_num_threads(before)
    names = list(judged.metrics)
    assert names == [name for name in document["metrics"] if name not in {"coverage", "selective_risk"}]
    assert judged.metrics == {name: document["metrics"][name] for name in names}
    assert judged.intervals == {name: document["intervals"][name] for name in names}
    assert judged.noise_floor == document["noise_floor"]
    decided = {"coverage", "selective_risk"} <= set(document["metrics"])
    assert decided == ("threshold" in recipe) == ("test.decisions" in stored)


@pytest.mark.slow
def test_several_methods_and_seeds(cli, features):
    """Several runs print one object. Each is stored under its own id; a recipe that is named twice runs once."""
    ran = cli("run", "-m", "ce", "-m", "ce+temperature", "-m", "ce", "-s", "0", "-s", "1", *FROZEN, "--json")
    document = ran.document
    assert document["schema"] == "calibench.records/2"
    pairs = [(record["seed"], record["recipe"]) for record in document["records"]]
    assert pairs == [(0, "ce"), (0, "ce+temperature"), (1, "ce"), (1, "ce+temperature")]
    assert len({record["run_id"] for record in document["records"]}) == 4
    board = cli("run", "-m", "ce", "-m", "ce+temperature", "-s", "0", "-s", "1", *FROZEN)
    assert board.err.count("there already") == 4
    for word in ("npz:path=features.npz", "120 test samples", "rank", "ce+temperature", "0,1", "ece15 %"):
        assert word in board.out, word


@pytest.mark.slow
def test_data_networks_noises_and_seeds_make_a_grid_and_a_run_that_fails_ends_no_other(cli, features):
    grid = (
        "-d",
        "npz:path=features.npz",
        "-d",
        "iris",
        "--model",
        "mlp:hidden=4",
        "--noise",
        "none",
        "--noise",
        "symmetric:rate=0.2",
    )
    ran = cli("run", "-m", "ce", "-m", "mc-dropout", *grid, "-s", "0-1", "--epochs", "2", "--threads", "1", "--json")
    assert ran.code == 1
    records = json.loads(ran.out)["records"]
    assert len(records) == 8
    assert {(r["dataset"], r["noise"], r["seed"]) for r in records} == {
        (d, n, s) for d in ("npz:path=features.npz", "iris") for n in (None, "symmetric:rate=0.2") for s in (0, 1)
    }
    assert ran.err.count("failed: [") == 8
    assert "mc-dropout, iris, symmetric:rate=0.2, seed 1: mc-dropout: the model has no dropout" in ran.err
    jobs = cli(
        "run",
        "-m",
        "ce",
        *grid,
        "-s",
        "0-1",
        "--epochs",
        "2",
        "--json",
        "-j",
        "2",
        "--threads",
        "1",
        "--results",
        "other",
    )
    assert [same(r)["metrics"] for r in json.loads(jobs.out)["records"]] == [same(r)["metrics"] for r in records]


@pytest.mark.parametrize("jobs", [(), ("-j", "2")], ids=["here", "in processes"])
@pytest.mark.slow
def test_a_mistake_of_all_runs_is_one_sentence_and_exit_code_2(jobs, cli):
    ran = cli("run", "-m", "ce", "-m", "tst", "-d", "npz:path=gone.npz", *jobs)
    assert ran.code == 2
    assert ran.err.splitlines()[0] == "error: there is no file 'gone.npz'"
    assert len(ran.err.splitlines()) == 2
    assert ran.out == ""


def test_a_setting_goes_to_the_runs_that_have_the_part(cli):
    grid = ("-d", "wine:test=0.5", "-d", "iris", "--set", "iris.test=0.4", "--epochs", "1")
    records = cli("run", "-m", "ce", *grid, "--json").document["records"]
    assert [record["config"]["dataset"]["params"]["test"] for record in records] == [0.5, 0.4]


def test_quiet(cli, features, tmp_path):
    assert cli("run", "-m", "ce", *FROZEN, "--quiet") == (0, "", "")
    assert cli("run", "-m", "ce", *FROZEN, "-q") == (0, "", "")
    assert len(list((tmp_path / "results" / "records").iterdir())) == 1


def test_python_gives_the_same_record(cli, features, tmp_path):
    document = cli("run", "-m", "ce+temperature", *FROZEN, "--json").document
    record = calibench.run("ce+temperature", "npz:path=features.npz", "frozen", results=tmp_path / "other")
    assert same(json.loads(json.dumps(record.to_dict()))) == same(document)
    assert record["metrics"]["ece15"] == record.metrics["ece15"]
    again = calibench.run(method="ce+temperature", dataset="npz:path=features.npz", model="frozen", seed=0)
    assert again.to_dict() == document
    with pytest.raises(calibench.InputError, match="no method called 'vtts'"):
        calibench.run("vtts", results=None)
    with pytest.raises(calibench.InputError, match="seed True is not a whole number"):
        calibench.run("ce", seed=True, results=None)


def test_changed_data_is_another_run(cli, features, tmp_path):
    first = cli("run", "-m", "ce", *FROZEN, "--json").document
    np.savez(tmp_path / "features.npz", **(features | {"head_bias": np.array([0, 0, 1], dtype=np.float32)}))
    second = cli("run", "-m", "ce", *FROZEN, "--json")
    assert "there already" not in second.err
    assert second.document["run_id"] != first["run_id"]
    assert second.document["metrics"] != first["metrics"]


def test_threads_of_one_command_are_not_those_of_the_next_test(cli, features):
    """Else whatever runs later is keyed by them, and by the order of the tests."""
    before = torch.get_num_threads()
    assert cli("run", "--threads", before + 1, *SMALL, "-m", "ce").document["machine"]["threads"] == before + 1
    assert torch.get_num_threads() == before
