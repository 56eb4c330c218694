"""Haar wavelets: a picture to its four quarter-size bands and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

# [row, column, band] of a 2x2 block; as a 4x4 matrix orthogonal and symmetric, so its own inverse.
_HAAR = 0.5 * np.array(
    [[[1, 1, 1, 1], [1, 1, -1, -1]], [[1, -1, 1, -1], [1, -1, -1, 1]]],
    np.float32,
)


def haar_up(x: Any) -> Any:
    """Composes a picture of its four Haar bands; exactly undone by `haar_down`.

    The first quarter of the channels is the low band l, the rest are (channel, 3) bands a, b, c. The pixels
    of a 2x2 block are (0,0): (l+a+b+c)/2, (0,1): (l+a-b-c)/2, (1,0): (l-a+b-c)/2, (1,1): (l-a-b+c)/2.

    Args:
        x: `(B, H, W, 4 C)`.

    Returns:
        `(B, 2 H, 2 W, C)`.

    Raises:
        ValueError: If the number of channels is no multiple of four.
    """
    bands = x.shape[-1]
    if bands % 4:
        raise ValueError(f"The Haar bands must come in fours. Received: x.shape={tuple(x.shape)}")
    kernel = ops.convert_to_tensor(_haar_kernel(bands // 4), x.dtype)
    return ops.conv_transpose(x, kernel, 2, "valid", data_format="channels_last")


def haar_down(x: Any) -> Any:
    """Splits a picture into its four Haar bands; exactly undone by `haar_up`.

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
    kernel = ops.convert_to_tensor(_haar_kernel(channels), x.dtype)
    return ops.conv(x, kernel, 2, "valid", "channels_last")


def _haar_kernel(channels: int) -> np.ndarray:
    """The bands as a convolution kernel `(2, 2, channels, 4 * channels)`.

    One convolution with mostly zeros: on a CPU, with its gradient, several times faster than sums of slices.
    """
    same = np.eye(channels, dtype=np.float32)
    low = np.einsum("pq,cd->pqcd", _HAAR[..., 0], same)
    details = np.einsum("pqk,cd->pqcdk", _HAAR[..., 1:], same)
    return np.concatenate([low, details.reshape(2, 2, channels, 3 * channels)], axis=-1)
