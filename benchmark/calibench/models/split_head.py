"""Cut a user's network in two: the head, its last linear layer or the part that the user names, and the body before it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from calibench.errors import InputError, did_you_mean
from calibench.models.network import Network, Task

_CUT_BY_HAND = "or give calibench.Network(body, head, feature_size), cut by hand"
_RTOL, _ATOL = 1e-4, 1e-5
"""The allowed difference of two ways to the same logits; they sum in the same order, so mostly they are equal to the bit."""


class _ReachedHead(BaseException):
    """Ends a pass of the network where its head begins."""

    def __init__(self, features: torch.Tensor) -> None:
        super().__init__()
        self.features = features


class _HeadBegins(nn.Module):
    """Takes the head's place in the body."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        raise _ReachedHead(features)


class Body(nn.Module):
    """Features `[N, D]`: the input that the network passes to its head. The rest of the network is skipped."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A pass up to the head."""
        try:
            self.network(x)
        except _ReachedHead as reached:
            return reached.features
        raise InputError("the network returned without its head", f"name another, as head='fc'; {_CUT_BY_HAND}")


def split_head(module: nn.Module, x: torch.Tensor, task: Task, head: str | None, who: str) -> tuple[Network, str]:
    """`module`, which is changed, as a Network in eval mode, and the name of its head; `x [n, ...]` are rows to try it on.

    The head is the linear layer that runs last, unless `head` names another part. A softmax or log-softmax after it is
    left out, since the logits determine it; with several labels a row, so is a sigmoid. Raises InputError, naming `who`,
    if the network fails on these rows, if it does not return the task's number of logits, or if its outputs are not its
    head's logits.
    """
    module.eval()
    outputs, linear_layers = _try_out(module, x, who)
    _check_outputs(outputs, task, who)
    if isinstance(module, Network):
        if head is not None:
            raise InputError(f"{who} is already cut in two, so head={head!r} would do nothing", "leave it out")
        name, network = "head", Network(module.body, module.head, module.feature_size)
    else:
        name = _find_head(module, linear_layers, head, who)
        network = _cut(module, name)
    _check_cut(network, x, outputs, name, who, task.labels_per_sample > 1)
    return network.eval(), name


def _try_out(module: nn.Module, x: torch.Tensor, who: str) -> tuple[Any, list[str]]:
    """The outputs, of any type, and the names of the linear layers that ran, in order.

    InputError if the network fails on these rows, if its outputs are random, or if a row's output depends on other rows.
    """
    ran: list[str] = []
    names = {id(part): name for name, part in module.named_modules()}
    hooks = [
        part.register_forward_hook(lambda layer, *_: ran.append(names[id(layer)]))
        for part in module.modules()
        if isinstance(part, nn.Linear)
    ]
    try:
        with torch.no_grad():
            outputs = module(x)
            linear_layers = list(ran)
            again = module(x)
            half = module(x[: len(x) // 2]) if len(x) > 3 else None
    except Exception as error:  # from the user's code
        shape = f"[{', '.join(map(str, ('N', *x.shape[1:])))}]"
        message = f"{who} fails on rows {shape} of the data: {type(error).__name__}: {error}"
        hint = "rows come as float32, images in torch's order (rows, channels, height, width); the error says the rest"
        raise InputError(message, hint) from error
    finally:
        for hook in hooks:
            hook.remove()
    if isinstance(outputs, torch.Tensor):
        _check_repeatable(outputs, again, who)
        _check_rows_alone(outputs, half, len(x) // 2, who)
    return outputs, linear_layers


def _check_repeatable(outputs: torch.Tensor, again: torch.Tensor, who: str) -> None:
    if not torch.equal(outputs, again) and bool(torch.isfinite(outputs).all()):
        message = f"{who} returns different outputs for the same rows in eval mode, from one call to the next"
        hint = "torch.nn.functional.dropout draws unless it gets training=self.training; mc-dropout samples nn.Dropout"
        raise InputError(message, hint)


def _check_rows_alone(outputs: torch.Tensor, half: Any, rows: int, who: str) -> None:
    """InputError if the first `rows` rows have other outputs in a batch of their own."""
    if not isinstance(half, torch.Tensor) or half.shape[1:] != outputs.shape[1:] or len(half) != rows:
        return
    if not torch.allclose(half, outputs[:rows], rtol=_RTOL, atol=_ATOL, equal_nan=True):
        message = f"{who}: the outputs of a row depend on the rows beside it, in eval mode"
        raise InputError(message, "batch norm needs its running statistics (track_running_stats=True)")


def _check_outputs(outputs: object, task: Task, who: str) -> None:
    if not isinstance(outputs, torch.Tensor):
        message = f"{who} returns a {type(outputs).__name__}, not a tensor of logits"
        raise InputError(message, "wrap it in a module whose forward returns the logits [N, K]")
    if outputs.ndim != 2:
        raise InputError(f"{who} returns shape {list(outputs.shape)}", "return logits [N, K], one row a sample")
    count, expected = outputs.shape[1], task.num_classes
    if count != expected:
        several_labels = task.labels_per_sample > 1
        noun = "labels a row" if several_labels else "classes"
        hint = f"its last layer must have {expected}"
        if not several_labels:
            hint += f", one a class; labels run from 0 to {expected - 1}"
        if count == 1:
            hint += "; a single sigmoid is two logits: torch.cat([torch.zeros_like(z), z], dim=1)"
        raise InputError(f"{who} has {count} outputs, and the data has {expected} {noun}", hint)
    if not torch.isfinite(outputs).all():
        raise InputError(f"{who} returns NaN or infinity", "check its weights, and the scale of the data")


def _find_head(module: nn.Module, linear_layers: list[str], head: str | None, who: str) -> str:
    """The name of the head: `head` if it is a part of the module, else the linear layer that ran last."""
    parts = dict(module.named_modules())
    candidates = [name for name in linear_layers if name] or ([""] if isinstance(module, nn.Linear) else [])
    if head is None:
        if not candidates:
            message = f"{who} runs no linear layer, so nothing can be its head"
            raise InputError(message, f"name one, as head='fc'; {_CUT_BY_HAND}")
        head = candidates[-1]
    elif head not in parts or not head:
        names = candidates + [name for name, _ in module.named_children()]
        raise InputError(f"{who} has no part called {head!r}", did_you_mean(head, names))
    if linear_layers.count(head) > 1:
        message = f"{who}: its last linear layer {head!r} runs more than once a pass"
        raise InputError(message, f"name the head; {_CUT_BY_HAND}")
    return head


def _cut(module: nn.Module, name: str) -> Network:
    if not name:
        return Network(nn.Identity(), module, module.in_features)  # type: ignore[arg-type]
    parent, _, leaf = name.rpartition(".")
    place = module.get_submodule(parent)
    head = module.get_submodule(name)
    setattr(place, leaf, _HeadBegins())
    return Network(Body(module), head, 0)


def _check_cut(
    network: Network, x: torch.Tensor, outputs: torch.Tensor, name: str, who: str, several_labels: bool
) -> None:
    """Set the size of the features; InputError unless body and head together give the whole network's outputs."""
    with torch.no_grad():
        try:
            features = network.body(x)
            logits = network.head(features)
        except Exception as error:  # from the user's code, which may look into its head or call it in another way
            reason = error.message if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            message = f"{who} cannot be cut at {name!r}: {reason}"
            raise InputError(message, f"name the head, as head='fc'; {_CUT_BY_HAND}") from error
    if features.ndim != 2 or len(features) != len(x):
        message = f"{who}: the input of {name!r} has shape {list(features.shape)}, not [N, D]"
        raise InputError(message, f"name a head that takes one vector of features a row; {_CUT_BY_HAND}")
    if network.feature_size not in {0, features.shape[1]}:
        message = f"{who}: feature_size is {network.feature_size}, and its body computes {features.shape[1]} features"
        raise InputError(message, f"calibench.Network(body, head, {features.shape[1]})")
    network.feature_size = features.shape[1]
    if not _is_form_of(logits, outputs, several_labels):
        function = "sigmoid" if several_labels else "softmax"
        message = f"{who}: its outputs are neither those of {name!r} nor their {function}"
        hint = f"return the head's logits as they are, or name the head, as head='fc'; {_CUT_BY_HAND}"
        raise InputError(message, hint)


def _is_form_of(logits: torch.Tensor, outputs: torch.Tensor, several_labels: bool) -> bool:
    """True if `outputs` are the logits, their softmax or log-softmax, or with several labels a row their sigmoid."""
    if logits.shape != outputs.shape:
        return False
    forms = (logits, logits.sigmoid()) if several_labels else (logits, logits.log_softmax(1), logits.softmax(1))
    return any(torch.allclose(form, outputs, rtol=_RTOL, atol=_ATOL) for form in forms)
