"""The ageing network of MTLFace's released package: its own modules and a StyleGAN2 decoder, for inference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from agetrans.models.icm import channel_count
from agetrans.recognition.backbones import EPSILON, BuiltByCalling, Conv
from stylegan2_ops import StyledConv2D, ToImage, given_noise

BLOCKS = 4
"""Residual blocks of each ageing module."""
SHARING = 8
"""Neighbouring groups share one channel of so many."""
COARSE, MIDDLE = 3, 7
"""Style heads up to here read the identity, and the aged map of an eighth of the picture's side."""


class GroupConv(layers.Layer):
    """A convolution whose channels belong to age groups; only one group's slice is computed.

    The package computes all channels and masks them. With instance normalisation that is the same number for number,
    at 39 times the cost.

    Args:
        inputs: Channels that come, of all groups together where `grouped_in`.
        filters: Channels that go, likewise.
        kernel: Side of the kernel, odd.
        units: Channels of a group.
        grouped_in: Whether the channels that come belong to groups.
        grouped_out: Whether the channels that go do.
    """

    def __init__(
        self, inputs: int, filters: int, kernel: int, units: int, grouped_in: bool, grouped_out: bool
    ) -> None:
        super().__init__()
        self.units, self.step = units, units - units // SHARING
        self.grouped_in, self.grouped_out = grouped_in, grouped_out
        self.kernel = self.add_weight(name="kernel", shape=(kernel, kernel, inputs, filters))
        self.bias = self.add_weight(name="bias", shape=(filters,), initializer="zeros")
        self.built = True

    def call(self, x: Any, group: int) -> Any:
        own = slice(group * self.step, group * self.step + self.units)
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        if self.grouped_in:
            kernel = kernel[:, :, own]
        if self.grouped_out:
            kernel, bias = kernel[..., own], bias[own]
        return ops.conv(x, kernel, 1, "same", "channels_last") + bias


class Ageing(BuiltByCalling, layers.Layer):
    """What an age group does to a map: 1x1 convolution, residual blocks, 1x1 convolution back.

    Args:
        channels: Of the map.
        groups: Number of age groups.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        units = channels // 4
        if units % SHARING:
            raise ValueError(f"A map's channels must be a multiple of {4 * SHARING}. Received: {channels}")
        total = channel_count(groups, units, units // SHARING)
        self.enter = GroupConv(channels, total, 1, units, False, True)
        self.convs = [GroupConv(total, total, 3, units, True, True) for _ in range(2 * BLOCKS)]
        self.leave = GroupConv(total, channels, 1, units, True, False)

    def call(self, x: Any, group: int) -> Any:
        x = _leaky(_normed(self.enter(x, group=group)))
        for first, second in zip(self.convs[::2], self.convs[1::2], strict=True):
            y = _leaky(_normed(first(x, group=group)))
            x = _leaky(x + _normed(second(y, group=group)))
        return self.leave(x, group=group)


class UpStage(BuiltByCalling, layers.Layer):
    """Twice the side, joined with a map of the encoder; instance norms without parameters."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.convs = [Conv(filters, 3, use_bias=True) for _ in range(4)]
        self.shortcut = Conv(filters, 1, use_bias=True)

    def call(self, x: Any, skip: Any) -> Any:
        x = ops.image.resize(x, tuple(skip.shape[1:3]), "bilinear", data_format="channels_last")
        y = self._twice(ops.concatenate([x, skip], axis=-1), self.convs[:2]) + self.shortcut(x)
        return y + self._twice(y, self.convs[2:])

    def _twice(self, x: Any, convs: Sequence[Any]) -> Any:
        for conv in convs:
            x = conv(_leaky(_normed(x)))
        return x


class StyleHead(BuiltByCalling, layers.Layer):
    """A map to a style: convolutions that halve it, the mean, and a linear layer.

    Args:
        features: Length of the style.
        side: Of the map; log2 of it, rounded down, is the number of convolutions.
    """

    def __init__(self, features: int, side: int) -> None:
        super().__init__()
        self.convs = [Conv(features, 3, 2, use_bias=True) for _ in range(int(math.log2(side)))]
        self.linear = layers.Dense(features)

    def call(self, x: Any) -> Any:
        for conv in self.convs:
            x = _leaky(conv(x))
        return self.linear(ops.mean(x, axis=(1, 2)))


class StyleDecoder(layers.Layer):
    """StyleGAN2's synthesis network (Karras et al., 2020) on one style a layer.

    Args:
        size: Side of the picture, a power of two.
        features: Length of the styles and channels up to 64 pixels; half of them at 128.
    """

    def __init__(self, size: int, features: int) -> None:
        super().__init__()
        self.sides = [4 << level for level in range(int(math.log2(size)) - 1)]
        self.noise_sides = [4, *(side for side in self.sides[1:] for _ in range(2))]
        self.start = self.add_weight(name="start", shape=(1, 4, 4, features))
        resamplings = [None, *(["up", None] * (len(self.sides) - 1))]
        widths = [features if side <= 64 else features * 64 // side for side in self.sides]
        before, self.convs, self.images = features, [], []
        for resample, side in zip(resamplings, self.noise_sides, strict=True):
            width = widths[self.sides.index(side)]
            conv = StyledConv2D(width, resample=resample)
            conv.build((None, None, None, before), (None, features))
            self.convs.append(conv)
            before = width
        for width in widths:
            image = ToImage()
            image.build((None, None, None, width), (None, features))
            self.images.append(image)
        self.built = True

    def call(self, styles: Any, noise: Sequence[Any] | None = None) -> Any:
        maps = [None] * len(self.noise_sides) if noise is None else given_noise(noise, self.noise_sides)
        start = ops.convert_to_tensor(self.start)
        x = self.convs[0](ops.repeat(start, styles.shape[0], axis=0), styles[:, 0], maps[0])
        picture = self.images[0](x, styles[:, 1])
        for level, image in enumerate(self.images[1:]):
            first = 2 * level + 1
            x = self.convs[first](x, styles[:, first], maps[first])
            x = self.convs[first + 1](x, styles[:, first + 1], maps[first + 1])
            picture = image(x, styles[:, first + 2], picture)
        return picture


class ReleasedSynthesis(BuiltByCalling, keras.Model):
    """What MTLFace's released package paints with, on top of `MTLFaceEncoder(package=True)`.

    Without noise maps the same face gives the same picture; the package draws new ones at each call.

    Args:
        size: Side of the pictures.
        width: Channels of the encoder's first level, a multiple of 16.
        features: Length of the styles.
        groups: Number of age groups.

    Call arguments:
        identity: identity features `(B, size/16, size/16, 8 width)`.
        maps: maps of the encoder's backbone, finest first, see `MTLFaceEncoder.parts`.
        group: the age group, 0 to groups - 1, of all rows.
        noise: one map `(1 or B, side, side, 1)` for each of `noise_sides`, or None for zero noise.

    Returns:
        The aged faces `(B, size, size, 3)` in [-1, 1].

    Raises:
        ValueError: There is no such group.
    """

    def __init__(self, size: int = 112, width: int = 64, features: int = 512, groups: int = 7) -> None:
        super().__init__()
        self.size, self.width, self.groups = size, width, groups
        exponent = math.ceil(math.log2(size))
        sides = [size // 16] * COARSE + [size // 8] * (MIDDLE - COARSE)
        sides += [size // 2] * (2 * exponent - 2 - MIDDLE)
        self.heads = [StyleHead(features, side) for side in sides]
        self.ageing = [Ageing(factor * width, groups) for factor in (8, 4, 2)]
        self.stages = [UpStage(factor * width) for factor in (4, 2, 1)]
        self.laterals = [Conv(8 * width, 3, use_bias=True) for _ in range(2)]
        self.average = self.add_weight(
            name="average", shape=(1, 1, features), initializer="zeros", trainable=False
        )
        self.decoder = StyleDecoder(2**exponent, features)
        self.noise_sides = self.decoder.noise_sides
        maps = [
            ops.zeros((1, size >> level, size >> level, channels * width))
            for level, channels in enumerate((1, 1, 2, 4, 8))
        ]
        self(maps[-1], maps, group=0)

    def call(self, identity: Any, maps: Sequence[Any], group: int, noise: Sequence[Any] | None = None) -> Any:
        if not 0 <= group < self.groups:
            raise ValueError(f"Groups are 0 to {self.groups - 1}. Received: group={group}")
        coarse = self.stages[0](self.ageing[0](identity, group=group), maps[3])
        middle = self.stages[1](self.ageing[1](coarse, group=group), maps[2])
        fine = self.stages[2](self.ageing[2](middle, group=group), maps[1])
        sources = [identity] * COARSE + [self.laterals[0](coarse)] * (MIDDLE - COARSE)
        sources += [self.laterals[1](fine)] * (len(self.heads) - MIDDLE)
        styles = ops.stack([head(x) for head, x in zip(self.heads, sources, strict=True)], axis=1)
        picture = self.decoder(styles + ops.convert_to_tensor(self.average), noise=noise)
        return ops.clip(_resized(picture, self.size), -1.0, 1.0)


def _normed(x: Any) -> Any:
    """Instance normalisation without parameters."""
    mean = ops.mean(x, axis=(1, 2), keepdims=True)
    variance = ops.mean(ops.square(x - mean), axis=(1, 2), keepdims=True)
    return (x - mean) * ops.rsqrt(variance + EPSILON)


def _leaky(x: Any) -> Any:
    return ops.leaky_relu(x, 0.2)


def _resized(x: Any, size: int) -> Any:
    """Bilinear, the corners' centres on each other."""
    places = np.arange(size) * (x.shape[1] - 1) / (size - 1)
    shares = np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(x.shape[1])[None])).astype(np.float32)
    return ops.einsum("ih,bhwc,jw->bijc", ops.convert_to_tensor(shares), x, ops.convert_to_tensor(shares))
