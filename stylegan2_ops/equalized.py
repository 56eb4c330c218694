"""Equalised dense and convolution layers: weights of unit variance, scaled when used."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from stylegan2_ops.activation import activate, check_activation
from stylegan2_ops.resample import BINOMIAL_TAPS, blur_2d, downsample_2d


class EqualizedDense(keras.layers.Layer):
    """Dense layer with an equalised learning rate (Karras et al., "Progressive Growing of GANs", section 4.1).

    The effective kernel is `kernel * learning_rate_multiplier / sqrt(inputs)`, the effective bias
    `bias * learning_rate_multiplier`.

    Args:
        units: Number of outputs.
        learning_rate_multiplier: Slows the layer down; StyleGAN2's mapping network has 0.01.
        bias_init: First effective bias.
        activation: None or "scaled_leaky_relu".
        use_bias: Whether a bias is added.

    Call arguments:
        x: `(..., inputs)`.

    Returns:
        `(..., units)`.
    """

    def __init__(
        self,
        units: int,
        learning_rate_multiplier: float = 1.0,
        bias_init: float = 0.0,
        activation: str | None = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.learning_rate_multiplier = learning_rate_multiplier
        self.bias_init = bias_init
        self.activation = check_activation(activation)
        self.use_bias = use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        multiplier = self.learning_rate_multiplier
        inputs = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(inputs, self.units),
            initializer=keras.initializers.RandomNormal(stddev=1.0 / multiplier),
            autocast=False,
        )
        self.gain = multiplier / math.sqrt(inputs)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=keras.initializers.Constant(self.bias_init / multiplier),
                autocast=False,
            )

    def call(self, x: Any) -> Any:
        x = ops.matmul(x, ops.cast(self.kernel * self.gain, self.compute_dtype))
        if self.bias is not None:
            x = x + ops.cast(self.bias * self.learning_rate_multiplier, self.compute_dtype)
        return activate(x, self.activation)


class EqualizedConv2D(keras.layers.Layer):
    """Convolution with an equalised learning rate, keeping or halving the size.

    The effective kernel is `kernel / sqrt(inputs * kernel_size ** 2)`. "down" filters with (1, 3, 3, 1) before it keeps
    every second sample.

    Args:
        filters: Number of output channels.
        kernel_size: Odd side of the kernel.
        resample: None or "down".
        activation: None or "scaled_leaky_relu".
        use_bias: Whether a bias is added (before the activation).

    Call arguments:
        x: `(B, H, W, inputs)`.

    Returns:
        `(B, H, W, filters)`, or `(B, H // 2, W // 2, filters)` with "down".
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        resample: str | None = None,
        activation: str | None = None,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if resample not in (None, "down"):
            raise ValueError(f"resample must be None or 'down'. Received: resample={resample!r}")
        self.filters = filters
        self.kernel_size = check_kernel_size(kernel_size)
        self.resample = resample
        self.activation = check_activation(activation)
        self.use_bias = use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        size, inputs = self.kernel_size, input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, size, inputs, self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            autocast=False,
        )
        self.gain = 1.0 / math.sqrt(inputs * size * size)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros", autocast=False
            )

    def call(self, x: Any) -> Any:
        kernel = ops.cast(self.kernel * self.gain, self.compute_dtype)
        x = (
            downsampling_conv(x, kernel)
            if self.resample == "down"
            else ops.conv(x, kernel, 1, "same", "channels_last")
        )
        if self.bias is not None:
            x = x + ops.cast(self.bias, self.compute_dtype)
        return activate(x, self.activation)


def check_kernel_size(kernel_size: int) -> int:
    """Returns `kernel_size` if a convolution with it has a middle.

    Raises:
        ValueError: If it is even or below one.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd. Received: kernel_size={kernel_size}")
    return kernel_size


def blur_padding_for_stride(kernel_size: int) -> tuple[int, int]:
    """Zeros around the blur that comes before an unpadded convolution with stride 2, so that the size halves."""
    excess = len(BINOMIAL_TAPS) - 2 + kernel_size - 1
    return (excess + 1) // 2, excess // 2


def downsampling_conv(x: Any, kernel: Any) -> Any:
    """FIR filter, then a convolution with stride 2; kernel `(k, k, inputs, filters)`."""
    if kernel.shape[0] == 1:
        # A 1x1 convolution reads only the samples that stay: filter those alone.
        return ops.conv(downsample_2d(x), kernel, 1, "valid", "channels_last")
    x = blur_2d(x, blur_padding_for_stride(kernel.shape[0]))
    return ops.conv(x, kernel, 2, "valid", "channels_last")
