"""The teacher's two networks as Keras models: mapping (z to w) and synthesis (styles to picture)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from stylegan2_ops import haar_up

from .weights import mapping_weights, synthesis_weights

LATENT_SIZE = 512
STYLE_INPUTS = 23
"""Style inputs of the synthesis: 0 first convolution; block i: 3i+1 Haar and conv1, 3i+2 conv2; 21 picture."""
_BLOCKS = 7
_LEAK = 0.2


class Mapping(keras.Model):
    """The mapping from z to w: pixel norm, then eight dense layers with sqrt(2) * leaky ReLU.

    Call arguments:
        z: `(B, 512)` float32, standard normal.

    Returns:
        `(B, 512)`: standard deviation about 0.42 per component.
    """

    def __init__(self) -> None:
        super().__init__(name="teacher_mapping")
        self.hidden = [keras.layers.Dense(LATENT_SIZE) for _ in range(8)]
        self.build((None, LATENT_SIZE))
        for layer, (kernel, bias) in zip(self.hidden, mapping_weights(), strict=True):
            layer.set_weights([kernel, bias])

    def build(self, input_shape: Any) -> None:
        for layer in self.hidden:
            layer.build(input_shape)
        self.built = True

    def call(self, z: Any) -> Any:
        x = z * ops.rsqrt(ops.mean(ops.square(z), axis=-1, keepdims=True) + 1e-8)
        for layer in self.hidden:
            x = np.sqrt(2) * ops.leaky_relu(layer(x), _LEAK)
        return x


class Synthesis(keras.Model):
    """Styles to a picture: MobileStyleGAN's generator with fixed noise.

    Every modulated convolution multiplies its input by `(A w + b) / sqrt(9 * in)`; the demodulation does not depend
    on the style and is folded into the pointwise constants.

    Args:
        size: Side of the picture, 1024 or 512. The 512 picture is the low band of the last Haar step, which is
            the 1024 picture averaged over 2x2.
        features: Names of intermediate activations to return too, such as "block3".
        dtype: Keras policy; "mixed_bfloat16" halves the time where the processor has bfloat16.

    Call arguments:
        styles: `(B, 23, 512)`, one w for each style input, or `(B, 512)`, the same for all.

    Returns:
        `(B, size, size, 3)` RGB in about [-1, 1]; with `features`, a pair: the picture and a dict of
        `(B, r, r, C)` activations.
    """

    def __init__(self, size: int = 512, features: tuple[str, ...] = (), dtype: str | None = None) -> None:
        # Styles and their layers stay float32 under mixed policies; activations are rounded where they are made.
        super().__init__(name="teacher_synthesis", dtype=dtype, autocast=False)
        if size not in (512, 1024):
            raise ValueError(f"The teacher makes pictures of 512 or 1024 pixels. Received: size={size}")
        self.size = size
        self.features = features
        self.constants = {}
        for name, array in synthesis_weights().items():
            self.constants[name] = self.add_weight(
                shape=array.shape,
                initializer="zeros",
                trainable=False,
                autocast=False,
                name=name.replace(".", "_"),
            )
            self.constants[name].assign(array)
        self.built = True

    def call(self, styles: Any) -> Any:
        if len(styles.shape) == 2:
            styles = ops.repeat(ops.expand_dims(styles, 1), STYLE_INPUTS, axis=1)
        activations = {}
        start = ops.expand_dims(self._constant("input"), 0)
        x = self._convolve("conv1", start * self._style("conv1", styles[:, 0], 9 * LATENT_SIZE))
        for i in range(_BLOCKS):
            x = haar_up(x * self._style(f"block{i}.up", styles[:, 3 * i + 1], 1))
            for layer, style in ((f"block{i}.conv1", 3 * i + 1), (f"block{i}.conv2", 3 * i + 2)):
                x = self._convolve(layer, x * self._style(layer, styles[:, style], 9 * x.shape[-1]))
            if f"block{i}" in self.features:
                activations[f"block{i}"] = x
        x = x * self._style("image", styles[:, 21], x.shape[-1])
        bands = ops.conv(x, self._constant("image.kernel"), 1, "valid", "channels_last")
        bands = ops.cast(bands, "float32") + self.constants["image.bias"]
        picture = haar_up(bands) if self.size == 1024 else 0.5 * bands[..., :3]
        return (picture, activations) if self.features else picture

    def _constant(self, name: str) -> Any:
        return ops.cast(self.constants[name], self.compute_dtype)

    def _style(self, layer: str, w: Any, fan_in: int) -> Any:
        """Modulation factors `(B, 1, 1, in)` of a layer."""
        style = ops.matmul(ops.cast(w, "float32"), self.constants[f"{layer}.modulation.kernel"])
        style = (style + self.constants[f"{layer}.modulation.bias"]) / np.sqrt(fan_in)
        return ops.cast(style[:, None, None, :], self.compute_dtype)

    def _convolve(self, layer: str, x: Any) -> Any:
        """The convolution of a modulated input, with its fixed noise, bias and leaky ReLU."""
        if f"{layer}.kernel" in self.constants:
            x = ops.conv(x, self._constant(f"{layer}.kernel"), 1, "same", "channels_last")
        else:
            x = ops.depthwise_conv(x, self._constant(f"{layer}.depthwise"), 1, "same", "channels_last")
            x = ops.matmul(x, self._constant(f"{layer}.pointwise"))
        offset = self._constant(f"{layer}.noise") + self._constant(f"{layer}.bias")
        return ops.leaky_relu(x + offset, _LEAK)
