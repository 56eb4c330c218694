"""AgeTransGAN: the network that paints the whole picture, as its authors released it.

Hsu et al., "AgeTransGAN for Facial Age Transformation with Rectified Performance Metrics" (ECCV 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from stylegan2_ops import EqualizedConv2D, EqualizedDense, StoredNoise, StyledConv2D, ToImage, given_noise
from stylegan2_ops.activation import GAIN, activate, at_least_float32

from .generator import Generator

SIZES = (32, 64, 128, 256, 512, 1024)
UNUSED_NOISE_SIDES = (4, 8, 8, 16)
MAPPING_LEARNING_RATE_MULTIPLIER = 0.01


class FromPicture(keras.layers.Layer):
    """1x1 convolution of a picture with one constant plane for each age group, and its activation.

    A constant plane through a 1x1 convolution is a constant: the label adds to the bias, and no plane is made.

    Args:
        filters: Number of output channels.

    Call arguments:
        image: `(B, S, S, 3)` in [-1, 1]; or one picture for all labels.
        label: `(B, groups)`.

    Returns:
        `(B, S, S, filters)`.
    """

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.filters = filters

    def build(self, image_shape: tuple[Any, ...], label_shape: tuple[Any, ...]) -> None:
        inputs = image_shape[-1] + label_shape[-1]
        self.colours = image_shape[-1]
        self.kernel_gain = GAIN / math.sqrt(inputs)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(1, 1, inputs, self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            autocast=False,
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros", autocast=False)

    def call(self, image: Any, label: Any) -> Any:
        kernel = self.kernel * self.kernel_gain
        offset = ops.cast(label, kernel.dtype) @ kernel[0, 0, self.colours :] + self.bias * GAIN
        offset = ops.cast(offset, self.compute_dtype)
        # One label's offset is an ordinary bias, which TensorFlow joins with the convolution.
        offset = offset[0] if offset.shape[0] == 1 else offset[:, None, None, :]
        colour_kernel = ops.cast(kernel[:, :, : self.colours], self.compute_dtype)
        x = ops.conv(ops.cast(image, self.compute_dtype), colour_kernel, 1, "same", "channels_last")
        return activate(x + offset, "scaled_leaky_relu")


class ResidualBlock(keras.layers.Layer):
    """Two 3x3 convolutions beside a learned 1x1 skip, their sum divided by sqrt(2).

    Args:
        filters: Number of output channels.
        resample: None, or "down" to halve the size.

    Call arguments:
        x: `(B, H, W, inputs)`.

    Returns:
        `(B, H, W, filters)`, or `(B, H / 2, W / 2, filters)` with "down".
    """

    def __init__(self, filters: int, resample: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.resample = resample

    def build(self, input_shape: tuple[Any, ...]) -> None:
        policy, half = self.dtype_policy, math.sqrt(0.5)
        self.conv1 = EqualizedConv2D(
            input_shape[-1], 3, activation="scaled_leaky_relu", dtype=policy, name="conv1"
        )
        self.conv2 = EqualizedConv2D(
            self.filters, 3, self.resample, "scaled_leaky_relu", gain=half, dtype=policy, name="conv2"
        )
        self.skip = EqualizedConv2D(
            self.filters, 1, self.resample, use_bias=False, gain=half, dtype=policy, name="skip"
        )
        for layer in (self.conv1, self.conv2, self.skip):
            layer.build(input_shape)

    def call(self, x: Any) -> Any:
        return self.conv2(self.conv1(x)) + self.skip(x)


@keras.saving.register_keras_serializable("agetrans")
class AgeTransGAN(Generator):
    """Encodes a picture and a target age to a map of identity and a style, and paints the picture anew from them.

    A residual trunk takes the picture to 16x16. From there one branch makes the identity map, where StyleGAN2's
    decoder starts instead of a learned constant; another makes 512 numbers, which the mapping network turns into
    the style of every decoder layer. The target age enters beside the picture in the first layer, so different
    ages of a face share nothing but the picture.

    Args:
        size: Side of the pictures: 32, 64, 128, 256, 512 or 1024.
        groups: Number of age groups.
        channel_multiplier: Width at 64 pixels and beyond, in halves of the base width at 64.
        base_width: Width at 4 to 32 pixels and size of the style.
        mapping_layers: Number of layers of the mapping network.

    Raises:
        ValueError: If the size is none of these, or a number is below one.
    """

    def __init__(
        self,
        size: int,
        groups: int,
        channel_multiplier: int = 2,
        base_width: int = 512,
        mapping_layers: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if size not in SIZES:
            raise ValueError(f"AgeTransGAN's size must be one of {SIZES}. Received: size={size}")
        self.size = size
        self.groups = groups
        self.channel_multiplier = channel_multiplier
        self.base_width = base_width
        self.mapping_layers = mapping_layers
        for name in ("groups", "channel_multiplier", "base_width", "mapping_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1. Received: {name}={getattr(self, name)}")
        self.levels = tuple(side for side in SIZES if side <= size)
        self.noise_sides = (16, *(side for level in self.levels for side in (level, level)))
        self._build_encoder()
        self._build_mapping()
        self._build_decoder()
        self.stored_noise = StoredNoise(self.noise_sides, name="stored_noise")
        # The authors' files hold four maps more, as if the decoder began at 4 pixels; kept to be given back.
        self.unused_noise = StoredNoise(UNUSED_NOISE_SIDES, seed=1, name="unused_noise")
        self.built = True

    def width(self, side: int) -> int:
        """Number of channels where the features have this side."""
        if side <= 32:
            return self.base_width
        return max(1, self.base_width * self.channel_multiplier * 32 // side)

    @property
    def frame_memory(self) -> int:
        # Six of the largest features at a time, float32: measured at 1024 pixels.
        return 24 * self.size**2 * self.width(self.size)

    def _build_encoder(self) -> None:
        policy = self.dtype_policy
        self.from_picture = FromPicture(self.width(self.size), dtype=policy, name="from_picture")
        self.from_picture.build((None, self.size, self.size, 3), (None, self.groups))
        self.trunk = [self._down_block("trunk", level // 2) for level in reversed(self.levels)]
        features = (None, 16, 16, self.base_width)
        self.identity = [
            ResidualBlock(self.base_width, dtype=policy, name=f"identity_{index}") for index in (1, 2)
        ]
        for block in self.identity:
            block.build(features)
        self.style = [self._down_block("style", side) for side in (8, 4)]
        self.style_conv = EqualizedConv2D(
            self.base_width, 3, activation="scaled_leaky_relu", dtype=policy, name="style_conv"
        )
        self.style_conv.build(features)

    def _down_block(self, branch: str, side: int) -> ResidualBlock:
        block = ResidualBlock(self.width(side), "down", dtype=self.dtype_policy, name=f"{branch}_{side}")
        block.build((None, 2 * side, 2 * side, self.width(2 * side)))
        return block

    def _build_mapping(self) -> None:
        self.mapping = [
            EqualizedDense(
                self.base_width,
                learning_rate_multiplier=MAPPING_LEARNING_RATE_MULTIPLIER,
                activation="scaled_leaky_relu",
                dtype=at_least_float32(self.compute_dtype),
                name=f"mapping_{index + 1}",
            )
            for index in range(self.mapping_layers)
        ]
        for layer in self.mapping:
            layer.build((None, self.base_width))

    def _build_decoder(self) -> None:
        styles = (None, self.base_width)
        self.convs: list[StyledConv2D] = []
        self.images: list[ToImage] = []
        for side in (16, *self.levels):
            resamplings = (None,) if side == 16 else ("up", None)
            for resample in resamplings:
                name = f"decoder_{side}" if resample is None else f"decoder_{side}_up"
                conv = StyledConv2D(self.width(side), resample=resample, dtype=self.dtype_policy, name=name)
                before = side // 2 if resample else side
                conv.build((None, before, before, self.width(before)), styles)
                self.convs.append(conv)
            image = ToImage(3, dtype=self.dtype_policy, name=f"image_{side}")
            image.build((None, side, side, self.width(side)), styles)
            self.images.append(image)

    def encode(self, image: Any) -> tuple[Any, ...]:
        """The picture itself: nothing later is the same for two target ages.

        Args:
            image: `(B, size, size, 3)`, RGB in [-1, 1].

        Returns:
            `(image,)`.

        Raises:
            ValueError: If the picture has another shape.
        """
        if tuple(image.shape[1:]) != (self.size, self.size, 3):
            shape = f"(batch, {self.size}, {self.size}, 3)"
            raise ValueError(f"The picture must be {shape}. Received: {tuple(image.shape)}")
        return (image,)

    def decode(self, codes: tuple[Any, ...], label: Any, noise: Sequence[Any] | None = None) -> Any:
        """Paints the picture at a target age.

        One label at a time is fastest: its kernels are scaled instead of its activations.

        Args:
            codes: What `encode` returned.
            label: `(B, groups)`; or one picture and many labels.
            noise: One map `(1 or B, side, side, 1)` for each of `noise_sides`, or None for zero noise.

        Returns:
            `(B, size, size, 3)`, float32, RGB, not clipped.

        Raises:
            ValueError: If the label or a noise map has the wrong shape.
        """
        identity, pooled = self.features(codes[0], label)
        return self.synthesis(identity, self.map_style(pooled), noise)

    def compose(self, photo: Any, change: Any) -> Any:
        """The painted picture; of the photograph nothing is kept.

        Args:
            photo: Not used.
            change: What `decode` returned.

        Returns:
            `change`.
        """
        return change

    def features(self, image: Any, label: Any) -> tuple[Any, Any]:
        """The encoder for one target age.

        Args:
            image: `(B, size, size, 3)`, RGB in [-1, 1].
            label: `(B, groups)`.

        Returns:
            The identity map `(B, 16, 16, base width)` and the pooled features `(B, base width)`, float32.

        Raises:
            ValueError: If the label has another width.
        """
        if label.shape[-1] != self.groups:
            raise ValueError(
                f"The label must have {self.groups} columns, one an age group. Received: {tuple(label.shape)}"
            )
        x = self.from_picture(image, label)
        for block in self.trunk:
            x = block(x)
        identity = style = x
        for block in self.identity:
            identity = block(identity)
        for block in self.style:
            style = block(style)
        style = self.style_conv(style)
        return identity, ops.mean(ops.cast(style, at_least_float32(self.compute_dtype)), axis=(1, 2))

    def map_style(self, pooled: Any) -> Any:
        """The mapping network: pixel norm, then dense layers; `(B, base width)` to w of the same shape."""
        w = pooled * ops.rsqrt(ops.mean(ops.square(pooled), axis=-1, keepdims=True) + 1e-8)
        for layer in self.mapping:
            w = layer(w)
        return w

    def synthesis(self, identity: Any, w: Any, noise: Sequence[Any] | None = None) -> Any:
        """The decoder.

        Args:
            identity: `(B, 16, 16, base width)`.
            w: `(B, base width)`.
            noise: One map for each of `noise_sides`, or None.

        Returns:
            `(B, size, size, 3)`, float32.

        Raises:
            ValueError: If a noise map has the wrong shape.
        """
        maps = iter([None] * len(self.noise_sides) if noise is None else given_noise(noise, self.noise_sides))
        convs = iter(self.convs)
        x = next(convs)(identity, w, next(maps))
        picture = self.images[0](x, w)
        for image in self.images[1:]:
            x = next(convs)(x, w, next(maps))
            x = next(convs)(x, w, next(maps))
            picture = image(x, w, picture)
        return picture

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "groups": self.groups,
            "channel_multiplier": self.channel_multiplier,
            "base_width": self.base_width,
            "mapping_layers": self.mapping_layers,
        }
