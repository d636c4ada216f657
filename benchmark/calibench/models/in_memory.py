"""`run(model=...)`: a torch module that a program holds, or a function that makes one, in place of a model's name."""

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
from calibench.models.provenance import sha256_of, source_of, structure_of, weights_of, whole
from calibench.models.split_head import split_head
from calibench.plugins.params import Param
from calibench.plugins.specs import ModelSpec
from calibench.seeds import seeded

TRIED = 8
"""Training rows that a network is tried on."""

_FORMS = "give a torch.nn.Module, a function that makes one (lambda task: Net(task.num_classes)), or a model's name"


@dataclass(frozen=True, kw_only=True)
class InMemoryModel(ModelSpec):
    """A network that no plugin brought. `facts` say what it is; the weights themselves are in no record."""

    in_process: ClassVar[bool] = True
    given: Any
    trained: bool | None = None
    head: str | None = None

    def shared_params(self) -> tuple[Param, ...]:
        """It takes no checkpoint: the caller loads weights."""
        return ()

    @property
    def who(self) -> str:
        """For messages."""
        if isinstance(self.given, nn.Module):
            return f"model {type(self.given).__name__}"
        return f"model of {getattr(self.given, '__name__', type(self.given).__name__)}()"

    def load(self) -> Callable[..., Network]:
        """The builder of a copy."""
        return lambda task, **facts: self.build(task)

    def build(self, task: Task) -> Network:
        """A copy of the module, or one made by the function, tried on rows of the task and cut in two, on the CPU."""
        module = _copied(self.given, self.who) if isinstance(self.given, nn.Module) else self._made(task)
        trained = isinstance(self.given, nn.Module) or (isinstance(module, Network) and module.pretrained)
        rows = torch.from_numpy(task.train_x[:TRIED])
        with seeded(0):
            network, where = split_head(module, rows, task, self.head, self.who)
            _check_weights(network, self.who)
            network.pretrained = trained if self.trained is None else self.trained
            self._thaw(network)
            network.head_name = where
            network.origin = self._origin(network, rows)
        return network

    def _made(self, task: Task) -> nn.Module:
        try:
            made = self.given(task)
        except (Exception, SystemExit) as error:  # the user's code
            hint = "it gets the task: input_shape, num_classes, input_size, train_x"
            raise InputError(f"{self.who} failed: {type(error).__name__}: {error}", hint) from error
        if not isinstance(made, nn.Module):
            message = f"{self.who} returned a {type(made).__name__}, not a torch.nn.Module"
            raise InputError(message, "return the network")
        try:
            return _copied(made, self.who)  # it may return one module every time
        except InputError:
            if self.given(task) is made:
                raise
            return _unwrapped(made).cpu()  # type: ignore[no-any-return]

    def _thaw(self, network: Network) -> None:
        """What comes trained is free to be trained on by what says so (reinit, swag); else frozen layers stay frozen."""
        if network.pretrained:
            network.requires_grad_(True)
        elif not any(p.requires_grad for p in network.parameters()):
            raise InputError(f"{self.who} has no weights that may be trained", "trained=True takes it as it is")

    def _origin(self, network: Network, rows: torch.Tensor) -> str:
        """A digest of all that training would start from: code, weights, and what it says of rows, in both modes.

        What it says is there for code that no class's own package holds: a helper elsewhere that has changed since.
        """
        buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}  # batch norm's move in train mode
        said = []
        with torch.no_grad():
            said.append(network(rows))
            try:
                said.append(network.train()(rows))
            except Exception as error:  # the user's code
                if not network.pretrained and len(rows) > 1:  # batch norm cannot train on one row
                    message = f"{self.who} cannot be trained: {type(error).__name__}: {error}"
                    raise InputError(message, "it was tried in train mode; trained=True takes it as it is") from error
            network.eval()
            for name, buffer in network.named_buffers():
                buffer.copy_(buffers[name])
        heard = hashlib.sha256(b"".join(answers.numpy().tobytes() for answers in said)).hexdigest()
        return sha256_of(structure_of(network), str(source_of(network)), weights_of(network), heard)

    def known(self, network: Network) -> Bound:
        """This spec with what is known of the network as parameters, for the record; `sha256` stands for all of it."""
        module = whole(network)
        facts: dict[str, Any] = {
            "defined_in": type(module).__module__,
            "parameters": sum(p.numel() for p in network.parameters()),
            "head": f"{network.head_name} {type(network.head).__name__}".strip(),
            "features": network.feature_size,
            "trained": network.pretrained,
            "structure_sha256": sha256_of(structure_of(network)),
            "source_sha256": source_of(network),
            # What a function makes depends on the seed, unless it comes trained.
            "weights_sha256": weights_of(network) if network.pretrained or isinstance(self.given, nn.Module) else None,
        }
        name = type(module).__name__
        stands_for = sha256_of(name, *(f"{key}={value}" for key, value in facts.items()))[:12]
        types: dict[type, Any] = {int: "int", bool: "bool"}
        params = [
            Param("class", "str", None, "class of the network"),
            Param("sha256", "str", None, "of all that is known of the network, weights too"),
            # Facts are their own defaults, so that the text of the model stays short and the record has them all.
            *(Param(key, types.get(type(value), "str"), value, "known of the network") for key, value in facts.items()),
        ]
        spec = dataclasses.replace(self, params=tuple(params))
        return Bound(spec, {"class": name, "sha256": stands_for, **facts})


def as_model(given: Any, trained: bool | None = None, head: str | None = None) -> str | InMemoryModel | None:
    """A name as it is, a module or a function as the spec of a model called `module`; InputError for what is neither.

    A module counts as trained unless `trained=False`, then stage 1 begins at its weights; what a function `task -> module`
    makes counts as untrained unless `trained=True`. `head` names the part that makes logits of features.
    """
    for name, value, kind in (("trained", trained, bool), ("head", head, str)):
        if value is not None and not isinstance(value, kind):
            raise InputError(f"{name}={value!r} is a {type(value).__name__}, not a {kind.__name__}", "leave it out")
        if value is not None and (given is None or isinstance(given, str)):
            message = (
                f"{name}={value!r} would do nothing: it is about a module, and the model is {given or 'the default'}"
            )
            raise InputError(message, "leave it out, or give the module: run(model=net)")
    if given is None or isinstance(given, str):
        return given
    given = _unwrapped(given)
    if isinstance(given, type):
        hint = f"give {given.__name__}(...), or a function: lambda task: {given.__name__}(...)"
        raise InputError(f"model: {given.__name__} is a class", hint)
    if isinstance(given, torch.jit.ScriptModule):
        raise InputError("model: a scripted module cannot be cut in two", "give the module that it was made from")
    if not isinstance(given, nn.Module):
        _check_function(given)
    return InMemoryModel(
        name="module",
        summary="A network that the calling program gave.",
        target="calibench.models.in_memory:as_model",
        comes_trained=isinstance(given, nn.Module) if trained is None else trained,
        given=given,
        trained=trained,
        head=head,
    )


def _unwrapped(given: Any) -> Any:
    """The module inside of DataParallel, DistributedDataParallel and torch.compile."""
    while isinstance(given, nn.Module):
        if isinstance(given, nn.DataParallel | nn.parallel.DistributedDataParallel):
            given = given.module
        elif isinstance(getattr(given, "_orig_mod", None), nn.Module):
            given = given._orig_mod
        else:
            break
    return given


def _check_function(given: Any) -> None:
    if hasattr(given, "predict_proba"):
        hint = "judge what it predicts: calibench.evaluate(probs=clf.predict_proba(x), labels=y)"
        raise InputError(f"model: a {type(given).__name__} is no torch module", hint)
    if not callable(given):
        raise InputError(f"model: a {type(given).__name__} is no torch module", _FORMS)
    try:
        signature = inspect.signature(given)
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
    for name, tensor in network.state_dict().items():
        if not isinstance(tensor, torch.Tensor):
            message = f"{who} keeps a {type(tensor).__name__} beside its weights ({name})"
            raise InputError(message, "get_extra_state must return a tensor")
        if isinstance(tensor, UninitializedParameter):
            raise InputError(f"{who}: the lazy layer of {name} has never run", "remove the layer that no pass reaches")
        if tensor.is_complex() or (tensor.is_floating_point() and tensor.dtype != torch.float32):
            message = f"{who}: {name} is {str(tensor.dtype).removeprefix('torch.')}, and rows come as float32"
            raise InputError(message, "give model.float(); precision=bfloat16 is a setting of stage 1")
