"""FIR resampling by two: blur, upsample and downsample, exact at the borders (zeros outside the picture)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

BINOMIAL_TAPS = (1.0, 3.0, 3.0, 1.0)


def fir_filter(taps: Sequence[float] = BINOMIAL_TAPS, gain: float = 1.0) -> np.ndarray:
    """The separable two-dimensional filter of one row of taps.

    Args:
        taps: One-dimensional filter; its sum must not be zero.
        gain: Sum of the returned filter.

    Returns:
        float32 array `(len(taps), len(taps))`.

    Raises:
        ValueError: If `taps` is no row of numbers with a sum other than zero.
    """
    row = np.asarray(taps, np.float64)
    if row.ndim != 1 or row.size == 0 or row.sum() == 0:
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
    kernel = np.repeat(fir_filter(taps, gain)[:, :, None, None], x.shape[-1], axis=2)
    return _depthwise(x, kernel, padding, stride)


def upsample_2d(x: Any, taps: Sequence[float] = BINOMIAL_TAPS, gain: float = 1.0) -> Any:
    """Doubles height and width: zeros between the samples, then the FIR filter (times four, so brightness stays).

    Args:
        x: `(B, H, W, C)`.
        taps: One-dimensional filter, applied along both axes.
        gain: Factor on the result.

    Returns:
        `(B, 2 H, 2 W, C)`.
    """
    height, width, channels = x.shape[1:]
    phases, before, after = _phase_filters(taps)
    # Each output pixel sees only the taps that fall on samples: four small filters instead of one on many zeros.
    kernel = gain * np.einsum("mp,nq->mnpq", phases, phases).reshape(len(phases), len(phases), 1, 4)
    y = _depthwise(x, np.repeat(kernel.astype(np.float32), channels, axis=2), (before, after), 1)
    y = ops.reshape(y, (-1, height, width, channels, 2, 2))
    return ops.reshape(ops.transpose(y, (0, 1, 4, 2, 5, 3)), (-1, 2 * height, 2 * width, channels))


def downsample_2d(x: Any, taps: Sequence[float] = BINOMIAL_TAPS, gain: float = 1.0) -> Any:
    """Halves height and width: the FIR filter, then every second sample.

    Args:
        x: `(B, H, W, C)`.
        taps: One-dimensional filter, applied along both axes.
        gain: Factor on the result.

    Returns:
        `(B, H // 2, W // 2, C)` for a filter of even length.
    """
    excess = len(taps) - 2
    return blur_2d(x, ((excess + 1) // 2, excess // 2), taps, gain, stride=2)


def _phase_filters(taps: Sequence[float]) -> tuple[np.ndarray, int, int]:
    """Splits an upsampling filter into its even and odd outputs.

    Returns:
        Filters `(length, 2)` that both outputs apply to the same window of samples, and the zeros that the window
        needs before the first and after the last sample.
    """
    row = np.asarray(taps, np.float64)
    row = 2.0 * row / row.sum()
    excess = len(row) - 2
    before = (excess + 1) // 2 + 1
    # Output 2 j + phase weighs sample j + (phase + t - before) / 2 with tap t, where that is a whole number.
    offsets = {
        (phase, t): (phase + t - before) // 2
        for phase in (0, 1)
        for t in range(len(row))
        if (phase + t - before) % 2 == 0
    }
    first, last = min(0, *offsets.values()), max(0, *offsets.values())
    phases = np.zeros((last - first + 1, 2))
    for (phase, t), offset in offsets.items():
        phases[offset - first, phase] = row[t]
    return phases, -first, last


def _depthwise(x: Any, kernel: np.ndarray, padding: tuple[int, int], stride: int) -> Any:
    before, after = padding
    if before or after:
        x = ops.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    return ops.depthwise_conv(x, ops.convert_to_tensor(kernel, x.dtype), stride, "valid", "channels_last")
