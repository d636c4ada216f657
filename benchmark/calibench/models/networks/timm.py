"""`timm`: any image network of the timm library, with fresh weights, weights from a file, or those in the Hugging Face cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench import models
from calibench.errors import InputError
from calibench.lazy import nn, torch
from calibench.models import layers
from calibench.models.networks.parameters import SCALING
from calibench.models.timm_weights import config_of, load_results, refuse_misfits, starting_weights
from calibench.models.vision_import import torchvision_operators
from calibench.plugins.params import REQUIRED, Param
from calibench.plugins.specs import ModelSpec

if TYPE_CHECKING:
    from calibench.models.network import Network, Task

SPEC = ModelSpec(
    name="timm",
    target=f"{__name__}:timm",
    summary="Any image network of the timm library, as name=resnet18 or name=vit_tiny_patch16_224; extra vision.",
    params=(
        Param(
            "name",
            "str",
            REQUIRED,
            "the network as timm.list_models() lists it, with or without a tag of weights",
        ),
        Param(
            "pretrained",
            "str",
            "false",
            "weights to start from: false, a FILE, or true: the library's own if they are cached",
        ),
        Param(
            "img_size",
            "int",
            None,
            "inputs are resized to this side; not set: the network is built for the data's size",
            "pixels",
            minimum=8,
            maximum=1024,
        ),
        Param("patch_size", "int", None, "side of a patch, for networks with patches", "pixels", minimum=1),
        Param(
            "dropout",
            "float",
            0.0,
            "share of features set to 0 in training",
            "fraction",
            minimum=0,
            maximum=0.95,
        ),
        Param(
            "scale",
            "str",
            "timm",
            "scaling of inputs: by the mean and std of the network's weights, by those of the training rows, or none",
            choices=("timm", "train", "none"),
        ),
        *SCALING[1:],
    ),
    paper="R. Wightman, PyTorch Image Models, 2019, doi:10.5281/zenodo.4414861",
    deviations=("the range of x tells 0..1 from 0..255; for grey images, mean and std are averaged over the colours",),
)


def timm(  # noqa: PLR0913 - a keyword for each parameter of the SPEC
    task: Task,
    name: str,
    pretrained: str,
    img_size: int | None,
    patch_size: int | None,
    dropout: float,
    scale: str,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> Network:
    """The network `name` for the data's channels and classes; its last linear layer is the head, everything else the body.

    `pretrained` is `false`, a file of weights, or `true`: the library's own file, if the Hugging Face or torch cache has
    it; nothing is downloaded. The weights' last layer is used if it has the task's number of classes, else the last layer
    is fresh. `img_size` resizes inputs; if it is not set, the network is built for the data's own size. `scale` is `timm`
    (the mean and std of the inputs on which the weights were trained; for grey images their mean over colours), `train`
    (those of the training rows) or `none`; the range of x tells 0..1 from 0..255. InputError for a name that the library
    does not have, for weights that do not fit, and for a network that does not end in a linear layer.
    """
    library = _import()
    channels, height, width = models.image_shape("timm", task, 2)
    size = (height, width) if img_size is None else (img_size, img_size)
    config = config_of(library, name)
    weights, origin = starting_weights(config, name, pretrained)
    settings: dict[str, Any] = {"num_classes": task.num_classes, "in_chans": channels}
    settings |= {} if patch_size is None else {"patch_size": patch_size}
    if weights is not None:
        overlay: dict[str, Any] = {"state_dict": weights}
        if (last := weights.get(f"{config.classifier}.weight")) is not None:
            overlay["num_classes"] = len(last)
            origin += ", with its last layer" if len(last) == task.num_classes else ", its last layer fresh"
        settings |= {"pretrained": True, "pretrained_cfg_overlay": overlay}
    with load_results() as results:
        model = _build(library, name, settings, size)
    if weights is not None:
        refuse_misfits(results, config, f"{pretrained} does not fit timm's {name!r}")
    probe = torch.linspace(-1, 1, 2 * channels * size[0] * size[1]).view(2, channels, *size)
    head = _take_head(model, probe, name)
    scaling = _scaling(task, config, scale, mean, std)
    _prepare_inputs(model, layers.Prepared(None if size == (height, width) else size, scaling))
    if dropout:
        _drop_features(model, dropout)
    network = models.Network(model, head, head.in_features)
    network.origin = f"timm {library.__version__}{origin}"
    return network


def _import() -> Any:
    """The library; InputError with the command to install it if it is missing."""
    try:
        torchvision_operators()
        import timm as library
    except ImportError as error:
        message = f"model timm needs the library of that name ({error})"
        raise InputError(message, 'pip install "calibench[vision]"') from None
    return library


def _build(library: Any, name: str, settings: dict[str, Any], size: tuple[int, int]) -> Any:
    """The library's network, for inputs of `size` if it must know their size."""
    for size_option in ({"img_size": size}, {}):
        try:
            return library.create_model(name, **settings, **size_option)
        except TypeError as error:
            if size_option and "img_size" in str(error):  # most networks take any size
                continue
            if "patch_size" in str(error):
                message = f"timm's {name!r} has no patches: patch_size={settings['patch_size']} would do nothing"
                raise InputError(message, "leave it out") from None
            raise InputError(
                f"timm cannot build {name!r} with these settings: {error}", "try another network"
            ) from None
        except (AssertionError, RuntimeError, ValueError, KeyError) as error:
            reason = _one_line(error) or type(error).__name__
            message = f"timm cannot build {name!r} for images of {size[0]} x {size[1]}: {reason}"
            hint = "patch_size must divide the size; img_size=224 resizes; weights must fit"
            raise InputError(message, hint) from None
    raise AssertionError(name)


def _one_line(error: Exception) -> str:
    """The first 300 characters of an error's message."""
    return " ".join(str(error).split())[:300]


def _take_head(model: Any, probe: torch.Tensor, name: str) -> nn.Linear:
    """Take the last linear layer off the network and return it; InputError unless it computes the logits, tried on `probe`."""
    head = model.get_classifier()
    if not isinstance(head, nn.Linear):
        message = f"timm's {name!r} does not end in one linear layer, but in {type(head).__name__}"
        raise InputError(message, "two-stage methods need features and a linear head; use another network")
    model.eval()
    weight = head.weight.detach().clone()
    try:
        with torch.no_grad():
            # A head of zeros would agree with any features.
            head.weight.normal_(generator=torch.Generator().manual_seed(0))
            logits = model(probe)
            model.reset_classifier(0)
            features = model(probe)
            agree = features.ndim == 2 and torch.allclose(head(features), logits, rtol=1e-4, atol=1e-4)
            head.weight.copy_(weight)
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        shape = " x ".join(map(str, probe.shape[1:]))
        message = f"timm's {name!r} does not take images of {shape}: {_one_line(error)}"
        hint = "img_size=64 resizes them; patch_size must divide the size; or use another network"
        raise InputError(message, hint) from None
    if not agree:
        message = (
            f"timm's {name!r} without its classifier does not return the features from which it computes its logits"
        )
        raise InputError(message, "use another network")
    model.train()
    return head


def _prepare_inputs(model: nn.Module, prepared: nn.Module) -> None:
    """Run `prepared` before the network, in a hook, so that the weights keep their names in the library."""
    model.add_module("prepared", prepared)
    model.register_forward_pre_hook(_prepare)


def _prepare(model: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (model.get_submodule("prepared")(args[0]),)


def _drop_features(model: nn.Module, dropout: float) -> None:
    """Run dropout after the network, as a module and not as a function: mc-dropout looks for modules."""
    model.add_module("feature_dropout", nn.Dropout(dropout))
    model.register_forward_hook(_drop)


def _drop(model: nn.Module, args: tuple[torch.Tensor, ...], features: torch.Tensor) -> Any:
    return model.get_submodule("feature_dropout")(features)


def _scaling(
    task: Task, config: Any, scale: str, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> nn.Module:
    """The layer that scales inputs, by `mean` and `std` if they are set, else as `scale` says."""
    if mean is not None or std is not None or scale != "timm":
        return models.scaling("timm", task, scale != "none", mean, std)
    low, high = float(task.train_x.min()), float(task.train_x.max())
    mean, std = _mean_and_std(config, models.channels_of(task))
    if low < 0 or high > 255:
        message = f"model timm: x runs from {low:g} to {high:g}, neither 0..1 nor 0..255"
        raise InputError(message, "scale=train takes mean and std of the training rows; or give mean and std")
    unit = 1.0 if high <= 1 else 255.0
    return models.FixedScale(tuple(unit * number for number in mean), tuple(unit * number for number in std))


def _mean_and_std(config: Any, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std, one number a channel, of the inputs on which the weights were trained, in units of 0..1."""
    mean, std = (tuple(getattr(config, key, None) or ()) for key in ("mean", "std"))
    if channels == 1 and mean and std:
        mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)
    if not len(mean) == len(std) == channels:
        message = f"model timm: the network's own mean and std are not for images of {channels} channels"
        raise InputError(message, "scale=train takes those of the training rows; or give mean and std")
    return mean, std
