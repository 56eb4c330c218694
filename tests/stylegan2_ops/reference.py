"""Slow, obvious float64 forms of the operations, one sample and one channel at a time."""

from __future__ import annotations

import numpy as np
from scipy.signal import correlate2d

BINOMIAL = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64.0


def leaky_relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def dense(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, multiplier: float = 1.0) -> np.ndarray:
    """The equalised dense layer: kernel `(inputs, units)`."""
    return x @ (kernel * multiplier / np.sqrt(kernel.shape[0])) + bias * multiplier


def conv(x: np.ndarray, kernel: np.ndarray, padding: int, stride: int = 1) -> np.ndarray:
    """Cross-correlation: x `(B, H, W, inputs)`, kernel `(k, k, inputs, outputs)`."""
    x = np.pad(x.astype(np.float64), ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    samples = []
    for sample in x:
        maps = [
            sum(correlate2d(sample[..., i], kernel[..., i, o], "valid") for i in range(kernel.shape[2]))
            for o in range(kernel.shape[3])
        ]
        samples.append(np.stack(maps, -1)[::stride, ::stride])
    return np.stack(samples)


def transposed_conv(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Stride 2, no padding: output [2 i + a, 2 j + b] receives input [i, j] times kernel [a, b]."""
    batch, height, width, _ = x.shape
    k = kernel.shape[0]
    y = np.zeros((batch, 2 * (height - 1) + k, 2 * (width - 1) + k, kernel.shape[3]))
    for i in range(height):
        for j in range(width):
            for a in range(k):
                for b in range(k):
                    y[:, 2 * i + a, 2 * j + b] += x[:, i, j] @ kernel[a, b]
    return y


def resample(
    x: np.ndarray, kernel: np.ndarray, padding: tuple[int, int], up: int = 1, down: int = 1
) -> np.ndarray:
    """A zero after each sample (up 2), zeros around, correlation of every channel, every down-th sample."""
    batch, height, width, channels = x.shape
    inserted = np.zeros((batch, up * height, up * width, channels))
    inserted[:, ::up, ::up] = x
    padded = np.pad(inserted, ((0, 0), padding, padding, (0, 0)))
    filtered = [
        np.stack([correlate2d(sample[..., c], kernel, "valid") for c in range(channels)], -1)
        for sample in padded
    ]
    return np.stack(filtered)[:, ::down, ::down]


def depthwise(x: np.ndarray, kernel: np.ndarray, padding: int, stride: int = 1) -> np.ndarray:
    """Kernel `(k, k, channels, 1)`: each channel has its own."""
    channels = [
        conv(x[..., c : c + 1], kernel[:, :, c : c + 1], padding, stride)[..., 0] for c in range(x.shape[-1])
    ]
    return np.stack(channels, -1)


def resampled_conv(x: np.ndarray, kernel: np.ndarray, resampling: str | None) -> np.ndarray:
    """The convolution of the paper with kernel `(k, k, inputs, outputs)`, k 1 or 3."""
    k = kernel.shape[0]
    if resampling == "down":
        padding = 2 if k == 3 else 1
        return conv(resample(x, BINOMIAL, (padding, padding)), kernel, 0, stride=2)
    if resampling == "up":
        if k == 1:
            return resample(conv(x, kernel, 0), 4 * BINOMIAL, (2, 1), up=2)
        return resample(transposed_conv(x, kernel), 4 * BINOMIAL, (1, 1))
    return conv(x, kernel, k // 2)


def modulated_conv(
    x: np.ndarray, style: np.ndarray, kernel: np.ndarray, resampling: str | None, demodulate: bool
) -> np.ndarray:
    """A kernel for each sample, as the paper writes it; style `(B, inputs)`."""
    samples = []
    for sample, factors in zip(x, style, strict=True):
        own = kernel * factors[:, None] / np.sqrt(np.prod(kernel.shape[:3]))
        if demodulate:
            own = own / np.sqrt((own**2).sum((0, 1, 2)) + 1e-8)
        samples.append(resampled_conv(sample[None], own, resampling)[0])
    return np.stack(samples)


def separable_modulated_conv(
    x: np.ndarray,
    style: np.ndarray,
    pointwise: np.ndarray,
    depthwise_kernel: np.ndarray,
    resampling: str | None,
    demodulate: bool,
) -> np.ndarray:
    """The same with a kernel that is a product, built in full: pointwise `(1, 1, inputs, outputs)`."""
    k = depthwise_kernel.shape[0]
    if resampling != "up":
        full = depthwise_kernel * pointwise
        return modulated_conv(x, style, full, resampling, demodulate)
    full = depthwise_kernel[:, :, None, :, 0] * pointwise
    samples = []
    for sample, factors in zip(x, style, strict=True):
        own = full * factors[:, None] / np.sqrt(np.prod(full.shape[:3]))
        if demodulate:
            own = own / np.sqrt((own**2).sum((0, 1, 2)) + 1e-8)
        upsampled = resample(sample[None], 4 * BINOMIAL, (2, 1), up=2)
        samples.append(conv(upsampled, own, k // 2)[0])
    return np.stack(samples)
