"""`tta`: test-time augmentation by shifts and mirror images."""

from collections.abc import Iterator, Mapping

import torch

from calibench import Network, Sampler
from calibench.stages import View
from calibench.stages.sampler import as_it_is
from calibench_methods.refits.views import check_images, random_views


class TestTimeAugmentation(Sampler):
    """The image itself, then views moved by up to `shift` pixels each way, every other one mirrored if `flip`."""

    __test__ = False  # its name is not a test's

    def __init__(self, views: int, shift: int | None, flip: bool, combine: str) -> None:
        self.views, self.shift, self.flip = views, shift, flip
        self.combine = combine

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError unless inputs are images that are larger than the shift."""
        check_images("tta", input_shape, self.shift, self.flip)

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """`views` views."""
        network.eval()
        yield as_it_is
        yield from random_views(self.views - 1, self.shift, self.flip, train_x.shape[-2])
