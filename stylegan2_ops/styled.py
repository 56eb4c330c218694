"""Layers of the synthesis network: noise injection, styled convolution, image output with a skip."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from stylegan2_ops.activation import GAIN, NEGATIVE_SLOPE, at_least_float32
from stylegan2_ops.modulated import ModulatedConv2D
from stylegan2_ops.resample import upsample_2d


class NoiseInjection(keras.layers.Layer):
    """Adds a noise map times one learned strength, which starts at zero.

    Args:
        gain: Factor on the added noise.

    Call arguments:
        x: `(B, H, W, C)`.
        noise: `(1 or B, H, W, 1)`, or None for zero noise.

    Returns:
        `(B, H, W, C)`.
    """

    def __init__(self, gain: float = 1.0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.gain = gain

    def build(self, x_shape: tuple[Any, ...], noise_shape: Any = None) -> None:
        self.strength = self.add_weight(name="strength", shape=(), initializer="zeros", autocast=False)

    def call(self, x: Any, noise: Any = None) -> Any:
        x = ops.cast(x, self.compute_dtype)
        if noise is None:
            return x
        noise = ops.cast(noise, self.variable_dtype) * (self.strength * self.gain)
        return x + ops.cast(noise, self.compute_dtype)


class StyledConv2D(keras.layers.Layer):
    """Modulated convolution, noise, bias and scaled leaky ReLU: a layer of StyleGAN2's synthesis network.

    Args:
        filters: Number of output channels.
        kernel_size: Odd side of the kernel.
        resample: None, "up" or "down".
        separable: Whether the convolution is a depthwise and a pointwise one.

    Call arguments:
        x: `(B, H, W, inputs)`; or one sample for all styles.
        w: `(B, style size)`; or one style `(1, style size)` for all samples, which is faster.
        noise: `(1 or B, H', W', 1)` at the output's size, or None for zero noise.

    Returns:
        `(B, H', W', filters)`; H' is H, 2 H with "up", H // 2 with "down".
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        resample: str | None = None,
        separable: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        # sqrt(2) * leaky_relu(z) = leaky_relu(sqrt(2) * z): the summands of z take the gain while small.
        self.conv = ModulatedConv2D(
            filters,
            kernel_size,
            resample,
            separable=separable,
            gain=GAIN,
            dtype=self.dtype_policy,
            name="conv",
        )
        self.noise = NoiseInjection(gain=GAIN, dtype=self.dtype_policy, name="noise")

    def build(self, x_shape: tuple[Any, ...], w_shape: tuple[Any, ...], noise_shape: Any = None) -> None:
        self.conv.build(x_shape, w_shape)
        self.noise.build(x_shape)
        self.bias = self.add_weight(
            name="bias", shape=(self.conv.filters,), initializer="zeros", autocast=False
        )

    def call(self, x: Any, w: Any, noise: Any = None) -> Any:
        x = self.noise(self.conv(x, w), noise)
        x = x + ops.cast(self.bias * GAIN, self.compute_dtype)
        return ops.leaky_relu(x, negative_slope=NEGATIVE_SLOPE)


class ToImage(keras.layers.Layer):
    """Modulated 1x1 convolution without demodulation, plus bias, plus the upsampled image of the level below.

    The image is summed in float32 under mixed policies too: it is small, and its rounding would be seen.

    Args:
        channels: Channels of the image.

    Call arguments:
        x: `(B, H, W, inputs)`.
        w: `(B, style size)`.
        skip: `(B, H / 2, W / 2, channels)`, or None.

    Returns:
        `(B, H, W, channels)`, float32 (float64 under a float64 policy).
    """

    def __init__(self, channels: int = 3, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.channels = channels
        self.conv = ModulatedConv2D(channels, 1, demodulate=False, dtype=self.dtype_policy, name="conv")

    def build(self, x_shape: tuple[Any, ...], w_shape: tuple[Any, ...], skip_shape: Any = None) -> None:
        self.conv.build(x_shape, w_shape)
        self.bias = self.add_weight(name="bias", shape=(self.channels,), initializer="zeros", autocast=False)

    def call(self, x: Any, w: Any, skip: Any = None) -> Any:
        dtype = at_least_float32(self.compute_dtype)
        image = ops.cast(self.conv(x, w), dtype) + ops.cast(self.bias, dtype)
        return image if skip is None else image + upsample_2d(ops.cast(skip, dtype))
