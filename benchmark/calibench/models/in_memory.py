"""`run(model=...)`: a torch module that a program has in memory, or a function that builds one, in place of a model's name."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from calibench.config.grammar import Bound
from calibench.errors import InputError
from calibench.models.network import Network, Task
from calibench.models.provenance import sha256_of, source_of, structure_of, user_module, weights_of
from calibench.models.split_head import split_head
from calibench.plugins.params import Param
from calibench.plugins.specs import ModelSpec
from calibench.seeds import seeded

ROWS_TRIED = 8
"""The number of training rows on which a network is tried."""

_FORMS = "give a torch.nn.Module, a function that makes one (lambda task: Net(task.num_classes)), or a model's name"


@dataclass(frozen=True, kw_only=True)
class InMemoryModel(ModelSpec):
    """The spec of a network that comes from the calling program, not from a plugin.

    `model` is a module, or a function `task -> module`. The record describes the network; it never holds the weights.
    """

    from_caller: ClassVar[bool] = True
    model: Any
    trained: bool | None = None
    head: str | None = None

    def shared_params(self) -> tuple[Param, ...]:
        """None: there is no checkpoint, since the caller loads weights."""
        return ()

    @property
    def who(self) -> str:
        """The network's name in error messages."""
        if isinstance(self.model, nn.Module):
            return f"model {type(self.model).__name__}"
        return f"model of {getattr(self.model, '__name__', type(self.model).__name__)}()"

    def load(self) -> Callable[..., Network]:
        """The function `task -> network`, which ignores all other parameters."""
        return lambda task, **params: self.build(task)

    def build(self, task: Task) -> Network:
        """The network on the CPU, tried on rows of the task and cut in two: a copy of the module, or the function's result."""
        is_module = isinstance(self.model, nn.Module)
        module = _copied(self.model, self.who) if is_module else self._call_function(task)
        comes_trained = is_module or (isinstance(module, Network) and module.pretrained)
        rows = torch.from_numpy(task.train_x[:ROWS_TRIED])
        with seeded(0):
            network, head_name = split_head(module, rows, task, self.head, self.who)
            _check_weights(network, self.who)
            network.pretrained = comes_trained if self.trained is None else self.trained
            self._unfreeze(network)
            network.head_name = head_name
            network.origin = self._origin(network, rows)
        return network

    def _call_function(self, task: Task) -> nn.Module:
        """The module that the function returns, or a copy of it, since it may return the same module each time."""
        try:
            module = self.model(task)
        except (Exception, SystemExit) as error:  # from the user's code
            hint = "it gets the task: input_shape, num_classes, input_size, train_x"
            raise InputError(f"{self.who} failed: {type(error).__name__}: {error}", hint) from error
        if not isinstance(module, nn.Module):
            message = f"{self.who} returned a {type(module).__name__}, not a torch.nn.Module"
            raise InputError(message, "return the network")
        try:
            return _copied(module, self.who)
        except InputError:
            if self.model(task) is module:
                raise
            return _unwrapped(module).cpu()  # type: ignore[no-any-return]

    def _unfreeze(self, network: Network) -> None:
        """Unfreeze a pretrained network, so that reinit and swag can train it.

        A network that stage 1 trains keeps the caller's frozen layers; InputError if all its weights are frozen.
        """
        if network.pretrained:
            network.requires_grad_(True)
        elif not any(p.requires_grad for p in network.parameters()):
            raise InputError(f"{self.who} has no weights that may be trained", "trained=True takes it as it is")

    def _origin(self, network: Network, rows: torch.Tensor) -> str:
        """SHA-256 of everything from which training would start: code, weights, and outputs on rows, in eval and train mode.

        The outputs detect a change of code outside the packages of the network's classes, such as in a helper elsewhere.
        """
        buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}  # train mode changes batch norm's
        outputs = []
        with torch.no_grad():
            outputs.append(network(rows))
            try:
                outputs.append(network.train()(rows))
            except Exception as error:  # from the user's code
                if not network.pretrained and len(rows) > 1:  # batch norm cannot train on one row
                    message = f"{self.who} cannot be trained: {type(error).__name__}: {error}"
                    raise InputError(message, "it was tried in train mode; trained=True takes it as it is") from error
            network.eval()
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])
        outputs_digest = hashlib.sha256(b"".join(logits.numpy().tobytes() for logits in outputs)).hexdigest()
        return sha256_of(structure_of(network), str(source_of(network)), weights_of(network), outputs_digest)

    def with_facts(self, network: Network) -> Bound:
        """This spec with facts about the network as parameters, for the record; `sha256` is a digest of all of them."""
        module = user_module(network)
        facts: dict[str, Any] = {
            "defined_in": type(module).__module__,
            "parameters": sum(p.numel() for p in network.parameters()),
            "head": f"{network.head_name} {type(network.head).__name__}".strip(),
            "features": network.feature_size,
            "trained": network.pretrained,
            "structure_sha256": sha256_of(structure_of(network)),
            "source_sha256": source_of(network),
            # The weights that a function makes depend on the seed, unless they come trained.
            "weights_sha256": weights_of(network) if network.pretrained or isinstance(self.model, nn.Module) else None,
        }
        name = type(module).__name__
        digest = sha256_of(name, *(f"{key}={value}" for key, value in facts.items()))[:12]
        types: dict[type, Any] = {int: "int", bool: "bool"}
        params = [
            Param("class", "str", None, "class of the network"),
            Param("sha256", "str", None, "digest of all facts about the network, its weights too"),
            # Each fact is its own default: the text of the model leaves defaults out, and the record has all of them.
            *(
                Param(key, types.get(type(value), "str"), value, "a fact about the network")
                for key, value in facts.items()
            ),
        ]
        spec = dataclasses.replace(self, params=tuple(params))
        return Bound(spec, {"class": name, "sha256": digest, **facts})


def as_model(model: Any, trained: bool | None = None, head: str | None = None) -> str | InMemoryModel | None:
    """A name or None unchanged, a module or function as the spec of a model called `module`; InputError for anything else.

    A module counts as trained unless `trained=False`: then stage 1 begins at its weights. The network that a function
    `task -> module` returns counts as untrained unless `trained=True`. `head` names the part that makes logits of features.
    """
    _check_options(model, trained, head)
    if model is None or isinstance(model, str):
        return model
    model = _unwrapped(model)
    if isinstance(model, type):
        hint = f"give {model.__name__}(...), or a function: lambda task: {model.__name__}(...)"
        raise InputError(f"model: {model.__name__} is a class", hint)
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError("model: a scripted module cannot be cut in two", "give the module that it was made from")
    if not isinstance(model, nn.Module):
        _check_function(model)
    return InMemoryModel(
        name="module",
        summary="A network that the calling program gave.",
        target="calibench.models.in_memory:as_model",
        comes_trained=isinstance(model, nn.Module) if trained is None else trained,
        model=model,
        trained=trained,
        head=head,
    )


def _check_options(model: Any, trained: bool | None, head: str | None) -> None:
    """InputError for `trained` or `head` of the wrong type, and for either beside a model's name."""
    for name, value, kind in (("trained", trained, bool), ("head", head, str)):
        if value is not None and not isinstance(value, kind):
            raise InputError(f"{name}={value!r} is a {type(value).__name__}, not a {kind.__name__}", "leave it out")
        if value is not None and (model is None or isinstance(model, str)):
            problem = f"it is for a module, and the model is {model or 'the default'}"
            message = f"{name}={value!r} would do nothing: {problem}"
            raise InputError(message, "leave it out, or give the module: run(model=net)")


def _unwrapped(model: Any) -> Any:
    """The module inside DataParallel, DistributedDataParallel and torch.compile."""
    while isinstance(model, nn.Module):
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):
            model = model._orig_mod
        else:
            break
    return model


def _check_function(function: Any) -> None:
    """InputError unless it can be called with one argument."""
    if hasattr(function, "predict_proba"):
        hint = "judge its predictions: calibench.evaluate(probs=clf.predict_proba(x), labels=y)"
        raise InputError(f"model: a {type(function).__name__} is no torch module", hint)
    if not callable(function):
        raise InputError(f"model: a {type(function).__name__} is no torch module", _FORMS)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(None)
    except TypeError as error:
        hint = "it is called with the task, as lambda task: Net(task.num_classes)"
        raise InputError(f"model: the function cannot be called with one argument ({error})", hint) from None


def _copied(module: nn.Module, who: str) -> nn.Module:
    """A copy on the CPU, so that the caller's module stays as it is."""
    module = _unwrapped(module)
    if any(p.is_meta for p in module.parameters()):
        raise InputError(f"{who} has weights on the device 'meta', which hold no numbers", "load its weights first")
    try:
        return copy.deepcopy(module).cpu()
    except Exception as error:
        message = f"{who} cannot be copied: {type(error).__name__}: {error}"
        hint = "give a function that makes it anew each time: model=make_net, trained=True"
        raise InputError(message, hint) from error


def _check_weights(network: Network, who: str) -> None:
    """InputError for weights that are no tensors, not initialised, or not float32."""
    for name, tensor in network.state_dict().items():
        if not isinstance(tensor, torch.Tensor):
            message = f"{who} keeps a {type(tensor).__name__} beside its weights ({name})"
            raise InputError(message, "get_extra_state must return a tensor")
        if isinstance(tensor, UninitializedParameter):
            raise InputError(f"{who}: the lazy layer of {name} has never run", "remove the layer that no pass reaches")
        if tensor.is_complex() or (tensor.is_floating_point() and tensor.dtype != torch.float32):
            message = f"{who}: {name} is {str(tensor.dtype).removeprefix('torch.')}, and rows come as float32"
            raise InputError(message, "give model.float(); precision=bfloat16 is a setting of stage 1")
