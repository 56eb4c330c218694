"""Equalised dense and convolution layers: weights of unit variance, scaled when they are used."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from stylegan2_ops.activation import activate, activation_gain
from stylegan2_ops.resample import BINOMIAL_TAPS, blur_2d, downsample_2d


class EqualizedDense(keras.layers.Layer):
    """Dense layer with an equalised learning rate.

    The effective kernel is `kernel * learning_rate_multiplier / sqrt(inputs)`, the effective bias
    `bias * learning_rate_multiplier`: Karras et al., "Progressive Growing of GANs" (2018), section 4.1.

    Args:
        units: Number of outputs.
        learning_rate_multiplier: Slows the layer down; StyleGAN2's mapping network has 0.01.
        bias_init: First effective bias.
        activation: None or "scaled_leaky_relu".
        use_bias: Whether a bias is added.

    Call arguments:
        x: `(B, inputs)`.

    Returns:
        `(B, units)`.
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
        self.bias_init = bias_init
        self.activation = activation
        self.use_bias = use_bias
        self.learning_rate_multiplier = learning_rate_multiplier
        self.bias_gain = learning_rate_multiplier * activation_gain(activation)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        inputs = input_shape[-1]
        self.kernel_gain = self.bias_gain / math.sqrt(inputs)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(inputs, self.units),
            initializer=keras.initializers.RandomNormal(stddev=1.0 / self.learning_rate_multiplier),
            autocast=False,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=keras.initializers.Constant(self.bias_init / self.learning_rate_multiplier),
                autocast=False,
            )

    def call(self, x: Any) -> Any:
        # Not ops.matmul: with PyTorch, Keras 3.15 rounds its float64 results to float32.
        x = x @ ops.cast(self.kernel * self.kernel_gain, self.compute_dtype)
        if self.use_bias:
            x = x + ops.cast(self.bias * self.bias_gain, self.compute_dtype)
        return activate(x, self.activation)


class EqualizedConv2D(keras.layers.Layer):
    """Convolution with an equalised learning rate, keeping or halving the size.

    The effective kernel is `kernel / sqrt(inputs * kernel_size ** 2)`. "down" filters with (1, 3, 3, 1) and
    convolves with stride 2.

    Args:
        filters: Number of output channels.
        kernel_size: Odd side of the kernel.
        resample: None or "down".
        activation: None or "scaled_leaky_relu".
        use_bias: Whether a bias is added, before the activation.
        gain: Factor on the output, after the activation.

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
        gain: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if resample not in (None, "down"):
            raise ValueError(f"resample must be None or 'down'. Received: resample={resample!r}")
        self.filters = filters
        self.kernel_size = check_kernel_size(kernel_size)
        self.resample = resample
        self.activation = activation
        self.use_bias = use_bias
        self.gain = gain * activation_gain(activation)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        size, inputs = self.kernel_size, input_shape[-1]
        self.kernel_gain = self.gain / math.sqrt(inputs * size * size)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, size, inputs, self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            autocast=False,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(self.filters,), initializer="zeros", autocast=False
            )

    def call(self, x: Any) -> Any:
        kernel = ops.cast(self.kernel * self.kernel_gain, self.compute_dtype)
        convolve = downsampling_conv if self.resample == "down" else same_conv
        x = convolve(x, kernel)
        if self.use_bias:
            x = x + ops.cast(self.bias * self.gain, self.compute_dtype)
        return activate(x, self.activation)


def check_kernel_size(kernel_size: int) -> int:
    """Returns `kernel_size` if a kernel of that size has a middle.

    Raises:
        ValueError: If it is even or below one.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd. Received: kernel_size={kernel_size}")
    return kernel_size


def blur_before_stride(x: Any, kernel_size: int) -> Any:
    """The FIR filter padded so that an unpadded convolution with stride 2 after it halves the size."""
    excess = len(BINOMIAL_TAPS) - 2 + kernel_size - 1
    return blur_2d(x, ((excess + 1) // 2, excess // 2))


def same_conv(x: Any, kernel: Any) -> Any:
    """A convolution that keeps the size; kernel `(k, k, inputs, filters)`."""
    return ops.conv(x, kernel, 1, "same", "channels_last")


def downsampling_conv(x: Any, kernel: Any) -> Any:
    """The FIR filter, then a convolution with stride 2; kernel `(k, k, inputs, filters)`."""
    if kernel.shape[0] == 1:
        # A 1x1 convolution reads only the samples that stay: filter those alone.
        return ops.conv(downsample_2d(x), kernel, 1, "valid", "channels_last")
    return ops.conv(blur_before_stride(x, kernel.shape[0]), kernel, 2, "valid", "channels_last")
