"""Haar bands of a picture, as encoder and discriminator take them."""

from __future__ import annotations

from typing import Any

from keras import ops

from stylegan2_ops import haar_down

DETAIL_GAIN = 10.0
"""Makes the fine bands of a photograph about as strong as the coarse picture. Without it a discriminator took over a
thousand steps to notice texture: docs/training-log.md."""


def spectrum(image: Any, halvings: int) -> Any:
    """A picture as a smaller one and the detail that is lost on the way, all of about equal strength.

    Args:
        image: `(B, H, W, C)`.
        halvings: How often it is split.

    Returns:
        `(B, H / 2^halvings, W / 2^halvings, C 4^halvings)`: the small picture, then the detail, the finest first.
    """
    detail: list[Any] = []
    low, channels = image, image.shape[-1]
    for _ in range(halvings):
        split = haar_down(low)
        low = 0.5 * split[..., :channels]
        detail = [*(haar_down(band) for band in detail), DETAIL_GAIN * split[..., channels:]]
    return ops.concatenate([low, *detail], axis=-1)
