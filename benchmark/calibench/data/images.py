"""Rows that are images: their channels, height and width."""

from __future__ import annotations

from calibench.errors import InputError


def image_rows(subject: str, input_shape: tuple[int, ...], hint: str) -> tuple[int, int, int]:
    """Channels, height and width of rows `[C, H, W]` or `[H, W]`; InputError for any other shape.

    `subject` begins the error message, as in "model 'cnn' needs".
    """
    shape = list(input_shape)
    if len(shape) not in {2, 3}:
        raise InputError(f"{subject} images [C, H, W] or [H, W], the data has rows of shape {shape}", hint)
    if len(shape) == 3 and shape[-1] in {1, 3} and min(shape[:2]) > 4:
        message = f"{subject} images [C, H, W], the data's {shape} look like [H, W, C]"
        raise InputError(message, "put the channels first: x.transpose(0, 3, 1, 2)")
    return (1 if len(shape) == 2 else shape[0]), shape[-2], shape[-1]
