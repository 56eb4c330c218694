"""Haar wavelets: four quarter-size bands to one picture and back, exactly."""

from __future__ import annotations

from typing import Any

from keras import ops


def haar_up(x: Any) -> Any:
    """Composes a picture of its four Haar bands.

    The first quarter of the channels is the low band l, the rest are (channel, 3) bands a, b, c; the pixels of a 2x2
    block are (0,0): (l+a+b+c)/2, (0,1): (l+a-b-c)/2, (1,0): (l-a+b-c)/2, (1,1): (l-a-b+c)/2.

    Args:
        x: `(B, H, W, 4 C)`.

    Returns:
        `(B, 2 H, 2 W, C)`.

    Raises:
        ValueError: If the number of channels is no multiple of four.
    """
    height, width, bands = x.shape[1:]
    if bands % 4:
        raise ValueError(f"The Haar bands must come in fours. Received: x.shape={tuple(x.shape)}")
    channels = bands // 4
    details = ops.reshape(x[..., channels:], (-1, height, width, channels, 3))
    pixels = _butterfly(x[..., :channels], details[..., 0], details[..., 1], details[..., 2])
    rows = [ops.stack(pair, axis=3) for pair in (pixels[:2], pixels[2:])]
    return ops.reshape(ops.stack(rows, axis=2), (-1, 2 * height, 2 * width, channels))


def haar_down(x: Any) -> Any:
    """Splits a picture into its four Haar bands: the inverse of `haar_up`.

    Args:
        x: `(B, H, W, C)`, H and W even.

    Returns:
        `(B, H / 2, W / 2, 4 C)`: the low band, then (channel, 3) bands.

    Raises:
        ValueError: If the height or the width is odd.
    """
    height, width, channels = x.shape[1:]
    if height % 2 or width % 2:
        raise ValueError(f"Haar bands need an even height and width. Received: x.shape={tuple(x.shape)}")
    blocks = ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))
    low, *details = _butterfly(
        blocks[:, :, 0, :, 0], blocks[:, :, 0, :, 1], blocks[:, :, 1, :, 0], blocks[:, :, 1, :, 1]
    )
    bands = ops.reshape(ops.stack(details, axis=-1), (-1, height // 2, width // 2, 3 * channels))
    return ops.concatenate([low, bands], axis=-1)


def _butterfly(a: Any, b: Any, c: Any, d: Any) -> tuple[Any, Any, Any, Any]:
    """The orthogonal 2x2 Haar transform; symmetric, so it is its own inverse."""
    sum_ab, difference_ab, sum_cd, difference_cd = a + b, a - b, c + d, c - d
    return (
        0.5 * (sum_ab + sum_cd),
        0.5 * (sum_ab - sum_cd),
        0.5 * (difference_ab + difference_cd),
        0.5 * (difference_ab - difference_cd),
    )
