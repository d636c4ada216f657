"""`tta`: test-time augmentation by shifts and mirror images."""

from collections.abc import Iterator, Mapping

import torch

from calibench import InputError, Network, Sampler
from calibench.stages import View
from calibench.stages.sampler import as_it_is


def shifted(x: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Images `[n, ..., H, W]` moved by whole pixels; what comes in at the edges is 0."""
    height, width = x.shape[-2:]
    moved = torch.zeros_like(x)
    to_y, from_y = slice(max(down, 0), height + min(down, 0)), slice(max(-down, 0), height + min(-down, 0))
    to_x, from_x = slice(max(right, 0), width + min(right, 0)), slice(max(-right, 0), width + min(-right, 0))
    moved[..., to_y, to_x] = x[..., from_y, from_x]
    return moved


class TestTimeAugmentation(Sampler):
    """The image itself, then views moved by up to `shift` pixels each way, every other one mirrored if `flip`."""

    __test__ = False  # its name is not a test's

    def __init__(self, views: int, shift: int | None, flip: bool, combine: str) -> None:
        self.views, self.shift, self.flip = views, shift, flip
        self.combine = combine
        if shift == 0 and not flip:
            raise InputError("tta: without a shift or a mirror image every view is the same", "give shift or flip=true")

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError unless inputs are images that are larger than the shift."""
        if len(input_shape) not in {2, 3}:
            message = f"tta: it needs images [C, H, W] or [H, W], the data has rows of shape {list(input_shape)}"
            raise InputError(message, "leave it out")
        if (self.shift or 0) >= min(input_shape[-2:]):
            message = f"tta: a shift of {self.shift} pixels leaves nothing of images {list(input_shape[-2:])}"
            raise InputError(message, "give a smaller shift")

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """`views` views, their shifts drawn uniformly."""
        network.eval()
        most = max(train_x.shape[-2] // 8, 1) if self.shift is None else self.shift
        yield as_it_is
        for number in range(1, self.views):
            down, right = (int(torch.randint(-most, most + 1, ())) for _ in range(2))
            mirror = self.flip and number % 2 == 1

            def view(x: torch.Tensor, down: int = down, right: int = right, mirror: bool = mirror) -> torch.Tensor:
                moved = shifted(x, down, right)
                return moved.flip(-1) if mirror else moved

            yield view
