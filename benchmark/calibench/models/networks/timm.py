"""`timm`: any image network of the timm library, with fresh weights, those of a file, or those in the Hugging Face cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench import models
from calibench.errors import InputError
from calibench.lazy import nn, torch
from calibench.models import layers
from calibench.models.networks.parameters import SCALING
from calibench.models.timm_weights import config_of, loading, refuse_misfits, weights_of
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
            "the network, as timm.list_models() has it, with a tag of weights or without",
        ),
        Param(
            "pretrained",
            "str",
            "false",
            "weights to begin with: false, a FILE, or true: the library's own, where they are cached already",
        ),
        Param(
            "img_size",
            "int",
            None,
            "side that inputs are resized to; not set: built for the data's size",
            "pixels",
            minimum=8,
            maximum=1024,
        ),
        Param("patch_size", "int", None, "side of a patch, of networks that have some", "pixels", minimum=1),
        Param("dropout", "float", 0.0, "before the last layer, in training", "fraction", minimum=0, maximum=0.95),
        Param(
            "scale",
            "str",
            "timm",
            "how inputs are scaled: the network's own mean and std, those of the training rows, or not at all",
            choices=("timm", "train", "none"),
        ),
        *SCALING[1:],
    ),
    paper="R. Wightman, PyTorch Image Models, 2019, doi:10.5281/zenodo.4414861",
    deviations=("x is taken for 0..1 or 0..255 by its range; of grey images mean and std are means over colours",),
)


def timm(
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
    """The network `name` for the data's channels and classes: all but its last linear layer is the body, that is the head.

    `pretrained` is `false`, a file of weights, or `true`: the library's own file where the Hugging Face or torch cache has
    it; nothing is downloaded. A last layer of as many classes is taken too, one for others left fresh. `img_size` resizes
    inputs; not set, the network is built for the data's own size. `scale` is `timm` (the mean and std that the weights were
    trained with; of grey images their mean over colours), `train` (those of the training rows) or `none`; x is taken for
    0..1 or 0..255 by its range. InputError for a name that the library has not, for weights that do not fit, and
    for a network that does not end in a linear layer.
    """
    library = _import()
    channels, height, width = models.image_shape("timm", task, 2)
    config = config_of(library, name)
    weights, origin = weights_of(config, name, pretrained)
    size = (height, width) if img_size is None else (img_size, img_size)
    settings: dict[str, Any] = {"num_classes": task.num_classes, "in_chans": channels}
    settings |= {} if patch_size is None else {"patch_size": patch_size}
    if weights is not None:
        overlay: dict[str, Any] = {"state_dict": weights}
        if (last := weights.get(f"{config.classifier}.weight")) is not None:
            overlay["num_classes"] = len(last)
            origin += ", with its last layer" if len(last) == task.num_classes else ", its last layer fresh"
        settings |= {"pretrained": True, "pretrained_cfg_overlay": overlay}
    with loading() as loaded:
        model = _built(library, name, settings, size)
    if weights is not None:
        refuse_misfits(loaded, config, f"{pretrained} does not fit timm's {name!r}")
    head = _split(model, torch.linspace(-1, 1, 2 * channels * size[0] * size[1]).view(2, channels, *size), name)
    model.add_module(
        "prepared", layers.Prepared(None if size == (height, width) else size, _scale(task, config, scale, mean, std))
    )
    model.register_forward_pre_hook(_prepare)
    if dropout:  # as a module, where the library has a function: mc-dropout looks for it
        model.add_module("feature_dropout", nn.Dropout(dropout))
        model.register_forward_hook(_drop)
    network = models.Network(model, head, head.in_features)
    network.origin = f"timm {library.__version__}{origin}"
    return network


def _prepare(model: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Before the library's own forward; a hook, so that its weights keep their names in the library."""
    return (model.get_submodule("prepared")(args[0]),)


def _drop(model: nn.Module, args: tuple[torch.Tensor, ...], features: torch.Tensor) -> Any:
    """After the library's own forward."""
    return model.get_submodule("feature_dropout")(features)


def _import() -> Any:
    """timm, or an error that names what to install."""
    try:
        torchvision_operators()
        import timm as library
    except ImportError as error:
        raise InputError(
            f"model timm needs the library of that name ({error})", 'pip install "calibench[vision]"'
        ) from None
    return library


def _built(library: Any, name: str, settings: dict[str, Any], size: tuple[int, int]) -> Any:
    """The library's network; of those that must know the size of their inputs, for `size`."""
    for more in ({"img_size": size}, {}):
        try:
            return library.create_model(name, **settings, **more)
        except TypeError as error:
            if more and "img_size" in str(error):  # most networks take any size
                continue
            if "patch_size" in str(error):
                message = f"timm's {name!r} has no patches: patch_size={settings['patch_size']} would do nothing"
                raise InputError(message, "leave it out") from None
            raise InputError(f"timm cannot build {name!r} so: {error}", "try another network") from None
        except (AssertionError, RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:300]
            message = (
                f"timm cannot build {name!r} for images of {size[0]} x {size[1]}: {reason or type(error).__name__}"
            )
            raise InputError(
                message, "patch_size must divide the size; img_size=224 resizes; weights must fit"
            ) from None
    raise AssertionError(name)


def _split(model: Any, probe: torch.Tensor, name: str) -> nn.Linear:
    """Takes the last linear layer off the network and returns it; InputError unless it is what made the logits."""
    head = model.get_classifier()
    if not isinstance(head, nn.Linear):
        message = f"timm's {name!r} does not end in one linear layer, but in {type(head).__name__}"
        raise InputError(message, "two-stage methods need features and a linear head; use another network")
    model.eval()
    begun = head.weight.detach().clone()
    try:
        with torch.no_grad():
            head.weight.normal_(
                generator=torch.Generator().manual_seed(0)
            )  # a head of zeros would agree with any features
            logits = model(probe)
            model.reset_classifier(0)
            features = model(probe)
            same = features.ndim == 2 and torch.allclose(head(features), logits, rtol=1e-4, atol=1e-4)
            head.weight.copy_(begun)
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]
        message = f"timm's {name!r} does not take images of {' x '.join(map(str, probe.shape[1:]))}: {reason}"
        raise InputError(
            message, "img_size=64 resizes them; patch_size must divide the size; or use another network"
        ) from None
    if not same:
        message = f"timm's {name!r} without its classifier does not give the features that its logits are made of"
        raise InputError(message, "use another network")
    model.train()
    return head


def _scale(
    task: Task, config: Any, scale: str, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> nn.Module:
    if mean is not None or std is not None or scale != "timm":
        return models.scaling("timm", task, scale != "none", mean, std)
    channels = 1 if len(task.input_shape) == 2 else task.input_shape[0]
    own = {key: tuple(getattr(config, key, ()) or ()) for key in ("mean", "std")}
    if channels == 1:
        own = {key: (sum(numbers) / len(numbers),) for key, numbers in own.items() if numbers}
    if {len(numbers) for numbers in own.values()} != {channels}:
        message = f"model timm: the network's own mean and std are not for images of {channels} channels"
        raise InputError(message, "scale=train takes those of the training rows; or give mean and std")
    low, high = float(task.train_x.min()), float(task.train_x.max())
    if low < 0 or high > 255:
        message = f"model timm: x runs from {low:g} to {high:g}, neither 0..1 nor 0..255"
        raise InputError(message, "scale=train takes mean and std of the training rows; or give mean and std")
    unit = 1.0 if high <= 1 else 255.0
    return models.FixedScale(*(tuple(unit * number for number in own[key]) for key in ("mean", "std")))
