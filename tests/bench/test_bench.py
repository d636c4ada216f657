"""The benchmark itself: turns, budgets, agreement, memory, the document. Clocks are faked: no test here depends on speed."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from functools import partial

import pytest
import torch

import calibench.kernels
from calibench.bench import agreement, memory, noise, output, peers, runner, suite
from calibench.bench.case import FLOOR, OURS, Case, Contender, Op
from calibench.bench.inputs import TEMPERATURE, classifier
from calibench.bench.ops import OPS

CPU = torch.device("cpu")
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning"),
]


class Clock:
    """Time passes only where a contender says so; calls are written down."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def takes(self, name, seconds, answer=1.0):
        def run(x, y):
            self.now += seconds
            self.calls.append(name)
            return {"figure": answer}

        return run


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(runner.time, "perf_counter", clock)
    return clock


def toy(*contenders, tolerance=1e-3):
    """A case of 4 x 3 with these contenders."""
    limits = {"figure": tolerance}
    op = Op(
        "toy", "a figure", ((4, 3),), (torch.float32,), classifier, lambda s: contenders, lambda s: limits, "figure"
    )
    return Case(op, (4, 3), torch.float32, CPU)


def timed(case, rounds=4, budget=5.0):
    return runner.time_case(case, case.inputs(), case.op.contenders(case.shape), rounds, budget)


# Turns


def test_each_round_runs_everyone_once_in_rotated_order():
    assert list(runner.schedule(4, [4, 4, 4])) == [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]


@pytest.mark.parametrize(("rounds", "counts"), [(20, [20, 7, 1, 3, 0]), (5, [5, 5]), (3, [1, 2, 3, 3])])
def test_the_schedule_keeps_its_counts_and_spreads_them(rounds, counts):
    turns = list(runner.schedule(rounds, counts))
    assert len(turns) == rounds
    for i, count in enumerate(counts):
        at = [r for r, turn in enumerate(turns) if i in turn]
        assert len(at) == count == sum(turn.count(i) for turn in turns)
        gaps = {b - a for a, b in itertools.pairwise(at)}
        assert not gaps or max(gaps) - min(gaps) <= 1


def test_calls_are_interleaved_and_warm_ups_are_not_timed(clock):
    cold = iter([7.0])  # the first call of all takes this long

    def first_is_slow(x, y):
        clock.now += next(cold, 0.0)
        return clock.takes("a", 1.0)(x, y)

    case = toy(Contender("a", first_is_slow), Contender("b", clock.takes("b", 1.0)))
    a, b = timed(case)
    assert a.seconds == b.seconds == [1.0] * 4
    assert "".join(clock.calls[-8:]) == "abbaabba"


def test_a_contender_beyond_the_budget_gets_fewer_rounds(clock):
    times = {"fast": 0.125, "slow": 1.0, "slower": 2.5, "slowest": 9.0}
    found = timed(toy(*(Contender(n, clock.takes(n, s)) for n, s in times.items())), rounds=20, budget=5.0)
    assert [len(timing.seconds) for timing in found] == [20, 5, 3, 1]
    assert [timing.quartiles is None for timing in found] == [False, False, False, True]
    assert found[3].median == 9.0


def test_a_short_call_is_repeated_and_averaged(clock):
    (timing,) = timed(toy(Contender("short", clock.takes("short", 2**-12))))
    assert timing.calls == 205  # 50 ms / 0.244 ms, rounded up
    assert timing.seconds == [2**-12] * 4


def test_a_part_of_the_work_is_scaled(clock):
    (timing,) = timed(toy(Contender("part", clock.takes("part", 0.5), scale=20.0)))
    assert timing.median == 10.0
    assert timing.quartiles == (10.0, 10.0)
    assert timing.seconds == [0.5] * 4


def test_what_is_too_slow_is_warmed_up_on_less(clock):
    seen = []

    def slow(x, y):
        seen.append(tuple(x.shape))
        clock.now += x.numel()  # 12 s on the case
        return {"figure": 1.0}

    (timing,) = timed(toy(Contender("slow", slow, warm=(2, 1))))
    assert seen == [(2, 1), (2, 1), (4, 3)]
    assert timing.seconds == [12.0]
    assert timing.figures == {"figure": 1.0}


def test_one_that_fails_does_not_stop_the_rest(clock):
    def broken(x, y):
        raise RuntimeError("no such thing")

    ours, bad = timed(toy(Contender(OURS, clock.takes("ours", 1.0)), Contender("bad", broken)))
    assert len(ours.seconds) == 4
    assert bad.seconds == []
    assert bad.median is None
    assert bad.error.startswith("RuntimeError: no such thing (test_bench.py:")


# Agreement


def test_distances_of_numbers_counts_and_arrays():
    ours = {"a": 0.5, "p": torch.tensor([1, 2, -1, 4]), "c": torch.tensor([0.25, 0.5])}
    theirs = {"a": 0.75, "p": torch.tensor([1, 2, 3, 4]), "c": torch.tensor([0.25, 0.625], dtype=torch.float64)}
    found = agreement.compare(theirs, ours, {"a": 0.25, "p": 0.2, "c": 0.1, "absent": 0.0})
    assert [(d.figure, d.difference, d.accepted) for d in found] == [
        ("a", 0.25, True),
        ("p", 0.25, False),
        ("c", 0.125, False),
    ]


@pytest.mark.parametrize("theirs", [float("nan"), float("inf"), torch.tensor([1.0, 1.0]), torch.tensor([float("nan")])])
def test_what_cannot_be_compared_is_not_accepted(theirs):
    ours = 1.0 if isinstance(theirs, float) else torch.tensor([1.0])
    assert not agreement.compare({"a": theirs}, {"a": ours}, {"a": 1e9})[0].accepted


def test_a_wrong_answer_is_shown_and_its_speed_is_not_compared(clock, monkeypatch, capsys):
    case = toy(
        Contender(OURS, clock.takes("ours", 2.0)),
        Contender("right", clock.takes("right", 6.0, answer=1.0005)),
        Contender("wrong", clock.takes("wrong", 1.0, answer=1.5)),
        Contender("nan", clock.takes("nan", 1.0, answer=float("nan"))),
    )
    monkeypatch.setattr(suite, "OPS", {"toy": case.op})
    document = suite.run(suite.Options(repeats=3, memory=False), lambda *progress: None)
    (entry,) = document["cases"]
    ours, right, wrong, nan = entry["contenders"]
    assert (right["agrees"], right["ours_ratio"]) == (True, 3.0)
    assert (wrong["agrees"], wrong["ours_ratio"], wrong["median_s"]) == (False, None, 1.0)
    assert wrong["differences"] == [{"figure": "figure", "difference": 0.5, "tolerance": 1e-3, "accepted": False}]
    assert ours["figures"] == {"figure": 1.0}
    assert (nan["agrees"], nan["ours_ratio"], nan["figures"]) == (False, None, {"figure": None})
    json.dumps(document, allow_nan=False)
    from calibench.cli.output import stdout

    for table in output.tables(document):
        stdout().print(table)
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "! wrong differs from ours on 4 x 3 float32: figure by 0.5, accepted is 0.001; its speed is not compared"
        in shown
    )
    assert "1.5 (differs by 5.0e-01) !" in shown
    assert "! nan differs from ours on 4 x 3 float32: figure beyond comparison" in shown
    assert "! right" not in shown


@pytest.fixture
def traced(monkeypatch):
    """torch.compile without code generation, which takes seconds a function; a graph break is an error."""
    plain = torch.compile
    monkeypatch.setattr(torch, "compile", partial(plain, backend="eager", fullgraph=True))
    modules = {sys.modules[contender.run.__module__] for contender in _compiled()}
    for module in modules:
        module._compile.cache_clear()
    yield
    for module in modules:
        module._compile.cache_clear()
    torch.compiler.reset()


def _compiled():
    return [c for op in OPS.values() for c in op.contenders((8, 8)) if c.compiled]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", OPS)
def test_everyone_answers_as_we_do(name, dtype, traced):
    for module in ("torchmetrics", "netcal"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    case = Case(OPS[name], (600, 12), dtype, CPU)
    floor, ours, *others = runner.time_case(case, case.inputs(), case.contenders(peers=True), rounds=1, budget=1e-9)
    assert (floor.contender.name, ours.contender.name) == (FLOOR, OURS)
    assert [timing.error for timing in (floor, ours, *others)] == [None] * (2 + len(others))
    assert set(case.op.tolerance(case.shape)) >= {case.op.headline}
    tolerance = case.op.tolerance(case.shape)
    wrong = set()
    for timing in others:
        found = agreement.compare(timing.figures, ours.figures, tolerance)
        assert {d.figure for d in found} == set(tolerance), timing.contender.name
        if not all(d.accepted for d in found):
            wrong.add(timing.contender.name)
    # The published settings stop far from the optimum; 600 rows in float32 do not tell T to five digits.
    assert wrong <= {"torch L-BFGS, as published", "torch L-BFGS, at most 50", "scikit-learn, float32"}


def test_the_tensors_have_the_temperature_that_they_claim():
    x, y = classifier((20_000, 20), torch.float32, CPU)
    assert torch.equal(x, classifier((20_000, 20), torch.float32, CPU)[0])
    assert y.bincount(minlength=20).min() == 1000
    scaled = x.double() / TEMPERATURE
    nll = [float(torch.nn.functional.cross_entropy(scaled * b, y)) for b in (0.95, 1.0, 1.05)]
    assert nll[1] < min(nll[0], nll[2])
    confidence = x.softmax(1).amax(1)
    assert ((confidence * 15).ceil().long().bincount()[3:] > 0).all()


# Memory

TEMPORARIES = """
import json, numpy as np, torch
from calibench.bench.memory import peak_extra
x = torch.randn(20000, 64)
torch.set_num_threads(2)
array = x.numpy()
cases = {
    "none": lambda n: x[:n].sum(),
    "torch": lambda n: (x[:n] * 2).sum(),
    "numpy": lambda n: (array[:n] * 2).sum(),
    "freed": lambda n: torch.empty(n, 64).fill_(1).mean(),
    "returned": lambda n: x[:n] * 2,
    "twice": lambda n: (x[:n] * 2, x[:n] + 1),
}
for call in cases.values():
    call(256)
uses = {name: peak_extra(lambda: call(20000)) for name, call in cases.items()}
print(json.dumps({name: (use.extra_bytes, use.returned_bytes) for name, use in uses.items()}))
"""
MATRIX = 20_000 * 64 * 4


def in_child(script):
    ended = subprocess.run(
        [sys.executable, "-c", script], env=memory.child_environment(), capture_output=True, text=True, check=True
    )
    return json.loads(ended.stdout.splitlines()[-1])


needs_high_water_mark = pytest.mark.skipif(
    memory.peak_extra(lambda: None).extra_bytes is None, reason="this system does not reset VmHWM"
)


@needs_high_water_mark
def test_a_temporary_as_large_as_the_logits_is_seen():
    uses = in_child(TEMPORARIES)
    less, more = memory.resolution(2), 1 << 19  # code that is loaded on the way counts too
    assert uses["none"][0] <= more
    for name, matrices in {"torch": 1, "numpy": 1, "freed": 1, "returned": 1, "twice": 2}.items():
        assert matrices * MATRIX - less <= uses[name][0] <= matrices * MATRIX + more, (name, uses[name])
    assert {name: use[1] for name, use in uses.items()} == {
        **dict.fromkeys(("none", "torch", "numpy", "freed"), 4),
        **{"returned": MATRIX, "twice": 2 * MATRIX},
    }


OURS_ALONE = """
import json, torch
from calibench.bench.case import Case
from calibench.bench.memory import peak_extra
from calibench.bench.ops import OPS
uses = {}
for op in OPS.values():
    case = Case(op, (20000, 64), torch.float32, torch.device("cpu"))
    ours = case.contenders(peers=False)[1]
    inputs = case.inputs()
    ours.run(*case.inputs(case.warm_shape(ours)))
    use = peak_extra(lambda: ours.run(*inputs))
    uses[op.name] = use.extra_bytes, use.returned_bytes
print(json.dumps(uses))
"""


@needs_high_water_mark
@pytest.mark.skipif(calibench.kernels.backend("cpu") == "reference", reason="the reference does hold blocks of [N, K]")
def test_no_kernel_of_ours_holds_a_matrix():
    """O(N + K x bins): 20 000 x 64 float32 are 4.9 MiB, what a call returns beside its [N, K] sets at most .3."""
    for name, (extra, returned) in in_child(OURS_ALONE).items():
        assert extra - returned <= MATRIX // 4, name


@needs_high_water_mark
def test_contenders_are_measured_in_another_process():
    case = Case(OPS["softmax_threshold"], (20_000, 64), torch.float32, CPU)
    eager, missing = case.contenders(peers=False)[2], Contender("unheard of", print)
    found = memory.measure(case, [eager, missing])
    assert found["torch eager"].extra_bytes >= MATRIX - memory.resolution(1)
    assert found["torch eager"].returned_bytes == 20_000 * (8 + 4)
    assert found["unheard of"].extra_bytes is None
    assert "ended with 0" in found["unheard of"].reason


def test_a_system_without_a_high_water_mark_says_so(monkeypatch):
    monkeypatch.setattr(memory, "VM_RSS", "NoSuchField:")
    use = memory.peak_extra(lambda: 1)
    assert use.extra_bytes is None
    assert "does not reset its high-water mark" in use.reason


# The command

CONTENDER = {
    *("name", "note", "peer", "error", "scale", "n", "calls", "median_s", "quartiles_s", "samples_s"),
    *("floor_ratio", "ours_ratio", "agrees", "differences", "figures", "memory"),
}


def test_the_document(cli, tmp_path):
    few = ("--shape", "300x5", "--dtype", "float32", "--repeats", 3, "--contender", "torch eager")
    ran = cli(
        "bench", "kernels", "--op", "calibration_stats", *few, "--json", "--output", "deep/out.json", "--threads", 1
    )
    assert ran.code == 0, ran.err
    document = ran.document
    assert json.loads((tmp_path / "deep/out.json").read_text()) == document
    assert document["schema"] == "calibench.bench/1"
    assert {"python", "torch", "torchmetrics", "netcal", "scikit-learn"} <= set(document["versions"])
    machine = document["machine"]
    assert machine["threads"] == 1
    assert {"processor", "cores", "device", "kernels", "instruction_sets", "torch_instruction_set"} <= set(machine)
    assert set(document["noise"]) == {"load_before", "load_after", "steal", "others"}
    (entry,) = document["cases"]
    assert (entry["op"], entry["rows"], entry["columns"], entry["dtype"]) == ("calibration_stats", 300, 5, "float32")
    assert entry["score_bytes"] == 300 * 5 * 4
    floor = entry["floor"]
    assert floor["bytes_per_s"] == pytest.approx(6000 / floor["median_s"])
    ours, eager = entry["contenders"]
    assert [ours["name"], eager["name"]] == ["ours", "torch eager"]
    for contender in (ours, eager):
        assert set(contender) == CONTENDER
        assert contender["n"] == len(contender["samples_s"]) == 3
        low, high = contender["quartiles_s"]
        assert 0 < low <= contender["median_s"] <= high
        assert contender["floor_ratio"] == pytest.approx(contender["median_s"] / floor["median_s"])
        assert contender["ours_ratio"] == pytest.approx(contender["median_s"] / ours["median_s"])
        assert contender["agrees"] is True
        assert set(contender["figures"]) == {"ece", "mce", "accuracy", "nll", "brier"}
        assert set(contender["memory"]) == {"extra_bytes", "returned_bytes", "reason", "share_of_scores"}
    assert ours["ours_ratio"] == 1.0
    assert eager["figures"]["nll"] == pytest.approx(ours["figures"]["nll"], abs=1e-6)


def test_the_table_has_units_and_says_what_was_scaled(cli):
    some = ("--op", "bootstrap_bins", "--shape", "200x100", "--no-memory", "--contender", "numpy, binned once")
    ran = cli("bench", "kernels", *some, "--repeats", 3)
    assert ran.code == 0, ran.err
    for word in ("median ms", "quartiles ms", "x floor", "x ours", "extra MiB", "load average before"):
        assert word in ran.out
    assert "numpy, binned once: 50 resamples timed, scaled to 100" in ran.out
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
def test_refused(args, says, hint, refused):
    refused("bench", "kernels", *args, "--output", "out/file.json", says=says, hint=hint)


def test_missing_peers_are_named_before_anything_runs(refused, monkeypatch):
    monkeypatch.setitem(peers.MODULES, "netcal", "no_such_netcal")
    monkeypatch.setitem(peers.MODULES, "scikit-learn", "no_such_sklearn.frozen")
    says = "--peers needs netcal and scikit-learn"
    refused("bench", "kernels", "--peers", says=says, hint='pip install "calibench[peers]"')


# How busy the machine was


def test_shares_of_time():
    start = noise.Ticks(total=100.0, idle=40.0, steal=1.0, own=5.0)
    end = noise.Ticks(total=120.0, idle=50.0, steal=2.0, own=9.0)
    assert noise.between(start, end) == {"steal": 0.05, "others": 0.25}  # of 20 s: 1 stolen, 9 busy, 4 of them ours
    assert noise.between(None, end) == noise.between(end, end) == {"steal": None, "others": None}


def test_a_reading_of_this_machine():
    ticks = noise.ticks()
    if ticks is None:
        pytest.skip("no /proc/stat")
    assert ticks.total > ticks.idle >= 0
    assert ticks.own > 0
