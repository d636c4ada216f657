"""Checks of a model: the network that it builds for toy images."""

from __future__ import annotations

import torch

from calibench.data.prepare import prepare
from calibench.errors import InputError
from calibench.models.network import Network, Task
from calibench.seeds import seeded
from calibench.testing.any_item import Item, code_counts, documented, pickles, typed
from calibench.testing.dataset_checks import SHARES
from calibench.testing.toy import toy_arrays
from calibench.testing.verdict import Check, DoesNotApplyError, FailsError
from calibench.testing.watch import Watch, confirmed, refuse_changes, refuse_seeding

ROWS = 16


def _task() -> Task:
    return Task.of(prepare(toy_arrays(), SHARES, frozenset(), "toy data"))


def _build(item: Item, seed: int = 0) -> tuple[Network, Watch]:
    watch, own = Watch(), item.own_parameters()
    try:
        with seeded(seed):
            network = watch.call("the model", item.target, _task(), **own)
    except InputError as error:
        raise DoesNotApplyError(f"it refuses the toy data: {error.message}") from None
    if not isinstance(network, Network):
        raise FailsError(f"it returns a {type(network).__name__}", "return a calibench.Network")
    return network.eval(), watch


def _network(item: Item) -> tuple[Network, Watch]:
    built: tuple[Network, Watch] = item.shared(
        "network", lambda: confirmed(lambda: _build(item)), "the model cannot be built"
    )
    return built


def logits(item: Item) -> str:
    """Features and logits of the right shapes, all finite."""
    network, _ = _network(item)
    task = _task()
    x = torch.from_numpy(task.train_x[:ROWS])
    with torch.no_grad():
        features, scores = network.body(x), network(x)
    if features.shape != (ROWS, network.feature_size):
        raise FailsError(f"the body returns {list(features.shape)}, not [N, {network.feature_size}] features")
    if scores.shape != (ROWS, task.num_classes):
        raise FailsError(f"the head returns {list(scores.shape)}, not [N, {task.num_classes}] logits")
    if not bool(torch.isfinite(scores).all()):
        raise FailsError("logits of toy images are NaN or infinite")
    return f"{sum(p.numel() for p in network.parameters())} numbers"


def deterministic(item: Item) -> None:
    """One seed of torch builds one network, and it maps rows the same twice."""
    first, again = _network(item)[0], _build(item)[0]
    states = first.state_dict(), again.state_dict()
    differ = [name for name in states[0] if not torch.equal(states[0][name], states[1][name])]
    if differ:
        raise FailsError(f"one seed builds two networks: {differ[0]} differs")
    x = torch.from_numpy(_task().train_x[:ROWS])
    with torch.no_grad():
        if not torch.equal(first(x), first(x)):
            raise FailsError("in eval mode, two passes over the same rows differ")


def inputs_unchanged(item: Item) -> None:
    """The training rows are as before."""
    refuse_changes(_network(item)[1])


def seeds_untouched(item: Item) -> None:
    """Building it touches no global generator but torch's, which is seeded."""
    refuse_seeding(_network(item)[1])


def device_kept(item: Item) -> None:
    """The network works on the device that it is moved to."""
    network = _build(item)[0]
    device = "cuda" if torch.cuda.is_available() else "meta"
    try:
        with torch.no_grad():
            scores = network.to(device)(torch.zeros(ROWS, *_task().input_shape, device=device))
    except (RuntimeError, NotImplementedError) as error:
        if "device" in str(error) and "cpu" in str(error) and "Cannot copy" not in str(error):
            raise FailsError(f"the network mixes tensors of two devices: {str(error).splitlines()[0]}") from None
        raise DoesNotApplyError("its forward looks at values, which only a GPU can show") from None
    if scores.device.type != device:
        raise FailsError(f"on {device} it returns logits on {scores.device.type}")


def network_pickles(item: Item) -> None:
    """The network pickles."""
    pickles(_network(item)[0], "the network")


CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("logits", logits),
    Check("deterministic", deterministic, "draw weights from torch's global generator, which is seeded"),
    Check("inputs unchanged", inputs_unchanged, "work on a copy of task.train_x"),
    Check("global seeds", seeds_untouched, "draw from torch's global generator, which is seeded"),
    Check("device", device_kept, "register tensors as buffers, or make them with device=x.device"),
    Check("cache key", code_counts),
    Check("pickles", network_pickles),
)
