"""`calibench bench kernels`: the document, the table, and refused options."""

from __future__ import annotations

import json
import sys

import pytest

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning"),
]

CONTENDER = {
    *("name", "note", "peer", "error", "scale", "n", "calls", "median_s", "quartiles_s", "samples_s"),
    *("floor_ratio", "ours_ratio", "agrees", "differences", "figures", "memory"),
}


@pytest.mark.slow
def test_the_document(cli, tmp_path):
    options = ("--op", "calibration_stats", "--shape", "300x5", "--dtype", "float32", "--contender", "torch eager")
    result = cli("bench", "kernels", *options, "--repeats", 3, "--json", "--output", "deep/out.json", "--threads", 1)
    assert result.code == 0, result.err
    document = result.document
    assert json.loads((tmp_path / "deep/out.json").read_text()) == document
    assert document["schema"] == "calibench.bench/1"
    assert {"python", "torch", "torchmetrics", "netcal", "scikit-learn"} <= set(document["versions"])
    machine = document["machine"]
    assert machine["threads"] == 1
    assert {"processor", "cores", "device", "kernels", "instruction_sets", "torch_instruction_set"} <= set(machine)
    assert set(document["noise"]) == {"load_before", "load_after", "steal", "others"}
    (entry,) = document["cases"]
    check_entry(entry)


def check_entry(entry):
    assert (entry["op"], entry["rows"], entry["columns"], entry["dtype"]) == ("calibration_stats", 300, 5, "float32")
    assert entry["score_bytes"] == 300 * 5 * 4
    floor = entry["floor"]
    assert floor["bytes_per_s"] == pytest.approx(6000 / floor["median_s"])
    ours, eager = entry["contenders"]
    assert [ours["name"], eager["name"]] == ["ours", "torch eager"]
    for contender in (ours, eager):
        check_contender(contender, ours, floor)
    assert ours["ours_ratio"] == 1.0
    assert eager["figures"]["nll"] == pytest.approx(ours["figures"]["nll"], abs=1e-6)


def check_contender(contender, ours, floor):
    assert set(contender) == CONTENDER
    assert contender["n"] == len(contender["samples_s"]) == 3
    low, high = contender["quartiles_s"]
    assert 0 < low <= contender["median_s"] <= high
    assert contender["floor_ratio"] == pytest.approx(contender["median_s"] / floor["median_s"])
    assert contender["ours_ratio"] == pytest.approx(contender["median_s"] / ours["median_s"])
    assert contender["agrees"] is True
    assert set(contender["figures"]) == {"ece", "mce", "accuracy", "nll", "brier"}
    assert set(contender["memory"]) == {"extra_bytes", "returned_bytes", "reason", "share_of_scores"}


@pytest.mark.slow
def test_the_table_has_units_and_says_what_was_scaled(cli):
    some = ("--op", "bootstrap_bins", "--shape", "200x100", "--no-memory", "--contender", "numpy, binned once")
    result = cli("bench", "kernels", *some, "--repeats", 3)
    assert result.code == 0, result.err
    for word in ("median ms", "quartiles ms", "x floor", "x ours", "extra MiB", "load average before"):
        assert word in result.out
    assert "numpy, binned once: 50 resamples timed, scaled to 100" in result.out
    assert cli("bench", "kernels", *some, "--repeats", 1, "-q")[1:] == ("", "")


@pytest.mark.parametrize(
    ("args", "says", "hint"),
    [
        (("--op", "calibration_stat"), "no op 'calibration_stat'", "did you mean 'calibration_stats'?"),
        (("--dtype", "float23"), "no dtype 'float23'", "did you mean 'float32'?"),
        (("--contender", "torch eagre"), "no contender 'torch eagre'", "did you mean 'torch eager'?"),
        (("--contender", "netcal"), "takes part only with --peers", "--peers"),
        (("--shape", "50000"), "'50000' is no shape", "50000x1000"),
        (("--shape", "0x3"), "'0x3' is no shape", "at least 1"),
        (("--device", "tpu"), "cannot benchmark on 'tpu'", "cpu"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options_are_refused(args, says, hint, refused):
    refused("bench", "kernels", *args, "--output", "out/file.json", says=says, hint=hint)


def test_missing_peers_are_named_before_anything_runs(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "netcal", None)
    monkeypatch.setitem(sys.modules, "sklearn.frozen", None)
    says = "--peers needs netcal and scikit-learn"
    refused("bench", "kernels", "--peers", says=says, hint='pip install "calibench[peers]"')
