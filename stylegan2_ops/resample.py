"""FIR resampling: blur, upsample and downsample by two, with zeros outside the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

BINOMIAL_TAPS = (1.0, 3.0, 3.0, 1.0)

# Up to here a dense transposed convolution is faster on a CPU than a depthwise one over inserted zeros.
_FEW_CHANNELS = 16


def fir_filter(taps: Sequence[float] = BINOMIAL_TAPS, gain: float = 1.0) -> np.ndarray:
    """The two-dimensional filter of one row of taps.

    Args:
        taps: One-dimensional filter; its sum must not be zero.
        gain: Sum of the returned filter.

    Returns:
        float32 array `(len(taps), len(taps))`.

    Raises:
        ValueError: If `taps` is not a row of numbers with a sum other than zero.
    """
    row = np.asarray(taps, np.float64)
    if row.ndim != 1 or row.sum() == 0:
        raise ValueError(f"taps must be a row of numbers with a sum other than zero. Received: taps={taps!r}")
    row = row / row.sum()
    return (gain * np.outer(row, row)).astype(np.float32)


def blur_2d(
    x: Any,
    padding: tuple[int, int],
    taps: Sequence[float] = BINOMIAL_TAPS,
    gain: float = 1.0,
    stride: int = 1,
) -> Any:
    """Correlates every channel with one FIR filter.

    Args:
        x: `(B, H, W, C)`.
        padding: Zeros (before, after) on both axes.
        taps: One-dimensional filter, applied along both axes.
        gain: Sum of the two-dimensional filter.
        stride: Every stride-th output is kept, starting at 0.

    Returns:
        `(B, H', W', C)` with H' = (H + before + after - len(taps)) // stride + 1.
    """
    if any(padding):
        x = ops.pad(x, ((0, 0), padding, padding, (0, 0)))
    kernel = np.repeat(fir_filter(taps, gain)[:, :, None, None], x.shape[-1], axis=2)
    return ops.depthwise_conv(x, ops.convert_to_tensor(kernel, x.dtype), stride, "valid", "channels_last")


def upsample_2d(x: Any, taps: Sequence[float] = BINOMIAL_TAPS, gain: float = 1.0) -> Any:
    """Doubles height and width: a zero after each sample, then the FIR filter, times four to keep the level.

    Args:
        x: `(B, H, W, C)`.
        taps: One-dimensional filter of two taps or more, applied along both axes.
        gain: Factor on the result.

    Returns:
        `(B, 2 H, 2 W, C)`.
    """
    height, width, channels = x.shape[1:]
    if channels <= _FEW_CHANNELS:
        kernel = fir_filter(taps[::-1], 4.0 * gain)[:, :, None, None] * np.eye(channels, dtype=np.float32)
        return ops.conv_transpose(
            x, ops.convert_to_tensor(kernel, x.dtype), 2, "same", data_format="channels_last"
        )
    x = ops.reshape(x, (-1, height, 1, width, 1, channels))
    x = ops.pad(x, ((0, 0), (0, 0), (0, 1), (0, 0), (0, 1), (0, 0)))
    excess = len(taps) - 2
    padding = ((excess + 1) // 2 + 1, excess // 2)
    return blur_2d(ops.reshape(x, (-1, 2 * height, 2 * width, channels)), padding, taps, 4.0 * gain)


def downsample_2d(x: Any, taps: Sequence[float] = BINOMIAL_TAPS, gain: float = 1.0) -> Any:
    """Halves height and width: the FIR filter, then every second sample.

    Args:
        x: `(B, H, W, C)`.
        taps: One-dimensional filter of two taps or more, applied along both axes.
        gain: Factor on the result.

    Returns:
        `(B, H // 2, W // 2, C)`.
    """
    excess = len(taps) - 2
    return blur_2d(x, ((excess + 1) // 2, excess // 2), taps, gain, stride=2)
