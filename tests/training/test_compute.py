"""Precision, torch.compile and channels last: what they change, what stays float32, and where they are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from calibench import InputError, RunError, run
from calibench.models.network import Network
from calibench.seeds import seeded
from calibench.training.compute import compute_settings
from calibench.training.prediction import predict
from calibench.training.schedule import Schedule
from calibench.training.stepper import Stepper

SHORT: dict[str, Any] = {"model": "mlp:hidden=16", "epochs": 3, "results": None}


def convolutional() -> Network:
    with seeded(0):
        body = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return Network(body, nn.Linear(4, 3), 4)


def schedule(**changes: Any) -> Schedule:
    return Schedule(2, 0.05, 8, select="last", **changes)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_training_passes_compute_in_a_smaller_type_and_end_in_float32(precision: str) -> None:
    module, types = convolutional(), []
    module.body[0].register_forward_hook(lambda layer, args, out: types.append(out.dtype))
    x = torch.randn(5, 2, 6, 6)
    with compute_settings(module, schedule(precision=precision)):
        assert module.train()(x).dtype == torch.float32
        module.eval()(x)  # judged outputs are float32 throughout
    module.train()(x)
    assert types == [getattr(torch, precision), torch.float32, torch.float32]
    assert all(p.dtype == torch.float32 for p in module.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_run_ends_near_the_float32_one_and_not_on_it(precision: str) -> None:
    plain = run("ce", settings=["ce.lr=0.01"], **SHORT)
    rounded = run("ce", settings=["ce.lr=0.01", f"ce.precision={precision}"], **SHORT)
    assert rounded.recipe == f"ce:epochs=3,lr=0.01,precision={precision}"
    assert rounded.metrics["nll"] != plain.metrics["nll"]
    assert rounded.metrics["nll"] == pytest.approx(plain.metrics["nll"], rel=0.05)  # type: ignore[arg-type]


def test_losses_are_computed_from_float32_logits(watch: Any) -> None:
    """Those of the companions too, which are networks of their own."""
    run("pair:precision=bfloat16", **{**SHORT, "model": "watched"})
    assert watch.logits == {(torch.float32, False)}
    assert watch.types(training=True) == {torch.bfloat16}
    assert watch.types(training=False) == {torch.float32}


def test_float16_steps_that_overflow_are_skipped() -> None:
    """Gradients too small for float16 survive by the scale; one that overflows moves neither the weights nor their mean."""
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(1.0)
    settings = Schedule(1, 1.0, 1, optimizer="sgd", momentum=0.0, precision="float16", ema=0.5)
    stepper = Stepper(module, [], settings, 10)
    before = stepper.scaler.get_scale()
    assert before > 1
    stepper(module.weight.sum() * torch.tensor(float("inf")))
    assert module.weight.item() == 1.0
    assert stepper.scaler.get_scale() < before
    assert stepper.mean is not None
    assert int(stepper.mean.n_averaged) == 0
    stepper(module.weight.sum() * 0.25)
    assert module.weight.item() == pytest.approx(0.75)
    assert int(stepper.mean.n_averaged) == 1


def test_clipping_sees_gradients_of_their_own_size() -> None:
    module = nn.Linear(1, 1, bias=False)
    start = module.weight.item()
    settings = Schedule(1, 1.0, 1, optimizer="sgd", momentum=0.0, precision="float16", clip_norm=0.5)
    Stepper(module, [], settings, 1)(module.weight.sum() * 3)
    assert module.weight.item() == pytest.approx(start - 0.5, abs=1e-5)


def test_a_precision_that_torch_cannot_train_in_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    class NoAutocast:
        def __init__(self, *args: Any) -> None:
            raise RuntimeError("User specified an unsupported autocast device_type")

    monkeypatch.setattr(torch, "autocast", NoAutocast)
    with pytest.raises(InputError) as error:
        run("ce:precision=float16", **{**SHORT, "results": tmp_path / "r"})
    assert "cannot train with it on cpu" in error.value.message
    assert "unsupported autocast" in error.value.message
    assert not (tmp_path / "r").exists()


def test_memory_has_channels_last_only_in_training() -> None:
    module, x = convolutional(), torch.randn(5, 2, 6, 6)
    channels_last = []
    module.body[0].register_forward_hook(
        lambda layer, args, out: channels_last.append(out.is_contiguous(memory_format=torch.channels_last))
    )
    with compute_settings(module, schedule(channels_last=True)):
        inside = module(x)
    assert torch.allclose(inside, module(x), atol=1e-5)
    assert channels_last == [True, False]
    assert module.body[0].weight.is_contiguous()


@pytest.mark.slow
def test_a_run_with_channels_last_ends_near_the_one_without() -> None:
    options = {**SHORT, "model": "cnn:width=2", "settings": ["ce.lr=0.01"]}
    plain = run("ce", **options)
    last = run("ce:channels_last=true", **options)
    assert last.metrics["nll"] == pytest.approx(plain.metrics["nll"], rel=1e-2)  # type: ignore[arg-type]


def test_channels_last_without_a_convolution_is_refused() -> None:
    with pytest.raises(InputError, match="does nothing to model 'mlp': it has no convolution"):
        run("ce:channels_last=true", **SHORT)


@pytest.fixture
def compiled_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The rows of each compiled pass. A quick backend compiles nothing: the tests are about where compiled code runs."""
    rows: list[int] = []
    plain = torch.compile

    def quick(function: Any) -> Any:
        compiled = plain(function, backend="eager")

        def call(x: torch.Tensor) -> torch.Tensor:
            rows.append(len(x))
            features: torch.Tensor = compiled(x)
            return features

        return call

    monkeypatch.setattr(torch, "compile", quick)
    yield rows
    torch.compiler.reset()


@pytest.mark.slow
def test_only_the_body_is_compiled_and_only_for_training(compiled_rows: list[int]) -> None:
    module, x = convolutional(), torch.randn(5, 2, 6, 6)
    plain = predict(module, x)
    with compute_settings(module, schedule(compile=True)):
        assert torch.equal(predict(module, x), plain)
        assert compiled_rows == []
        inside = module.train()(x)
        assert compiled_rows == [5]
        assert list(module.state_dict()) == list(convolutional().state_dict())
    assert torch.allclose(module.train()(x), inside, atol=1e-5)
    assert compiled_rows == [5]


@pytest.mark.slow
def test_a_compiled_run_from_the_command_line_and_python(compiled_rows: list[int], cli: Any, tmp_path: Any) -> None:
    ran = cli("run", "-m", "ce:ema=0.5", "--compile", "--model", "mlp:hidden=8", "--epochs", "2", "--json")
    assert ran.code == 0, ran.err
    assert sum(compiled_rows) == 2 * ran.document["n"]["train"]
    assert ran.document["recipe"] == "ce:epochs=2,ema=0.5,compile=true"
    options: dict[str, Any] = {"model": "mlp:hidden=8", "epochs": 2, "compile": True, "results": tmp_path / "results"}
    assert run("ce:ema=0.5", **options).run_id == ran.document["run_id"]
    assert run("ce:ema=0.5+temperature", **options).cache["hits"] == ["stage1"]


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


def test_compile_is_refused_for_a_network_that_comes_trained(features: Any, tmp_path: Any) -> None:
    with pytest.raises(InputError, match=r"so ce\.compile would do nothing"):
        run("ce", f"npz:path={tmp_path / 'features.npz'}", "frozen", compile=True, results=None)
