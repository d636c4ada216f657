"""Precision, torch.compile and channels last: what they change, what they leave in float32, and where they are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from calibench import InputError, RunError, run
from calibench.models import network
from calibench.models.network import Network
from calibench.seeds import seeded
from calibench.training import compute
from calibench.training.compute import computed
from calibench.training.prediction import predict
from calibench.training.schedule import Schedule
from calibench.training.stepper import Stepper

pytestmark = pytest.mark.usefixtures("one_thread")

SHORT: dict[str, Any] = {"model": "mlp:hidden=16", "epochs": 3, "results": None}


def convolutional() -> Network:
    with seeded(0):
        body = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return Network(body, nn.Linear(4, 3), 4)


def schedule(**changes: Any) -> Schedule:
    return Schedule(2, 0.05, 8, select="last", **changes)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_training_passes_compute_in_less_and_end_in_float32(precision: str) -> None:
    module, kinds = convolutional(), []
    module.body[0].register_forward_hook(lambda layer, given, out: kinds.append(out.dtype))
    x = torch.randn(5, 2, 6, 6)
    with computed(module, schedule(precision=precision)):
        assert module.train()(x).dtype == torch.float32
        module.eval()(x)  # what is judged is float32 throughout
    module.train()(x)
    assert kinds == [getattr(torch, precision), torch.float32, torch.float32]
    assert all(p.dtype == torch.float32 for p in module.parameters())


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_run_ends_near_the_float32_one_and_not_on_it(precision: str) -> None:
    plain = run("ce", settings=["ce.lr=0.01"], **SHORT)
    less = run("ce", settings=["ce.lr=0.01", f"ce.precision={precision}"], **SHORT)
    assert less.recipe == f"ce:epochs=3,lr=0.01,precision={precision}"
    assert less.metrics["nll"] != plain.metrics["nll"]
    assert less.metrics["nll"] == pytest.approx(plain.metrics["nll"], rel=0.05)  # type: ignore[arg-type]


def test_losses_are_given_float32_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the companions too, which are networks of their own."""
    seen = []
    cross_entropy = nn.functional.cross_entropy

    def watched(logits: torch.Tensor, *args: Any, **named: Any) -> torch.Tensor:
        seen.append((logits.dtype, torch.is_autocast_enabled("cpu")))
        return cross_entropy(logits, *args, **named)

    monkeypatch.setattr("calibench_methods.objectives.co_teaching.functional.cross_entropy", watched)
    half: set[torch.dtype] = set()
    forward = network.Network.forward

    def through(self: Network, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            half.add(self.autocast or torch.float32)
        return forward(self, x)

    monkeypatch.setattr(network.Network, "forward", through)
    run("co-teaching:rate=0.1,precision=bfloat16", **SHORT)
    assert set(seen) <= {(torch.float32, False), (torch.float64, False)}
    assert half == {torch.bfloat16}


def test_float16_steps_that_overflow_are_left_out() -> None:
    """Gradients too small for float16 survive by the scale; one that overflows moves neither the weights nor their mean."""
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(1.0)
    settings = Schedule(1, 1.0, 1, optimizer="sgd", momentum=0.0, precision="float16", ema=0.5)
    stepper = Stepper(module, [], settings, 10)
    before = stepper.scaler.get_scale()
    assert before > 1
    stepper(module.weight.sum() * torch.tensor(float("inf")))
    assert float(module.weight) == 1.0
    assert stepper.scaler.get_scale() < before
    assert stepper.mean is not None
    assert int(stepper.mean.n_averaged) == 0
    stepper(module.weight.sum() * 0.25)
    assert float(module.weight) == pytest.approx(0.75)
    assert int(stepper.mean.n_averaged) == 1


def test_clipping_sees_gradients_of_their_own_size() -> None:
    module = nn.Linear(1, 1, bias=False)
    start = float(module.weight)
    settings = Schedule(1, 1.0, 1, optimizer="sgd", momentum=0.0, precision="float16", clip_norm=0.5)
    Stepper(module, [], settings, 1)(module.weight.sum() * 3)
    assert float(module.weight) == pytest.approx(start - 0.5, abs=1e-5)


def test_a_precision_that_torch_cannot_train_in_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    class NoAutocast:
        def __init__(self, *args: Any) -> None:
            raise RuntimeError("User specified an unsupported autocast device_type")

    monkeypatch.setattr(compute.torch, "autocast", NoAutocast)
    with pytest.raises(InputError) as error:
        run("ce:precision=float16", **{**SHORT, "results": tmp_path / "r"})
    assert "cannot train with it on cpu" in error.value.message
    assert "unsupported autocast" in error.value.message
    assert not (tmp_path / "r").exists()


def test_channels_last_lies_so_in_training_alone() -> None:
    module, x = convolutional(), torch.randn(5, 2, 6, 6)
    lain = []
    module.body[0].register_forward_hook(
        lambda layer, given, out: lain.append(out.is_contiguous(memory_format=torch.channels_last))
    )
    with computed(module, schedule(channels_last=True)):
        inside = module(x)
    assert torch.allclose(inside, module(x), atol=1e-5)
    assert lain == [True, False]
    assert module.body[0].weight.is_contiguous()


def test_channels_last_ends_near_where_it_would() -> None:
    given = {**SHORT, "model": "cnn:width=4", "settings": ["ce.lr=0.01"]}
    plain = run("ce", **given)
    last = run("ce:channels_last=true", **given)
    assert last.metrics["nll"] == pytest.approx(plain.metrics["nll"], rel=1e-2)  # type: ignore[arg-type]


def test_channels_last_without_a_convolution_is_refused() -> None:
    with pytest.raises(InputError, match="does nothing to model 'mlp': it has no convolution"):
        run("ce:channels_last=true", **SHORT)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The rows of each compiled pass, by the quick backend that compiles nothing: what is tested is where it is used."""
    seen: list[int] = []
    plain = torch.compile

    def quick(function: Any) -> Any:
        made = plain(function, backend="eager")

        def call(x: torch.Tensor) -> torch.Tensor:
            seen.append(len(x))
            found: torch.Tensor = made(x)
            return found

        return call

    monkeypatch.setattr(torch, "compile", quick)
    yield seen
    torch.compiler.reset()


def test_compile_is_of_the_body_in_training_passes_alone(compiled: list[int]) -> None:
    module, x = convolutional(), torch.randn(5, 2, 6, 6)
    plain = predict(module, x)
    with computed(module, schedule(compile=True)):
        assert torch.equal(predict(module, x), plain)
        assert compiled == []
        inside = module.train()(x)
        assert compiled == [5]
        assert list(module.state_dict()) == list(convolutional().state_dict())
    assert torch.allclose(module.train()(x), inside, atol=1e-5)
    assert compiled == [5]


def test_a_compiled_run_from_the_command_line_and_python(compiled: list[int], cli: Any, tmp_path: Any) -> None:
    ran = cli("run", "-m", "ce:ema=0.5", "--compile", "--model", "mlp:hidden=8", "--epochs", "2", "--json")
    assert ran.code == 0, ran.err
    assert sum(compiled) == 2 * ran.document["n"]["train"]
    assert ran.document["recipe"] == "ce:epochs=2,ema=0.5,compile=true"
    given: dict[str, Any] = {"model": "mlp:hidden=8", "epochs": 2, "compile": True, "results": tmp_path / "results"}
    assert run("ce:ema=0.5", **given).run_id == ran.document["run_id"]
    assert run("ce:ema=0.5+temperature", **given).cache["hits"] == ["stage1"]


def test_a_compiler_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import BackendCompilerFailed

    def failing(function: Any) -> Any:
        def call(x: torch.Tensor) -> torch.Tensor:
            raise BackendCompilerFailed("inductor", RuntimeError("no g++"), None)  # type: ignore[no-untyped-call]

        return call

    monkeypatch.setattr(torch, "compile", failing)
    with pytest.raises(RunError) as error:
        run("ce", compile=True, **SHORT)
    assert "torch.compile failed" in error.value.message
    assert "C++ compiler" in error.value.hint


def test_compile_with_a_network_that_is_given_trained_is_refused(features: Any, tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"so ce\.compile would do nothing"):
        run("ce", f"npz:path={tmp_path / 'features.npz'}", "frozen", compile=True, results=None)


def test_settings_at_their_default_leave_old_names_and_documents_alone() -> None:
    from calibench.config.resolve import resolve

    late = {"augment", "precision", "compile", "channels_last"}
    config = resolve("ce")
    assert not late & config.document()["stages"][0]["params"].keys()
    assert resolve("ce:precision=float32,compile=false").run_id("d") == config.run_id("d")
    said = resolve("ce:precision=bfloat16,compile=true,channels_last=true,augment=flip")
    assert late <= said.document()["stages"][0]["params"].keys()
