"""`tta`: test-time augmentation by shifts and mirror images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from calibench import MethodSpec, Param, Sampler
from calibench.lazy import torch
from calibench.stages import View
from calibench.stages.sampler import as_it_is
from calibench_methods.refits.views import check_images, random_views
from calibench_methods.samplers.parameters import COMBINE

if TYPE_CHECKING:
    from calibench import Network

SPEC = MethodSpec(
    name="tta",
    kind="sampler",
    target=f"{__name__}:TestTimeAugmentation",
    summary="Test-time augmentation: averages the predictions for shifted (and mirrored) views of an image.",
    params=(
        Param("views", "int", 8, "number of views; the first is the image itself", minimum=2),
        Param(
            "shift",
            "int",
            None,
            "largest shift, with zeros at the edges; not set: an eighth of the height",
            "pixels",
            minimum=0,
        ),
        Param("flip", "bool", False, "mirror every other view left to right; not for digits"),
        COMBINE,
    ),
    equation="p = mean over v of softmax(f(view_v(x)))",
    use_when="inputs are images whose class a small shift, or a mirror with flip, does not change",
    avoid_when=(
        "place or handedness decides the class, as on 8 x 8 digits (noisy ones: accuracy 76 to 32 %), or confidences "
        "are too low already"
    ),
    cost="no training; 8 forward passes at prediction",
    paper="A. Ashukha et al., Pitfalls of In-Domain Uncertainty Estimation, ICLR 2020 (arXiv 2002.06470)",
    deviations=(
        "views are shifts and mirror images, as in training on CIFAR, and not the augmentation of the network's own training",
    ),
)


class TestTimeAugmentation(Sampler):
    """The image itself, then views shifted by up to `shift` pixels in both directions, every other one mirrored if `flip`."""

    __test__ = False  # or pytest would collect the class, whose name begins with Test

    def __init__(self, views: int, shift: int | None, flip: bool, combine: str) -> None:
        self.views, self.shift, self.flip = views, shift, flip
        self.combine = combine

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError unless inputs are images larger than the shift."""
        check_images("tta", input_shape, self.shift, self.flip)

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """`views` views of the inputs, the first unchanged."""
        network.eval()
        yield as_it_is
        yield from random_views(self.views - 1, self.shift, self.flip, train_x.shape[-2])
