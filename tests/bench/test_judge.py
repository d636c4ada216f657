"""`calibench bench judge`: inputs, contenders, document, scaling and tables."""

from __future__ import annotations

import io
import json
import re
import warnings

import numpy as np
import pytest
import torch
from bench_toys import CPU, toy
from rich.console import Console

from calibench.bench import agreement, judge, judge_table, memory
from calibench.bench.case import FLOOR, OURS, Case, Contender
from calibench.bench.inputs import TEMPERATURE, trained_network
from calibench.bench.memory import MemoryUse, bytes_in
from calibench.bench.ops import JUDGE
from calibench.bench.suite import Options
from calibench.metrics.load import load_metrics

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning"),
]

MIB = 1 << 20
OP = JUDGE["judge"]


@pytest.mark.parametrize(("rows", "classes"), [(20_000, 2), (20_000, 10), (5_000, 100), (1_000, 1000)])
def test_the_logits_are_those_of_a_trained_network(rows, classes):
    x, y = trained_network((rows, classes), torch.float32, CPU)
    again = trained_network((rows, classes), torch.float32, CPU)
    assert torch.equal(x, again[0])
    assert torch.equal(y, again[1])
    p = x.double().softmax(1)
    assert 0.8 < float((p.argmax(1) == y).double().mean()) < 0.95
    assert float(p.amax(1).mean()) - float((p.argmax(1) == y).double().mean()) > 0.01
    scaled = x.double() / TEMPERATURE
    nll = [float(torch.nn.functional.cross_entropy(scaled * b, y)) for b in (0.9, 1.0, 1.1)]
    assert nll[1] < min(nll[0], nll[2])


@pytest.mark.parametrize(
    ("shape", "timed"), [((10_000, 2), (1000, 1000, 1000)), ((1_000_000, 10), (2, 30, 200)), ((10**9, 9), (2, 2, 2))]
)
def test_a_call_draws_fewer_resamples_of_more_samples(shape, timed):
    contenders = {c.name: c for c in OP.contenders(shape)}
    scaled = [contenders[f"{name}bootstrap"] for name in ("torchmetrics + ", "netcal ECE + ", "scipy.stats.")]
    assert [c.run.keywords["resamples"] for c in scaled] == list(timed)
    assert [c.scale for c in scaled] == [1001 / (1 + t) for t in timed]
    assert contenders[OURS].scale == contenders["torchmetrics five"].scale == 1


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "dtype"), [((600, 12), torch.float32), ((300, 2), torch.bfloat16)], ids=str)
def test_the_figures_of_all_contenders_are_ours(shape, dtype):
    for module in ("torchmetrics", "netcal"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    case = Case(OP, shape, dtype, CPU)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # peers warn on every call
        results = {c.name: (c, c.run(*case.inputs())) for c in case.contenders(peers=True)}
    answers = {name: contender.figures(result) for name, (contender, result) in results.items() if name != FLOOR}
    five = {"ece", "mce", "accuracy", "nll", "brier"}
    assert {name: set(figures) for name, figures in answers.items()} == {
        OURS: five,
        "torchmetrics five": five,
        "torchmetrics + bootstrap": five,
        "netcal ECE + bootstrap": {"ece"},
        "scipy.stats.bootstrap": {"accuracy"},
    }
    for name, figures in answers.items():
        differences = agreement.compare(figures, answers[OURS], OP.tolerance(shape))
        assert len(differences) == len(figures)
        assert all(d.accepted for d in differences), (name, differences)
    judgement = results[OURS][1]
    assert set(judgement.metrics) <= set(load_metrics())
    assert len(judgement.replicates["nll"]) == 1000
    assert judgement.verdict.calibrated
    for name in set(answers) - {OURS, "torchmetrics five"}:
        bootstrap = results[name][1]
        assert set(bootstrap.intervals) == set(bootstrap.figures)
        for low, high in bootstrap.intervals.values():
            assert low < high


def test_the_arrays_of_a_judgement_are_counted():
    bootstrap = memory.MemoryUse(1, 2)
    assert bytes_in(bootstrap) == 0
    assert bytes_in(MemoryUse(np.zeros(3), {"a": [torch.zeros(2)]})) == 24 + 8


@pytest.mark.slow
def test_the_document(cli, tmp_path):
    options = ("--shape", "300x5", "--repeats", 3, "--threads", 1, "--json", "--output", "deep/out.json")
    result = cli("bench", "judge", *options)
    assert result.code == 0, result.err
    document = result.document
    assert json.loads((tmp_path / "deep/out.json").read_text()) == document
    assert document["schema"] == "calibench.bench-judge/1"
    assert document["scaling"] is None
    assert document["memory_promise"] == {"constant_bytes": 64 * MIB, "bytes_per_sample": 64}
    assert {"machine", "versions", "noise", "memory_resolution_bytes", "created"} <= set(document)
    (entry,) = document["cases"]
    assert (entry["op"], entry["rows"], entry["columns"], entry["dtype"]) == ("judge", 300, 5, "float32")
    (ours,) = entry["contenders"]
    assert (ours["name"], ours["n"], ours["scale"], ours["error"], ours["agrees"]) == (OURS, 3, 1.0, None, True)
    assert ours["median_s"] > entry["floor"]["median_s"] > 0
    used = ours["memory"]
    if used["reason"] is None:
        assert used["extra_bytes"] > used["returned_bytes"] > 8000
        assert used["extra_bytes_per_sample"] == max(0, used["extra_bytes"] - 64 * MIB) / 300


@pytest.fixture
def toy_judge(monkeypatch, clock):
    """The op of `bench judge` with contenders of known time and memory: ours takes 1 us for a score, and 2 at K = 8."""

    def ours(x, y):
        clock.now += x.numel() * (2e-6 if x.shape[1] == 8 else 1e-6)
        return {"figure": 1.0}

    peer = Contender("part", clock.takes("part", 0.5, answer=1.0005), peer=True, scale=20.0, note="half of it")
    case = toy(Contender(OURS, ours), peer, Contender("wrong", clock.takes("wrong", 0.1, answer=2.0), peer=True))
    monkeypatch.setattr(judge, "JUDGE", {"judge": case.op})
    monkeypatch.setattr(judge, "SCALING", {"N": ((100, 4), (1000, 4)), "K": ((100, 2), (100, 4), (100, 8))})
    uses = {OURS: MemoryUse(64 * MIB + 6400, 8), "part": MemoryUse(MIB, 8), "wrong": MemoryUse(None, None, "no mark")}
    monkeypatch.setattr(memory, "measure", lambda case, contenders: {c.name: uses[c.name] for c in contenders})


def test_memory_for_each_sample_begins_beyond_the_constant(toy_judge):
    document = judge.run(Options(shapes=((100, 4),), peers=True, repeats=1))
    ours, part, wrong = (contender["memory"] for contender in document["cases"][0]["contenders"])
    assert ours["extra_bytes_per_sample"] == 64
    assert part["extra_bytes_per_sample"] == 0
    assert wrong["extra_bytes_per_sample"] is None


@pytest.mark.slow
def test_scaling_shows_the_growth_of_time_and_of_scores(toy_judge):
    calls = []
    document = judge.run(
        Options(shapes=((10, 4),), peers=True, repeats=1),
        lambda what, done, total, note: calls.append(what),
        scaling=True,
    )
    assert list(dict.fromkeys(calls)) == [f"toy {s} float32" for s in ("10x4", "100x4", "1000x4", "100x2", "100x8")]
    assert document["options"]["scaling"] is True
    n, k = document["scaling"]["N"], document["scaling"]["K"]
    assert [(row["rows"], row["columns"]) for row in n + k] == [(100, 4), (1000, 4), (100, 2), (100, 4), (100, 8)]
    assert [row["growth_scores"] for row in n + k] == [None, 10, None, 2, 2]
    assert [row["growth_time"] for row in n + k] == pytest.approx([None, 10, None, 2, 4])
    assert k[0]["median_s"] == pytest.approx(200e-6)
    json.dumps(document, allow_nan=False)
    console = console_of()
    console.print(judge_table.scaling_table(document))
    growth = [line.split() for line in console.file.getvalue().splitlines() if " x " in line]
    assert ["1000", "x", "4", "1", "0.00400", "4.00", "1000.0", "10", "10"] in growth


def console_of(width=120):
    return Console(file=io.StringIO(), width=width, highlight=False)


def test_the_table_says_what_was_scaled_and_what_differs(toy_judge):
    document = judge.run(Options(shapes=((100, 4),), peers=True, repeats=1))
    console = console_of()
    console.print(judge_table.cases_table(document, console)[0])
    text = console.file.getvalue()
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.startswith("    ") and line.strip()}
    # n, median and quartiles, scale, x floor (which takes no time here), x ours, difference, memory
    assert rows["ours"][1:3] == ["1", "0.000400"]
    assert rows["part"][1:4] == ["1", "10.0", "-"]
    assert rows["part"][4:] == ["20.0", "-", "25000", "0.0005", "1.0", "0.0"]
    assert rows["wrong"][-5:] == ["-", "1", "!", "-", "-"]
    assert "part: half of it" in text
    assert "! wrong differs from ours on 100 x 4 float32: figure by 1" in text
    assert "wrong, memory on 100 x 4 float32: no mark" in text


def test_a_narrow_terminal_leaves_columns_out(toy_judge):
    document = judge.run(Options(shapes=((100, 4),), peers=True, repeats=1))
    for width, left_out in {120: 0, 90: 2, 72: 4, 20: 4}.items():
        console = console_of(width)
        table, names = judge_table.cases_table(document, console)
        assert len(names) == left_out, width
        console.print(table)
        text = console.file.getvalue()
        assert ("…" in text) == (width == 20)
        assert not set(names) & set(re.split(r"\s{2,}", text.splitlines()[1]))


@pytest.mark.slow
def test_the_command_prints_legend_and_table(cli):
    result = cli("bench", "judge", "--shape", "200x3", "--repeats", 1, "--no-memory")
    assert result.code == 0, result.err
    for word in ("load average before", "median s", "B/sample", "at most 64 are promised of ours", "200 x 3 float32"):
        assert word in result.out
    assert cli("bench", "judge", "--shape", "200x3", "--repeats", 1, "--no-memory", "-q")[1:] == ("", "")


@pytest.mark.parametrize(
    ("args", "says", "hint"),
    [
        (("--dtype", "float23"), "no dtype 'float23'", "did you mean 'float32'?"),
        (("--contender", "torchmetrics fife"), "no contender 'torchmetrics fife'", "did you mean 'torchmetrics five'?"),
        (("--contender", "netcal ECE + bootstrap"), "takes part only with --peers", "--peers"),
        (("--shape", "10000 x 10"), "'10000 x 10' is no shape", "50000x1000"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options_are_refused(args, says, hint, refused):
    refused("bench", "judge", *args, "--output", "out/file.json", says=says, hint=hint)
