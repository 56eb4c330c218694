"""Modulated convolution: a style vector scales the input channels, demodulation restores unit variance."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from stylegan2_ops.activation import at_least_float32
from stylegan2_ops.equalized import (
    EqualizedDense,
    blur_padding_for_stride,
    check_kernel_size,
    downsampling_conv,
)
from stylegan2_ops.resample import BINOMIAL_TAPS, blur_2d, upsample_2d

DEMODULATION_EPSILON = 1e-8


class ModulatedConv2D(keras.layers.Layer):
    """Convolution whose kernel is scaled by a style (Karras et al., StyleGAN2, section 2.2).

    With s = modulation(w) (an `EqualizedDense` with bias 1, one factor an input channel), sample by sample: kernel * s /
    sqrt(inputs * kernel_size ** 2), and with demodulation each output channel of that divided by the root of its sum of
    squares. Computed without a kernel a sample: the input is multiplied by s, the shared kernel convolves the whole
    batch, and the output is multiplied by the demodulation factor. Styles and factors are float32 under mixed policies.

    "up" is a transposed convolution with stride 2, then the (1, 3, 3, 1) blur; "down" is the blur, then a convolution
    with stride 2. A separable convolution is a depthwise and a pointwise one; the pointwise one always runs at the
    smaller of the two sizes, so with "up" it comes first.

    Args:
        filters: Number of output channels.
        kernel_size: Odd side of the kernel.
        resample: None, "up" or "down".
        demodulate: Whether the output is demodulated.
        separable: Whether the kernel is a depthwise and a pointwise one.
        gain: Factor on the output.

    Call arguments:
        x: `(B, H, W, inputs)`.
        w: `(B, style size)`.

    Returns:
        `(B, H, W, filters)`, `(B, 2 H, 2 W, filters)` with "up", `(B, H // 2, W // 2, filters)` with "down".
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

    def build(self, x_shape: tuple[int | None, ...], w_shape: tuple[int | None, ...]) -> None:
        size, inputs = self.kernel_size, x_shape[-1]
        self.modulation = EqualizedDense(
            inputs, bias_init=1.0, dtype=at_least_float32(self.compute_dtype), name="modulation"
        )
        self.modulation.build(w_shape)
        if self.separable:
            depth = self.filters if self.resample == "up" else inputs
            self.depthwise_kernel = self._add_kernel("depthwise_kernel", (size, size, depth, 1))
            self.pointwise_kernel = self._add_kernel("pointwise_kernel", (1, 1, inputs, self.filters))
        else:
            self.kernel = self._add_kernel("kernel", (size, size, inputs, self.filters))
        self.kernel_gain = 1.0 / math.sqrt(inputs * size * size)

    def _add_kernel(self, name: str, shape: tuple[int, ...]) -> Any:
        initializer = keras.initializers.RandomNormal(stddev=1.0)
        return self.add_weight(name=name, shape=shape, initializer=initializer, autocast=False)

    def call(self, x: Any, w: Any) -> Any:
        style = self.modulation(w) * self.kernel_gain  # (B, inputs)
        x = self._scale(ops.cast(x, self.compute_dtype), style)
        x = self._separable_conv(x) if self.separable else self._conv(x)
        if self.demodulate:
            return self._scale(x, self.gain * self._demodulation(style))
        return x if self.gain == 1.0 else x * self.gain

    def _scale(self, x: Any, factors: Any) -> Any:
        """Multiplies the channels of `(B, H, W, C)` by factors `(B, C)`."""
        return x * ops.cast(factors, self.compute_dtype)[:, None, None, :]

    def _demodulation(self, style: Any) -> Any:
        """Factor an output channel, `(B, filters)`, that gives the modulated kernel unit norm."""
        dtype = style.dtype
        if self.separable:
            depthwise = ops.sum(ops.square(ops.cast(self.depthwise_kernel, dtype)), axis=(0, 1, 3))
            pointwise = ops.square(ops.cast(self.pointwise_kernel, dtype))[0, 0]
            energy = pointwise * (depthwise if self.resample == "up" else depthwise[:, None])
        else:
            energy = ops.sum(ops.square(ops.cast(self.kernel, dtype)), axis=(0, 1))
        return ops.rsqrt(ops.matmul(ops.square(style), energy) + DEMODULATION_EPSILON)

    def _conv(self, x: Any) -> Any:
        kernel = ops.cast(self.kernel, self.compute_dtype)
        if self.resample == "down":
            return downsampling_conv(x, kernel)
        if self.resample is None:
            return ops.conv(x, kernel, 1, "same", "channels_last")
        if self.kernel_size == 1:
            return upsample_2d(ops.conv(x, kernel, 1, "same", "channels_last"))
        # Keras' transposed convolution wants (k, k, filters, inputs); output 2 i + a gets input i times kernel a.
        x = ops.conv_transpose(
            x, ops.transpose(kernel, (0, 1, 3, 2)), 2, "valid", data_format="channels_last"
        )
        excess = len(BINOMIAL_TAPS) - 2 - (self.kernel_size - 1)
        return blur_2d(x, ((excess + 1) // 2 + 1, excess // 2 + 1), gain=4.0)

    def _separable_conv(self, x: Any) -> Any:
        depthwise = ops.cast(self.depthwise_kernel, self.compute_dtype)
        pointwise = ops.cast(self.pointwise_kernel, self.compute_dtype)
        if self.resample == "up":
            x = upsample_2d(ops.conv(x, pointwise, 1, "valid", "channels_last"))
            return ops.depthwise_conv(x, depthwise, 1, "same", "channels_last")
        if self.resample == "down":
            x = blur_2d(x, blur_padding_for_stride(self.kernel_size))
            x = ops.depthwise_conv(x, depthwise, 2, "valid", "channels_last")
        else:
            x = ops.depthwise_conv(x, depthwise, 1, "same", "channels_last")
        return ops.conv(x, pointwise, 1, "valid", "channels_last")
