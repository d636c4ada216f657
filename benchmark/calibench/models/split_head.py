"""A user's network cut in two: what makes features, and the last linear layer, or what the user names as the head."""

from __future__ import annotations

import torch
from torch import nn

from calibench.errors import InputError, did_you_mean
from calibench.models.network import Network, Task

_OWN = "or give calibench.Network(body, head, feature_size), cut by hand"
_RTOL, _ATOL = 1e-4, 1e-5
"""How far two ways to the same logits may differ; they sum in the same order, so that mostly they are equal to the bit."""


class _ReachedHead(BaseException):
    """Ends a pass of the network where its head begins."""

    def __init__(self, features: torch.Tensor) -> None:
        super().__init__()
        self.features = features


class _HeadBegins(nn.Module):
    """Stands where the head stood."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        raise _ReachedHead(features)


class Body(nn.Module):
    """Features `[N, D]`: what the network would hand to its head. What it does after its head is not done."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A pass up to the head."""
        try:
            self.network(x)
        except _ReachedHead as reached:
            return reached.features
        raise InputError("the network answered without its head", f"name another, as head='fc'; {_OWN}")


def split_head(module: nn.Module, x: torch.Tensor, task: Task, head: str | None, who: str) -> tuple[Network, str]:
    """`module`, which is changed, as a Network in eval mode, and where its head was; `x [n, ...]` are rows to try it on.

    The head is the linear layer that runs last. A softmax or log-softmax after it is left out, since the logits say the
    same; of several labels a row, so is a sigmoid. Raises InputError, naming `who`, for what fails on these rows, does not
    make the task's number of logits, or answers anything else than its head's logits.
    """
    module.eval()
    answers, ran = _tried(module, x, who)
    _check_answers(answers, task, who)
    if isinstance(module, Network):
        if head is not None:
            raise InputError(f"{who} is cut in two already, so head={head!r} would do nothing", "leave it out")
        name, network = "head", Network(module.body, module.head, module.feature_size)
    else:
        name = _find(module, ran, head, who)
        network = _cut(module, name)
    _check_cut(network, x, answers, name, who, task.labels_per_sample > 1)
    return network.eval(), name


def _tried(module: nn.Module, x: torch.Tensor, who: str) -> tuple[torch.Tensor, list[str]]:
    """Its answers, and the linear layers that ran, in order; InputError if it cannot take these rows, or draws lots."""
    ran: list[str] = []
    names = {id(part): name for name, part in module.named_modules()}
    hooks = [
        part.register_forward_hook(lambda layer, *_: ran.append(names[id(layer)]))
        for part in module.modules()
        if isinstance(part, nn.Linear)
    ]
    try:
        with torch.no_grad():
            answers = module(x)
            once = list(ran)
            again = module(x)
            part = module(x[: len(x) // 2]) if len(x) > 3 else None
    except Exception as error:  # the user's code
        shown = f"[{', '.join(map(str, ('N', *x.shape[1:])))}]"
        hint = (
            "rows come as float32, in the order (rows, channels, height, width) of torch; the error above says the rest"
        )
        raise InputError(f"{who} fails on rows {shown} of the data: {type(error).__name__}: {error}", hint) from error
    finally:
        for hook in hooks:
            hook.remove()
    if isinstance(answers, torch.Tensor) and not torch.equal(answers, again) and bool(torch.isfinite(answers).all()):
        message = f"{who} answers the same rows differently in eval mode, from one call to the next"
        hint = "torch.nn.functional.dropout draws unless it gets training=self.training; mc-dropout samples nn.Dropout"
        raise InputError(message, hint)
    if isinstance(part, torch.Tensor) and isinstance(answers, torch.Tensor) and part.shape[1:] == answers.shape[1:]:
        same = torch.allclose(part, answers[: len(part)], rtol=_RTOL, atol=_ATOL, equal_nan=True)
        if len(part) == len(x) // 2 and not same:
            message = f"what {who} says of a row depends on the rows beside it, in eval mode"
            raise InputError(message, "batch norm needs its running statistics (track_running_stats=True)")
    return answers, once


def _check_answers(answers: object, task: Task, who: str) -> None:
    if not isinstance(answers, torch.Tensor):
        message = f"{who} answers with a {type(answers).__name__}, not with a tensor of logits"
        raise InputError(message, "wrap it in a module whose forward returns the logits [N, K]")
    if answers.ndim != 2:
        raise InputError(f"{who} answers with shape {list(answers.shape)}", "return logits [N, K], one row a sample")
    wanted = task.num_classes
    if answers.shape[1] != wanted:
        many = task.labels_per_sample > 1
        message = (
            f"{who} has {answers.shape[1]} outputs, and the data has {wanted} {'labels a row' if many else 'classes'}"
        )
        hint = f"its last layer must have {wanted}"
        if not many:
            hint += f", one a class; labels run from 0 to {wanted - 1}"
        if answers.shape[1] == 1:
            hint += "; a single sigmoid is two logits: torch.cat([torch.zeros_like(z), z], dim=1)"
        raise InputError(message, hint)
    if not torch.isfinite(answers).all():
        raise InputError(f"{who} answers with NaN or infinity", "check its weights, and the scale of the data")


def _find(module: nn.Module, ran: list[str], head: str | None, who: str) -> str:
    parts = dict(module.named_modules())
    linear = [name for name in ran if name] or ([""] if isinstance(module, nn.Linear) else [])
    if head is None:
        if not linear:
            raise InputError(
                f"{who} runs no linear layer, so nothing can be its head", f"name one, as head='fc'; {_OWN}"
            )
        head = linear[-1]
    elif head not in parts or not head:
        names = linear + [name for name, _ in module.named_children()]
        raise InputError(f"{who} has no part called {head!r}", did_you_mean(head, names))
    if ran.count(head) > 1:
        raise InputError(f"{who}: its last linear layer {head!r} runs more than once a pass", f"name the head; {_OWN}")
    return head


def _cut(module: nn.Module, name: str) -> Network:
    if not name:
        return Network(nn.Identity(), module, module.in_features)  # type: ignore[arg-type]
    parent, _, leaf = name.rpartition(".")
    place = module.get_submodule(parent)
    head = module.get_submodule(name)
    setattr(place, leaf, _HeadBegins())
    return Network(Body(module), head, 0)


def _check_cut(network: Network, x: torch.Tensor, answers: torch.Tensor, name: str, who: str, many: bool) -> None:
    """The two halves say what the whole said; sets the size of the features."""
    with torch.no_grad():
        try:
            features = network.body(x)
            logits = network.head(features)
        except Exception as error:  # the user's code, which may look into its head or call it in another way
            what = error.message if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            raise InputError(
                f"{who} cannot be cut at {name!r}: {what}", f"name the head, as head='fc'; {_OWN}"
            ) from error
    if features.ndim != 2 or len(features) != len(x):
        message = f"{who}: what goes into {name!r} has shape {list(features.shape)}, not [N, D]"
        raise InputError(message, f"name a head that takes one vector of features a row; {_OWN}")
    if network.feature_size not in {0, features.shape[1]}:
        message = f"{who}: feature_size is {network.feature_size}, and its body makes {features.shape[1]} features"
        raise InputError(message, f"calibench.Network(body, head, {features.shape[1]})")
    network.feature_size = features.shape[1]
    same = logits.shape == answers.shape and any(
        torch.allclose(said, answers, rtol=_RTOL, atol=_ATOL)
        for said in (logits, *([logits.sigmoid()] if many else [logits.log_softmax(1), logits.softmax(1)]))
    )
    if not same:
        left_out = "sigmoid" if many else "softmax"
        message = f"{who}: its answers are not what {name!r} puts out, nor the {left_out} of it"
        raise InputError(message, f"return the head's logits as they are, or name the head, as head='fc'; {_OWN}")
