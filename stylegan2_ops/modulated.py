"""Modulated convolution: a style scales the input channels, demodulation restores unit variance."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from stylegan2_ops.activation import at_least_float32
from stylegan2_ops.equalized import (
    EqualizedDense,
    blur_before_stride,
    check_kernel_size,
    downsampling_conv,
    same_conv,
)
from stylegan2_ops.resample import BINOMIAL_TAPS, blur_2d, upsample_2d

DEMODULATION_EPSILON = 1e-8


class ModulatedConv2D(keras.layers.Layer):
    """Convolution whose kernel a style scales (Karras et al., StyleGAN2, section 2.2).

    With s = modulation(w), one factor an input channel of each sample, the kernel is
    `kernel * s / sqrt(inputs * kernel_size ** 2)`; demodulation divides each of its output channels by the
    root of the sum of squares. `modulation` is an `EqualizedDense` that starts with bias 1.

    No sample gets a kernel of its own: the input is multiplied by s, the shared kernel convolves the whole
    batch, and the output is multiplied by the demodulation factor. Where the batch is known to have one style
    only, the kernel is scaled instead, which saves two passes over the activations. Styles and factors are
    float32 under mixed policies too.

    "up" is a transposed convolution with stride 2, then the (1, 3, 3, 1) filter; "down" is the filter, then a
    convolution with stride 2. A separable convolution is a depthwise and a pointwise one; the pointwise one
    runs at the smaller of the two sizes: with "up" it comes first, then the filter, then the depthwise one.

    Args:
        filters: Number of output channels.
        kernel_size: Odd side of the kernel.
        resample: None, "up" or "down".
        demodulate: Whether the output is demodulated.
        separable: Whether the kernel is a depthwise and a pointwise one.
        gain: Factor on the output.

    Call arguments:
        x: `(B, H, W, inputs)`; or one sample for all styles.
        w: `(B, style size)`; or one style `(1, style size)` for all samples.

    Returns:
        `(B, H, W, filters)`; `(B, 2 H, 2 W, filters)` with "up"; `(B, H // 2, W // 2, filters)` with "down".
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        resample: str | None = None,
        demodulate: bool = True,
        separable: bool = False,
        gain: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if resample not in (None, "up", "down"):
            raise ValueError(f"resample must be None, 'up' or 'down'. Received: resample={resample!r}")
        self.filters = filters
        self.kernel_size = check_kernel_size(kernel_size)
        self.resample = resample
        self.demodulate = demodulate
        self.separable = separable
        self.gain = gain

    def build(self, x_shape: tuple[Any, ...], w_shape: tuple[Any, ...]) -> None:
        size, inputs = self.kernel_size, x_shape[-1]
        self.kernel_gain = 1.0 / math.sqrt(inputs * size * size)
        self.modulation = EqualizedDense(
            inputs, bias_init=1.0, dtype=at_least_float32(self.compute_dtype), name="modulation"
        )
        self.modulation.build(w_shape)
        mixing_size = 1 if self.separable else size
        self.kernel = self._add_kernel("kernel", (mixing_size, mixing_size, inputs, self.filters))
        if self.separable:
            depth = self.filters if self.resample == "up" else inputs
            self.depthwise_kernel = self._add_kernel("depthwise_kernel", (size, size, depth, 1))

    def _add_kernel(self, name: str, shape: tuple[int, ...]) -> Any:
        initializer = keras.initializers.RandomNormal(stddev=1.0)
        return self.add_weight(name=name, shape=shape, initializer=initializer, autocast=False)

    def call(self, x: Any, w: Any) -> Any:
        x = ops.cast(x, self.compute_dtype)
        style = self.modulation(w) * self.kernel_gain  # (B, inputs)
        kernel = ops.cast(self.kernel, style.dtype)
        if self.demodulate:
            output_gain = self.gain * self._demodulation(style, kernel)  # (B, filters)
        else:
            output_gain = self.gain * ops.ones((1, 1), style.dtype)
        if style.shape[0] == 1:
            return self._conv(x, ops.cast(kernel * ops.transpose(style) * output_gain, self.compute_dtype))
        x = self._conv(self._scale(x, style), ops.cast(kernel, self.compute_dtype))
        return self._scale(x, output_gain) if self.demodulate or self.gain != 1.0 else x

    def _scale(self, x: Any, factors: Any) -> Any:
        """Multiplies the channels of `(B, H, W, C)` by factors `(B, C)`."""
        return x * ops.cast(factors, self.compute_dtype)[:, None, None, :]

    def _demodulation(self, style: Any, kernel: Any) -> Any:
        """One over the norm of each output channel of the modulated kernel, `(B, filters)`."""
        energy = ops.sum(ops.square(kernel), axis=(0, 1))  # (inputs, filters)
        if self.separable:
            depthwise_kernel = ops.cast(self.depthwise_kernel, style.dtype)
            depthwise_energy = ops.sum(ops.square(depthwise_kernel), axis=(0, 1))  # (depth, 1)
            energy = energy * (ops.transpose(depthwise_energy) if self.resample == "up" else depthwise_energy)
        return ops.rsqrt(ops.square(style) @ energy + DEMODULATION_EPSILON)

    def _conv(self, x: Any, kernel: Any) -> Any:
        if self.separable:
            return self._separable_conv(x, kernel)
        convolve = {None: same_conv, "up": _upsampling_conv, "down": downsampling_conv}[self.resample]
        return convolve(x, kernel)

    def _separable_conv(self, x: Any, kernel: Any) -> Any:
        depthwise_kernel = ops.cast(self.depthwise_kernel, self.compute_dtype)
        if self.resample == "up":
            x = upsample_2d(same_conv(x, kernel))
            return ops.depthwise_conv(x, depthwise_kernel, 1, "same", "channels_last")
        if self.resample == "down":
            x = blur_before_stride(x, self.kernel_size)
            x = ops.depthwise_conv(x, depthwise_kernel, 2, "valid", "channels_last")
        else:
            x = ops.depthwise_conv(x, depthwise_kernel, 1, "same", "channels_last")
        return same_conv(x, kernel)


def _upsampling_conv(x: Any, kernel: Any) -> Any:
    """A transposed convolution with stride 2, then the FIR filter; kernel `(k, k, inputs, filters)`."""
    size = kernel.shape[0]
    if size == 1:
        return upsample_2d(same_conv(x, kernel))
    # Keras wants (k, k, filters, inputs) here; output 2 i + a receives input i times kernel a.
    kernel = ops.transpose(kernel, (0, 1, 3, 2))
    x = ops.conv_transpose(x, kernel, 2, "valid", data_format="channels_last")
    excess = len(BINOMIAL_TAPS) - 2 - (size - 1)
    return blur_2d(x, ((excess + 1) // 2 + 1, excess // 2 + 1), gain=4.0)
