"""Backbones of face recognition: pictures to feature maps.

IR networks as MTLFace has them, iResNets as IEFP has them, and DAL's OECNN. All norms are those of PyTorch: epsilon
1e-5, moving statistics that keep 0.9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

EPSILON = 1e-5
UNITS = {
    "ir18": (2, 2, 2, 2),
    "ir34": (3, 4, 6, 3),
    "ir50": (3, 4, 14, 3),
    "ir64": (3, 4, 10, 3),
    "ir101": (3, 13, 30, 3),
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
    "iresnet200": (6, 26, 60, 6),
}
"""Residual units of the four levels; "irse..." are IR networks with squeeze and excitation."""
OECNN_BLOCKS = (3, 4, 10, 3)


class BuiltByCalling:
    """For layers of layers, whose parts are built where they are first called.

    Keras would otherwise trace `call` at every level of the nest to find shapes, which takes more than twice as long.
    """

    def build(self, input_shape: Any = None) -> None:
        """Makes nothing."""


class FixedScaleNorm(layers.BatchNormalization):
    """Batch normalisation whose scale does not learn: it stays 1, or what a converted checkpoint has."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.gamma.trainable = False


def batch_norm(momentum: float = 0.9, learned_scale: bool = True) -> Any:
    """Batch normalisation with PyTorch's epsilon; Keras' momentum is 1 minus PyTorch's."""
    kind = layers.BatchNormalization if learned_scale else FixedScaleNorm
    return kind(momentum=momentum, epsilon=EPSILON)


def prelu() -> Any:
    """PReLU with one slope a channel, whether over maps or vectors."""
    return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2])


class Conv(layers.Layer):
    """Convolution with PyTorch's symmetric padding; Keras' own pads strided ones on one side.

    Args:
        filters: Channels of the result.
        kernel: Side of the kernel, odd or 4.
        strides: Step.
        use_bias: Whether it has a bias.
    """

    def __init__(self, filters: int, kernel: int, strides: int = 1, use_bias: bool = False) -> None:
        super().__init__()
        self.padding = kernel // 2 if kernel % 2 else 1
        self.conv = layers.Conv2D(
            filters, kernel, strides=strides, use_bias=use_bias, kernel_initializer="he_normal"
        )

    def build(self, input_shape: Sequence[Any]) -> None:
        batch, height, width, channels = input_shape
        around = 2 * self.padding
        self.conv.build((batch, height + around, width + around, channels))

    def call(self, x: Any) -> Any:
        side = (self.padding, self.padding)
        return self.conv(ops.pad(x, ((0, 0), side, side, (0, 0))) if self.padding else x)


class SqueezeExcite(BuiltByCalling, layers.Layer):
    """Squeeze and excitation (Hu et al., 2018): channels scaled by what the whole map says."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = layers.Dense(max(1, channels // reduction), use_bias=False, activation="relu")
        self.excite = layers.Dense(channels, use_bias=False, activation="sigmoid")

    def call(self, x: Any) -> Any:
        return x * self.excite(self.squeeze(ops.mean(x, axis=(1, 2), keepdims=True)))


class ResidualUnit(BuiltByCalling, layers.Layer):
    """BN, Conv 3x3, BN, PReLU, Conv 3x3 with the stride, BN, plus the shortcut; nothing after the sum.

    Args:
        inputs: Channels that come.
        filters: Channels that go.
        strides: Step of the second convolution.
        convolved: Whether the shortcut is a 1x1 convolution; otherwise it leaves pixels out.
        squeeze: Whether squeeze and excitation ends the residual branch.
    """

    def __init__(self, inputs: int, filters: int, strides: int, convolved: bool, squeeze: bool) -> None:
        super().__init__()
        self.strides = strides
        self.norm1 = batch_norm()
        self.conv1 = Conv(filters, 3)
        self.norm2 = batch_norm()
        self.slope = prelu()
        self.conv2 = Conv(filters, 3, strides)
        self.norm3 = batch_norm()
        self.squeeze = SqueezeExcite(filters) if squeeze else None
        self.shortcut = Conv(filters, 1, strides) if convolved or inputs != filters else None
        self.shortcut_norm: Any = batch_norm() if self.shortcut is not None else None

    def call(self, x: Any, training: bool = False) -> Any:
        y = self.conv1(self.norm1(x, training=training))
        y = self.conv2(self.slope(self.norm2(y, training=training)))
        y = self.norm3(y, training=training)
        if self.squeeze is not None:
            y = self.squeeze(y)
        if self.shortcut is None:
            return y + x[:, :: self.strides, :: self.strides]
        return y + self.shortcut_norm(self.shortcut(x), training=training)


class IRNet(BuiltByCalling, keras.Model):
    """IR network: a stem and four levels, each at half the side of the one before.

    Args:
        units: Residual units of each level.
        width: Channels of the stem and the first level; each further level doubles them.
        convolved: Whether every level's first shortcut is a convolution (iResNet), or only where channels change (IR).
        squeeze: Squeeze and excitation in every unit.

    Call arguments:
        x: `(B, H, W, 3)` in [-1, 1].
        training: Whether batch statistics are used and moved.

    Returns:
        The stem's map and those of the four levels: H, H/2, H/4, H/8 and H/16.
    """

    def __init__(self, units: Sequence[int], width: int, convolved: bool, squeeze: bool) -> None:
        super().__init__()
        self.stem = Conv(width, 3)
        self.stem_norm = batch_norm()
        self.stem_slope = prelu()
        self.levels = []
        channels = width
        for level, count in enumerate(units):
            filters = width * 2**level
            blocks = [ResidualUnit(channels, filters, 2, convolved, squeeze)]
            blocks += [ResidualUnit(filters, filters, 1, False, squeeze) for _ in range(count - 1)]
            self.levels.append(blocks)
            channels = filters
        # Lists of lists are not looked into by every backend.
        self.units = [unit for blocks in self.levels for unit in blocks]
        self.channels = channels

    def call(self, x: Any, training: bool = False) -> list[Any]:
        maps = [self.stem_slope(self.stem_norm(self.stem(x), training=training))]
        for blocks in self.levels:
            y = maps[-1]
            for unit in blocks:
                y = unit(y, training=training)
            maps.append(y)
        return maps


class Piece(BuiltByCalling, layers.Layer):
    """DAL's piece: BN, Conv 3x3, ReLU."""

    def __init__(self, filters: int, use_bias: bool) -> None:
        super().__init__()
        self.norm = batch_norm()
        self.conv = Conv(filters, 3, use_bias=use_bias)

    def call(self, x: Any, training: bool = False) -> Any:
        return ops.relu(self.conv(self.norm(x, training=training)))


class OECNN(BuiltByCalling, keras.Model):
    """DAL's backbone: pieces and residual blocks of three pieces, max pooling between the levels.

    Args:
        width: Channels of the first level.
        blocks: Residual blocks of each level.

    Call arguments and result: as `IRNet`; the maps are those after each pooling and the last one.
    """

    def __init__(self, width: int, blocks: Sequence[int]) -> None:
        super().__init__()
        self.entries = [Piece(width, False)]
        self.entries += [Piece(width * 2**level, False) for level in range(4)]
        self.blocks = [
            [Piece(width * 2**level, True) for _ in range(3 * count)] for level, count in enumerate(blocks)
        ]
        self.pieces = [piece for level in self.blocks for piece in level]
        self.channels = width * 8

    def call(self, x: Any, training: bool = False) -> list[Any]:
        x = self.entries[0](x, training=training)
        maps = [x]
        for entry, level in zip(self.entries[1:], self.blocks, strict=True):
            x = entry(x, training=training)
            x = ops.max_pool(x, 2, data_format="channels_last")
            for first in range(0, len(level), 3):
                y = x
                for piece in level[first : first + 3]:
                    y = piece(y, training=training)
                x = x + y
            maps.append(x)
        return maps


def make_backbone(name: str, width: int = 64) -> Any:
    """A backbone by name: "ir50", "irse50", "iresnet100", "oecnn" and their kin.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in backbone_names():
        raise ValueError(f"There is no backbone {name!r}: there are {', '.join(backbone_names())}.")
    if name == "oecnn":
        return OECNN(width, OECNN_BLOCKS)
    squeeze = name.startswith("irse")
    units = UNITS[name.replace("irse", "ir", 1) if squeeze else name]
    return IRNet(units, width, name.startswith("iresnet"), squeeze)


def backbone_names() -> list[str]:
    """What `make_backbone` takes."""
    squeezed = [name.replace("ir", "irse", 1) for name in UNITS if not name.startswith("iresnet")]
    return [*UNITS, *squeezed, "oecnn"]
